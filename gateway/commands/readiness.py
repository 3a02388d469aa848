"""What `/readyz` asks besides the database: each check gives the reason why the process is not ready."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sized
from contextlib import asynccontextmanager

from gateway.context import Context
from gateway.figures import living
from gateway.process import Role
from storage.errors import StorageUnavailable

_LOOK_EVERY = 2.0  # seconds


def all_run(parts: Iterable[asyncio.Task[None]]) -> str | None:
    """None, as long as no task has ended of those that never end by themselves."""
    ended = sorted(part.get_name() for part in parts if part.done())
    return f"Ended, the log says why: {', '.join(ended)}." if ended else None


def somebody_sends(running: Sized, wanted: int) -> str | None:
    """None, when at least one of the `wanted` sender processes runs."""
    return "No sender process runs; the log says why." if wanted and not running else None


def goes_on(stop: asyncio.Event) -> str | None:
    """None, until the process was told to stop."""
    return "The gateway is stopping." if stop.is_set() else None


class Kin:
    """What a process that only answers knows of the senders of its parent: what they report."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted = context.settings.senders if (context.family or "").startswith(Role.SERVE) else 0
        self._senders = [Role.SEND.value]  # until it has looked

    def somebody_sends(self) -> str | None:
        return somebody_sends(self._senders, self._wanted)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """While inside, it is known."""
        task = asyncio.create_task(self._watch(), name="kin")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        here = socket.gethostname()
        while True:
            try:
                found = await living(self._context)
                self._senders = [each.role for each in found if each.role == Role.SEND and each.host == here]
            except StorageUnavailable:
                pass  # which is a reason of its own
            await asyncio.sleep(_LOOK_EVERY)
