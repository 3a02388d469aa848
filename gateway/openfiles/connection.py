"""One accepted connection, between the event loop and aiohttp."""

import asyncio
from typing import Protocol, cast

from aiohttp.web import RequestHandler

from gateway.openfiles.aiohttp_state import heads_parsed, waits_for_a_request


class Book(Protocol):
    """Who keeps account of connections."""

    def head_begun(self, connection: "Connection") -> None: ...

    def head_complete(self, connection: "Connection") -> None: ...

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """Hands every call on to aiohttp's handler, and notes when it was last heard of and if a head is due."""

    __slots__ = ("_book", "_handler", "_heads", "_loop", "_transport", "closing", "head_since", "last_heard")

    def __init__(self, book: Book, handler: RequestHandler, loop: asyncio.AbstractEventLoop) -> None:
        self._book = book
        self._handler = handler
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._heads = 0
        self.closing = False
        self.last_heard = loop.time()
        self.head_since: float | None = None
        """Since when a head has been due; None when none is, that is before the first byte of a later one."""

    @property
    def idle(self) -> bool:
        """A request was answered, to the last byte, and of the next one nothing has come: nobody waits."""
        return (
            not self.closing
            and self.head_since is None
            and self._transport is not None
            and waits_for_a_request(self._handler)
            and self._transport.get_write_buffer_size() == 0
        )

    def close(self) -> None:
        """At once. (The handler's own `close` would wait for a head from those that have sent nothing.)"""
        self.closing = True
        self._handler.force_close()
        if self._transport is not None:
            self._transport.abort()  # force_close alone would wait for a caller that reads slowly, or never

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._book.head_begun(self)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.last_heard = self._loop.time()
        handler = self._handler
        handler.data_received(data)
        heads = heads_parsed(handler)
        if heads != self._heads:
            self._heads = heads
            self._book.head_complete(self)
        elif self.head_since is None and waits_for_a_request(handler):
            self._book.head_begun(self)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self._handler.connection_lost(exc)
        self._book.lost(self)
