"""Numbered calls, answers and events as JSON over one WebSocket: WebDriver BiDi and CDP alike."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp

Handler = Callable[[dict[str, Any], str], None]
"""(an event's parameters, the CDP session it belongs to or "")."""


class RemoteError(Exception):
    """The browser refused a call, or hung up."""


class Remote:
    """One connection to a browser. Every call has a deadline."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="remote")

    @classmethod
    async def connect(cls, url: str) -> "Remote":
        session = aiohttp.ClientSession()
        try:
            return cls(session, await session.ws_connect(url, max_msg_size=0))
        except aiohttp.ClientError:
            await session.close()
            raise

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def close(self) -> None:
        await self._socket.close()
        await self._reader
        await self._session.close()

    def on(self, event: str, handler: Handler) -> None:
        self._handlers.setdefault(event, []).append(handler)

    async def call(
        self, method: str, params: dict[str, Any] | None = None, *, session: str = "", within: float = 30.0
    ) -> dict[str, Any]:
        """The result; RemoteError in the browser's words, or when it does not answer in time."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        try:
            await self._socket.send_json(message)
            async with asyncio.timeout(within):
                return await answer
        except (TimeoutError, ConnectionError) as error:
            raise RemoteError(f"{method}: no answer ({type(error).__name__})") from error
        finally:
            del self._calls[number]

    async def _read(self) -> None:
        async for frame in self._socket:
            message = frame.json()
            if "id" in message:
                self._settle(message)
                continue
            for handler in self._handlers.get(message.get("method", ""), []):
                handler(message["params"], message.get("sessionId", ""))
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(RemoteError("the browser hung up"))

    def _settle(self, message: dict[str, Any]) -> None:
        answer = self._calls.get(message["id"])
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(RemoteError(f"{message['error']}: {message.get('message', '')}"))
        else:
            answer.set_result(message["result"])
