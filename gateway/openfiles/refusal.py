"""How a connection is told that there is no room for it."""

import asyncio
import json
from collections.abc import Callable
from typing import cast

from gateway.errors import TooManyConnections

RETRY_AFTER = 5  # seconds


def _answer() -> bytes:
    error = TooManyConnections()
    problem = {
        "type": f"/docs#{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.sentence,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {error.status} Service Unavailable\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {RETRY_AFTER}\r\n"
        "Access-Control-Allow-Origin: *\r\n"
        "Access-Control-Expose-Headers: Retry-After\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


ANSWER = _answer()


class Refusal(asyncio.Protocol):
    """Answers whatever comes first with the constant 503, then hears the caller out until it hangs up.

    Closing while bytes of its request are still on the way would send a reset, which overtakes the answer.
    """

    def __init__(self, on_lost: Callable[["Refusal"], None], started: float) -> None:
        self._on_lost = on_lost
        self.started = started
        self._transport: asyncio.Transport | None = None
        self._answered = False

    def finish(self) -> None:
        """Answer if that is still to be done, and close without hearing the rest."""
        if self._transport is not None:
            self._answer_once()
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self._answer_once()

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002
        self._transport = None
        self._on_lost(self)

    def _answer_once(self) -> None:
        if not self._answered and self._transport is not None:
            self._answered = True
            self._transport.write(ANSWER)
            self._transport.write_eof()
