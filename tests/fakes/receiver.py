"""A receiver of webhooks on http://127.0.0.1:PORT that checks signatures as specified, and may fail."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Answer = Callable[["Received"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]  # in lower case
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def events(self) -> list[dict[str, Any]]:
        said: dict[str, Any] = json.loads(self.body)
        assert said["type"] == "events"
        found: list[dict[str, Any]] = said["data"]["events"]
        return found

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver finds out that knows nothing but this secret."""
        assert secret.startswith("whsec_")
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """Takes everything, unless `answers` has something for the path. `most_at_once` by path."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, Answer] = {}
        self.most_at_once: dict[str, int] = {}
        self.port = 0
        self._at_once: dict[str, int] = {}
        self._runner: web.AppRunner | None = None

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def on(self, path: str = "/") -> list[Received]:
        return [each for each in self.received if each.path == path]

    def fail(self, path: str = "/", status: int = 500, **headers: str) -> None:
        """From now on."""

        async def answer(_: Received) -> web.StreamResponse:
            return web.Response(status=status, headers=headers)

        self.answers[path] = answer

    def hang(self, path: str = "/") -> asyncio.Event:
        """Answer nobody until the event is set."""
        go_on = asyncio.Event()

        async def answer(_: Received) -> web.StreamResponse:
            await go_on.wait()
            return web.Response(status=204)

        self.answers[path] = answer
        return go_on

    async def start(self) -> None:
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.path, headers, await request.read())
        self.received.append(received)
        at_once = self._at_once.get(request.path, 0) + 1
        self._at_once[request.path] = at_once
        self.most_at_once[request.path] = max(at_once, self.most_at_once.get(request.path, 0))
        try:
            answer = self.answers.get(request.path)
            return await answer(received) if answer else web.Response(status=204)
        finally:
            self._at_once[request.path] -= 1
