"""Spreads the members of a batch that has a rate over the time it was granted, beside everything else."""

import asyncio
from collections.abc import Callable

from gateway.clock import Clock
from gateway.delivery.flight import Flight

TICK = 0.05  # seconds: what becomes due within one goes out together


class Pacer:
    """`on_ready` is called with a flight of which more may be sent."""

    def __init__(self, clock: Clock, on_ready: Callable[[Flight], None]) -> None:
        self._clock = clock
        self._on_ready = on_ready
        self._loop = asyncio.get_running_loop()
        self._started: dict[Flight, tuple[float, int]] = {}  # monotonic seconds, and how many they were then
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = 0  # members of all its flights

    def add(self, flight: Flight) -> None:
        late = (self._clock.now() - flight.batch.paced_from) / 1_000
        self._started[flight] = (self._clock.monotonic() - late, len(flight.waiting))
        self.waiting += len(flight.waiting)
        self._tick()

    def remove(self, flight: Flight) -> None:
        self._started.pop(flight, None)

    def _tick(self) -> None:
        now = self._clock.monotonic()
        for flight, (started_at, members) in list(self._started.items()):
            due = min(members, int((now - started_at) * 1_000 * members / flight.batch.paced_for) + 1)
            sent = members - len(flight.waiting)
            if due > sent + flight.ready:
                flight.ready = due - sent
                self._on_ready(flight)
            if due == members:
                del self._started[flight]
        if self._started and self._timer is None:
            self._timer = self._loop.call_later(TICK, self._again)

    def _again(self) -> None:
        self._timer = None
        self._tick()
