"""The seam between those who have something to send and the network: one request in, one reply out, by
callback.

No future and no task per message: at 10,000 messages a second they would cost as much as the request itself.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gateway.webpush.request import PushRequest


class Reply(msgspec.Struct, frozen=True):
    """What came back for one request, or why nothing did.

    `status` is 0 and `error` says why when no answer arrived. `lines` are the raw header lines, read only by
    the few who need one; `body` is cut at about 2 kB.
    """

    status: int
    lines: list[bytes] = []
    body: bytes = b""
    error: str = ""

    def header(self, name: str) -> str | None:
        """The value of the header `name` of the final answer (not of a 1xx before it), None when it is
        absent.
        """
        wanted = name.lower().encode() + b":"
        for line in reversed(self.lines):
            if line.startswith(b"HTTP/"):
                return None
            if line[: len(wanted)].lower() == wanted:
                return line[len(wanted) :].strip().decode("latin-1")
        return None


OnReply = Callable[[PushRequest, Reply], None]


class Transport(Protocol):
    """Carries push requests. Not for several threads; `on_reply` is called in the event loop, exactly once a
    request.
    """

    @property
    def in_flight(self) -> int:
        """Requests that were posted and have not been replied to."""

    def post(self, request: PushRequest, on_reply: OnReply) -> None:
        """Start one POST. `on_reply` is called later, never from within this call; it may post again."""

    async def drain(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is in flight; whether that came true."""

    def close(self) -> None:
        """Reply with an error to what is still in flight, and close all connections. Posting is over after
        this.
        """
