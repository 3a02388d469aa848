"""A long way to the push service: a TCP relay on loopback that hands on every byte a fixed time later.

It runs in a process of its own, so that its CPU is not the sender's. Unlike `tc netem` it needs no rights.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from loadtest.sink import LOOPBACK

START_WITHIN = 10.0  # seconds


class _Half(asyncio.Protocol):
    """One end of a relayed connection. What it reads is written to `other` after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self.transport: asyncio.WriteTransport | None = None
        self.other: _Half | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none of asyncio's classes
        self.transport.writelines(self._unsent)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self._loop.call_later(self._delay, self.other.write, data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.other is not None:
            self._loop.call_later(self._delay, self.other.end)

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self._unsent.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _Near(_Half):
    """The sender's end: opens the other one, to `port`, when it is connected to."""

    def __init__(self, delay: float, port: int, opening: set[asyncio.Task[object]]) -> None:
        super().__init__(delay)
        self._port = port
        self._opening = opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        far = self.other = _Half(self._delay)
        far.other = self
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.create_connection(lambda: far, LOOPBACK, self._port), name="relay"
        )
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)


async def _relay(port: int, one_way: float, parent: Connection) -> None:
    loop = asyncio.get_running_loop()
    opening: set[asyncio.Task[object]] = set()
    server = await loop.create_server(lambda: _Near(one_way, port, opening), LOOPBACK, 0, backlog=1024)
    parent.send(server.sockets[0].getsockname()[1])
    stopped = asyncio.Event()
    loop.add_reader(parent.fileno(), stopped.set)  # the parent closes its end, or dies
    await stopped.wait()
    server.close()


def _run(port: int, one_way: float, parent: Connection) -> None:
    uvloop.run(_relay(port, one_way, parent))


@contextmanager
def far_away(port: int, round_trip: float) -> Iterator[int]:
    """The port of a relay to `port` with that round trip in seconds; it ends with the context."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(port, round_trip / 2, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_WITHIN):
            raise RuntimeError("the relay did not start")
        yield int(ours.recv())
    finally:
        ours.close()
        process.join(START_WITHIN)
        if process.is_alive():
            process.terminate()
