"""Lets tasks wait for work without missing a ring between two waits."""

import asyncio
from weakref import WeakKeyDictionary


class Doorbell:
    """Each waiting task is told of every ring since its own last wait ended, at once or when it next
    waits.
    """

    def __init__(self) -> None:
        self._rings = 0
        self._rung = asyncio.Event()
        self._heard: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()

    def ring(self) -> None:
        self._rings += 1
        # Who waits holds the old event: a new one means nobody has to clear it for the others.
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        """True when it rang, False after `timeout` seconds."""
        task = asyncio.current_task()
        assert task is not None  # a coroutine always runs in a task
        rung = self._rung
        heard = self._heard.setdefault(task, self._rings)
        if heard == self._rings:
            try:
                async with asyncio.timeout(timeout):
                    await rung.wait()
            except TimeoutError:
                return False
        self._heard[task] = self._rings
        return True
