"""`/openapi.json`, and `/docs`: a page of our own that shows it, with no other host and no inline script."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
from aiohttp import web

from gateway.api.openapi import build_document
from gateway.api.route import JSON, Route

_PAGE = Path(__file__).resolve().parents[2] / "static" / "docs"
_CONTENT_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
# The page is ours alone: nothing from elsewhere, nothing inline, in nobody's frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
)


def add_documents(app: web.Application, routes: Sequence[Route]) -> None:
    """Read and built once: neither changes while the process runs."""
    document = build_document(routes, version("webpush-gateway"))
    app.router.add_get("/openapi.json", _constant(msgspec.json.encode(document), JSON))
    for path, name in (("/docs", "index.html"), ("/docs/docs.js", "docs.js"), ("/docs/docs.css", "docs.css")):
        file = _PAGE / name
        app.router.add_get(path, _constant(file.read_bytes(), _CONTENT_TYPES[file.suffix]))


def _constant(content: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    etag = sha256(content).hexdigest()[:32]

    async def answer(request: web.Request) -> web.Response:
        headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        if any(each.value == etag for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)

    return answer
