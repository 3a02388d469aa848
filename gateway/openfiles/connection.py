"""One accepted connection, between the event loop and aiohttp."""

import asyncio
from typing import Protocol, cast

from aiohttp.web import RequestHandler

from gateway.openfiles.aiohttp_state import (
    begin_answer,
    end_answer,
    heads_parsed,
    is_stopping,
    waits_for_a_request,
)
from gateway.openfiles.direct import Direct, is_whole


class Book(Protocol):
    """Who keeps account of connections."""

    def head_begun(self, connection: "Connection") -> None: ...

    def head_complete(self, connection: "Connection") -> None: ...

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """Hands every call on to aiohttp's handler, and notes when it was last heard of and if a head is due.

    But for requests that `direct` takes. It is asked between two requests, when aiohttp's parser holds
    nothing: what came before was whole requests, each by itself.
    """

    __slots__ = (
        "_behind",
        "_book",
        "_direct",
        "_handler",
        "_heads",
        "_loop",
        "_taken",
        "_transport",
        "_whole",
        "closing",
        "head_since",
        "last_heard",
    )

    def __init__(
        self,
        book: Book,
        handler: RequestHandler,
        loop: asyncio.AbstractEventLoop,
        direct: Direct | None = None,
    ) -> None:
        self._direct = direct
        self._whole = direct is not None
        self._taken = False  # a request that `direct` has yet to answer
        self._behind = b""  # what came after it
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
            and not self._taken
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
        if self._taken:
            if not self._behind and self._transport is not None:
                self._transport.pause_reading()
            self._behind += data
        elif self._whole and self._is_taken(data):
            self._book.head_complete(self)
        else:
            self._hand_on(data)

    def _is_taken(self, data: bytes) -> bool:
        handler = self._handler
        if self._direct is None or not waits_for_a_request(handler) or is_stopping(handler):
            return False
        self._taken = self._direct.take(self, data)
        if self._taken:
            begin_answer(handler)
        return self._taken

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    def answer(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        self._untake()
        self._go_on()

    def hand_back(self, data: bytes) -> None:
        self._untake()
        if self._transport is not None:
            self._hand_on(data)
        self._go_on()

    def _untake(self) -> None:
        self._taken = False
        end_answer(self._handler)

    def _go_on(self) -> None:
        if self._behind:
            behind, self._behind = self._behind, b""
            if self._transport is not None and not self._transport.is_closing():
                self._whole = False  # who does not wait for answers is left to aiohttp
                self._transport.resume_reading()
                self._hand_on(behind)

    def _hand_on(self, data: bytes) -> None:
        handler = self._handler
        handler.data_received(data)
        heads = heads_parsed(handler)
        self._whole = self._whole and heads == self._heads + 1 and is_whole(data)
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
