"""The websites that embed the snippet: each test gets an origin of its own, http://tN.localhost:PORT.

A new origin is a clean slate in a running browser: permission, worker and subscription are the origin's.
"""

import itertools
from pathlib import PurePosixPath

from aiohttp import web

_TYPES = {".js": "text/javascript", ".html": "text/html", "": "text/html", ".png": "image/png"}


class Site:
    """One website; what `serve` was not told answers 404. `requested` holds the paths asked for."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requested: list[str] = []
        self._files: dict[str, bytes] = {}

    def serve(self, path: str, content: str | bytes) -> None:
        self._files[path] = content.encode() if isinstance(content, str) else content

    def answer(self, path: str) -> web.Response:
        self.requested.append(path)
        if path not in self._files:
            return web.Response(status=404)
        kind = _TYPES[PurePosixPath(path).suffix]
        headers = {"Cache-Control": "no-store", "Content-Type": f"{kind}; charset=utf-8"}
        return web.Response(body=self._files[path], headers=headers)


class SiteServer:
    """All the sites on one loopback port, told apart by Host. Browsers resolve *.localhost themselves."""

    def __init__(self) -> None:
        self.port = 0
        self._sites: dict[str, Site] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def new_site(self) -> Site:
        host = f"t{next(self._numbers)}.localhost:{self.port}"
        self._sites[host] = Site(f"http://{host}")
        return self._sites[host]

    async def _answer(self, request: web.Request) -> web.Response:
        site = self._sites.get(request.host)
        return site.answer(request.path) if site is not None else web.Response(status=404)
