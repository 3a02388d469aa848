"""Spreads the members of a batch that has a rate over the time it was granted, beside everything else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.delivery.flight import Flight

TICK = 0.05  # seconds: what becomes due within one goes out together
AT_ONCE = 0.5  # seconds: of what could not be sent when it was due, no more than this much is caught up with

Name = tuple[int, str]  # message id, provider


@dataclass(eq=False, slots=True)
class Pace:
    """The flights of one message to one provider. They have all their rates in common, so that none of their
    shares begins before another has ended. Sent one after the other they keep to the rate, too, when the push
    service was slow for longer than several shares. Pure."""

    next_at: float  # monotonic seconds: nobody more is due before
    flights: dict[Flight, float] = field(default_factory=dict)  # and when each share begins, in order

    def add(self, flight: Flight, begins: float) -> None:
        self.flights[flight] = begins
        self.flights = dict(sorted(self.flights.items(), key=lambda item: item[1]))

    def release(self, now: float) -> list[Flight]:
        """The flights of which more members are ready now. Time that cannot be used is lost."""
        grown: list[Flight] = []
        ready = 0  # of all so far, and not sent yet
        for flight, begins in list(self.flights.items()):
            if not flight.waiting:
                del self.flights[flight]
                continue
            ready += flight.ready
            later = len(flight.waiting) - flight.ready
            if later == 0:
                continue
            at = max(self.next_at, begins)
            if at > now:
                break
            interval = flight.batch.paced_for / 1_000 / flight.batch.size
            due = min(later, int((now - at) / interval) + 1)
            room = min(due, max(1, int(AT_ONCE / interval)) - ready)
            if room > 0:
                flight.ready += room
                ready += room
                grown.append(flight)
            self.next_at = at + due * interval if room == due else now + interval
            if room < later:
                break
        return grown


class Pacer:
    """`on_ready` is called with a flight of which more may be sent, `on_failure` when that went wrong."""

    def __init__(
        self, clock: Clock, on_ready: Callable[[Flight], None], on_failure: Callable[[Exception], None]
    ) -> None:
        self._clock = clock
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._paces: dict[Name, Pace] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = 0  # members of all its flights

    def add(self, flight: Flight) -> None:
        """Its share begins now, if it should have begun before, and ends so much later."""
        now = self._clock.monotonic()
        early = max(0, flight.batch.paced_from - self._clock.now()) / 1_000
        pace = self._paces.setdefault(_name(flight), Pace(now))
        pace.add(flight, now + early)
        self.waiting += len(flight.waiting)
        self._release(pace, now)
        self._wait()

    def remove(self, flight: Flight) -> None:
        pace = self._paces.get(_name(flight))
        if pace is not None:
            pace.flights.pop(flight, None)

    def _release(self, pace: Pace, now: float) -> None:
        for flight in pace.release(now):
            self._on_ready(flight)

    def _wait(self) -> None:
        if self._paces and self._timer is None:
            self._timer = self._loop.call_later(TICK, self._again)

    def _again(self) -> None:
        self._timer = None
        try:
            now = self._clock.monotonic()
            for name, pace in list(self._paces.items()):
                self._release(pace, now)
                if not pace.flights:
                    del self._paces[name]
            self._wait()
        except Exception as exc:  # nobody awaits a timer
            self._on_failure(exc)


def _name(flight: Flight) -> Name:
    return flight.batch.message_id, flight.batch.provider
