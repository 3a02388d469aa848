"""Keeps pushes flowing from claimed batches to push services: by callback, no task or future per message."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.clock import Clock
from gateway.delivery.flight import Flight, Member
from gateway.delivery.recorder import Recorder
from gateway.delivery.request import RequestMaker
from gateway.logs import Log
from gateway.webpush import PushRequest, Reply, Transport, classify
from storage.batches import BULK, TRANSACTIONAL
from storage.deliveries import Outcome, SkipReason

log = Log(__name__)

# Pushes per turn of the event loop: 16 are about two milliseconds, then sockets and timers have their turn.
PER_TURN = 16


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """What one sender process takes on. All counts are messages to one subscription."""

    in_flight: int = 1_000  # POSTed, not answered: an 80 ms round trip needs about 600 to keep a core busy
    bulk_share: float = 0.75  # of `in_flight`; the rest is for transactional messages alone
    read_ahead: int = 1_000  # claimed and read, not POSTed, per lane
    lease: float = 30.0  # seconds until somebody else may take over what a dead sender held
    poll: float = 1.0  # seconds between looks at the database when nothing wakes us
    stop_within: float = 15.0  # seconds that a stop waits for what is in flight
    flush_after: float = 0.25  # seconds that a result may wait for company before it is recorded

    @property
    def bulk_in_flight(self) -> int:
        return int(self.in_flight * self.bulk_share)


class Pump:
    """Flights in two lanes, transactional first; sends while there is room and the recorder keeps up."""

    def __init__(
        self,
        transport: Transport,
        requests: RequestMaker,
        recorder: Recorder,
        clock: Clock,
        limits: SenderLimits,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._transport = transport
        self._requests = requests
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[int, deque[Flight]] = {TRANSACTIONAL: deque(), BULK: deque()}
        self._waiting = {TRANSACTIONAL: 0, BULK: 0}
        self._room = {TRANSACTIONAL: asyncio.Event(), BULK: asyncio.Event()}
        self._scheduled = False
        self._stopped = False
        self.flights: dict[int, Flight] = {}
        self.in_flight = 0
        recorder.on_flushed = self._flushed
        for room in self._room.values():
            room.set()

    def room(self, lane: int) -> int:
        """How many more messages of a lane may be claimed and read."""
        return max(0, self._limits.read_ahead - self._waiting[lane])

    async def wait_for_room(self, lane: int) -> None:
        await self._room[lane].wait()

    def add(self, flight: Flight) -> None:
        """Take over a flight until its last outcome is recorded."""
        self.flights[flight.batch.id] = flight
        if flight.waiting:
            lane = flight.batch.lane
            self._lanes[lane].append(flight)
            self._count(lane, len(flight.waiting))
        self._end_if_done(flight)
        self._schedule()

    def lose(self, batch_ids: Iterable[int]) -> None:
        """Leases that ran out: send no more of these. What is in flight is recorded all the same."""
        for batch_id in batch_ids:
            flight = self.flights.get(batch_id)
            if flight is None:  # its last result was recorded meanwhile
                continue
            flight.lost = True
            self._take_waiting(flight)
            self._end_if_done(flight)

    def give_up(self, message_ids: Iterable[int], outcome: Outcome, reason: SkipReason | None) -> None:
        """What was not sent of these messages ends like this."""
        wanted = set(message_ids)
        for flight in [each for each in self.flights.values() if each.batch.message_id in wanted]:
            self._give_up(flight, outcome, reason)

    def stop(self) -> None:
        """Send nothing more. What waits stays unrecorded: whoever claims the batch next sends it."""
        self._stopped = True
        for flight in list(self.flights.values()):
            flight.lost = flight.lost or bool(self._take_waiting(flight))
            self._end_if_done(flight)

    def _schedule(self) -> None:
        if not self._scheduled and not self._stopped:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        now = self._clock.now()
        try:
            for _ in range(PER_TURN):
                flight = self._next()
                if flight is None:
                    return
                if flight.deadline <= now:
                    self._give_up(flight, Outcome.EXPIRED, None)
                else:
                    self._send(flight)
        except Exception as exc:
            self._on_failure(exc)
        else:
            self._schedule()

    def _next(self) -> Flight | None:
        if self._stopped or self._recorder.blocked:
            return None
        for lane, most in ((TRANSACTIONAL, self._limits.in_flight), (BULK, self._limits.bulk_in_flight)):
            if self._lanes[lane] and self.in_flight < most:
                return self._lanes[lane][0]
        return None

    def _send(self, flight: Flight) -> None:
        member = flight.waiting.pop()
        self._count(flight.batch.lane, -1)
        if not flight.waiting:
            self._lanes[flight.batch.lane].popleft()
        request = self._requests.make(flight, member)
        if isinstance(request, PushRequest):
            self.in_flight += 1
            flight.in_flight += 1
            self._transport.post(request, self._replied)
        else:
            self._recorder.settle(flight, member[0], request.outcome, request.reason)
            self._end_if_done(flight)

    def _replied(self, request: PushRequest, reply: Reply) -> None:
        try:
            flight, member = cast(tuple[Flight, Member], request.context)
            self.in_flight -= 1
            flight.in_flight -= 1
            verdict = classify(request.origin.provider, reply, self._clock.now())
            self._recorder.answered(flight, member, verdict)
            if flight.in_flight == 0:
                self._end_if_done(flight)
            self._schedule()
        except Exception as exc:  # the transport would only log it, and the reply would be lost
            self._on_failure(exc)

    def _give_up(self, flight: Flight, outcome: Outcome, reason: SkipReason | None) -> None:
        for member in self._take_waiting(flight):
            self._recorder.settle(flight, member[0], outcome, reason)
        self._end_if_done(flight)

    def _take_waiting(self, flight: Flight) -> list[Member]:
        taken, flight.waiting = flight.waiting, []
        if taken:
            self._lanes[flight.batch.lane].remove(flight)
            self._count(flight.batch.lane, -len(taken))
        return taken

    def _count(self, lane: int, change: int) -> None:
        self._waiting[lane] += change
        if self._waiting[lane] < self._limits.read_ahead:
            self._room[lane].set()
        else:
            self._room[lane].clear()

    def _end_if_done(self, flight: Flight) -> None:
        if not flight.done or flight.ended:
            return
        flight.ended = True
        if flight.lost:
            self._forget(flight)
        else:
            self._recorder.finish(flight)

    def _flushed(self, finished: Sequence[Flight]) -> None:
        for flight in finished:
            self._forget(flight)
        self._schedule()

    def _forget(self, flight: Flight) -> None:
        # A batch whose lease was lost may have been claimed anew by this very process.
        if self.flights.get(flight.batch.id) is flight:
            del self.flights[flight.batch.id]
