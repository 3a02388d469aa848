"""What stands between browsers and the gateway, and sometimes fails: a TCP proxy that can be shut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from loadtest.connect_proxy import pump


class Door:
    """Passes connections to a local port. `refused` counts those that found it shut."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.refused = 0
        self._target_port = target_port
        self._open = True
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self._cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @contextlib.asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Reset what is connected and whatever comes, for as long as the block runs."""
        self._open = False
        await self._cut()
        try:
            yield
        finally:
            self._open = True

    async def _cut(self) -> None:
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            self.refused += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._pass_on(reader, writer), name="door")
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            writer.transport.abort()
            far_writer.transport.abort()
