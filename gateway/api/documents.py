"""`/openapi.json`, and `/docs`: a page of our own that shows it, with no other host and no inline script."""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache

import msgspec
from aiohttp import web

from gateway import VERSION
from gateway.api.assets import STATIC, Asset
from gateway.api.openapi import build_document
from gateway.api.route import JSON, Route

_CONTENT_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_HEADERS = {
    "Cache-Control": "no-cache",
    # The page is ours alone: nothing from elsewhere, nothing inline, in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'",
}


def add_documents(app: web.Application, routes: Sequence[Route]) -> None:
    """Read and built once: neither changes while the process runs."""
    app.router.add_get("/openapi.json", _constant(_written(tuple(routes)), JSON))
    for path, name in (("/docs", "index.html"), ("/docs/docs.js", "docs.js"), ("/docs/docs.css", "docs.css")):
        file = STATIC / "docs" / name
        app.router.add_get(path, _constant(file.read_bytes(), _CONTENT_TYPES[file.suffix]))


@lru_cache(maxsize=1)
def _written(routes: tuple[Route, ...]) -> bytes:
    """Once a process: it takes 30 ms, and tests build hundreds of applications."""
    return msgspec.json.encode(build_document(routes, VERSION))


def _constant(content: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    asset = Asset.of(content, content_type)

    async def answer(request: web.Request) -> web.Response:
        return asset.response(request, _HEADERS)

    return answer
