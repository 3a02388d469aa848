"""Keeps pushes flowing from claimed batches to push services: by callback, no task or future per message."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import cast

from gateway.clock import Clock
from gateway.delivery.flight import KEY_IS_PAUSED, Flight, Member
from gateway.delivery.gate import Gate, Held
from gateway.delivery.health import Health
from gateway.delivery.limits import SenderLimits
from gateway.delivery.line import LANES, Line, SiteWindow
from gateway.delivery.pacer import Pacer
from gateway.delivery.recorder import Recorder
from gateway.delivery.request import Posted, RequestMaker
from gateway.delivery.unrecorded import Hold
from gateway.webpush import PushRequest, Reply, Transport, Verdict, classify
from storage.batches import MAX_MEMBERS, PROVIDERS, TRANSACTIONAL, Batch
from storage.deliveries import Outcome, SkipReason

# Pushes per turn of the event loop: 16 are about two milliseconds, then sockets and timers have their turn.
PER_TURN = 16


class Pump:
    """Flights in a line for each provider; sends while there is room and the recorder keeps up.

    `wake` holds an event for each lane, set when there is room again to claim for one of the providers.
    `lease_is_over` is set when nothing can be sent before the leases were extended, or lost.
    """

    def __init__(
        self,
        transport: Transport,
        requests: RequestMaker,
        recorder: Recorder,
        clock: Clock,
        limits: SenderLimits,
        on_failure: Callable[[Exception], None],
        random: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._requests = requests
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self.gate = Gate()
        self._health = Health(self.gate, self, random)
        self.lines = {provider: Line(provider, limits) for provider in PROVIDERS}
        self._turns = deque(self.lines.values())  # who is served first
        self._pacer = Pacer(clock, self._queue, on_failure)
        self._scheduled = False
        self._stopped = False
        self.wake = {lane: asyncio.Event() for lane in LANES}
        self.flights: dict[int, Flight] = {}
        self._leased_until = inf  # the first end of all flights' leases: nothing is sent later
        self.lease_is_over = asyncio.Event()
        self.in_flight = 0
        recorder.on_flushed = self._flushed

    def open_providers(self, lane: int) -> list[str]:
        """Those of which more may be claimed and read, the one with most room first."""
        rooms = {line.provider: line.room(lane) for line in self.lines.values()}
        return sorted((name for name, room in rooms.items() if room), key=rooms.__getitem__, reverse=True)

    def room(self, lane: int) -> int:
        """How many more messages of a lane may be claimed, for the provider that has most room."""
        return max(line.room(lane) for line in self.lines.values())

    def taken_on(self, claimed: Sequence[Batch]) -> list[Batch]:
        """Those of claimed batches for which there is room, at least one of each provider: a claim cannot
        know how large they are. What has a rate was granted its time."""
        rooms: dict[str, int] = {}
        taken = []
        for batch in claimed:
            line = self.lines.get(batch.provider)
            room = rooms.get(batch.provider, line.room(batch.lane) if line is not None else MAX_MEMBERS)
            if batch.paced_for or room > 0 or batch.provider not in rooms:
                taken.append(batch)
                rooms[batch.provider] = room - (0 if batch.paced_for else batch.size)
        return taken

    @property
    def crowded(self) -> list[Held]:
        """The sites, each with its provider, of which more waits here than the provider takes of them."""
        return [(site_id, line.provider) for line in self.lines.values() for site_id in line.crowded]

    @property
    def paced_room(self) -> bool:
        """Whether more of what has a rate may be claimed."""
        return self._pacer.waiting < self._limits.paced_ahead

    @property
    def has_to_look(self) -> bool:
        """Whether it matters what is paused or held now."""
        return bool(self.flights) or any(line.held for line in self.lines.values())

    def add(self, flight: Flight, leased_until: float) -> None:
        """Take over a flight until its last outcome is recorded. Its lease ends at `leased_until`, in
        seconds of the clock's monotonic hand, unless `extended` says otherwise."""
        self.flights[flight.batch.id] = flight
        flight.leased_until = leased_until
        self._leased_until = min(self._leased_until, leased_until)
        self._line_up(flight)

    def _line_up(self, flight: Flight) -> None:
        now = self._clock.now()
        if flight.waiting and self.gate.is_held(flight.batch.site_id, flight.batch.provider, now):
            flight.leave(flight.waiting, flight.batch.due_at or now)  # nobody has counted them yet
            flight.waiting = []
        elif flight.waiting and flight.batch.paced_for:
            self._pacer.add(flight)
        elif flight.waiting:
            flight.ready = len(flight.waiting)
            self._line(flight).waiting[flight.batch.lane] += len(flight.waiting)
            self._queue(flight)
        self._end_if_done(flight)

    def lose(self, batch_ids: Iterable[int]) -> None:
        """Leases that ran out: send no more of these. What is in flight is recorded all the same."""
        for batch_id in batch_ids:
            flight = self.flights.get(batch_id)
            if flight is None or flight.lost:  # its last result was recorded meanwhile
                continue
            flight.lost = True
            flight.given_up = self._take_waiting(flight)
            self._end_if_done(flight)
        self._find_first_end()

    def extended(self, batch_ids: Iterable[int], leased_until: float) -> None:
        """The leases of these end later now: sending goes on, if it had to wait for that."""
        for batch_id in batch_ids:
            flight = self.flights.get(batch_id)
            if flight is not None:
                flight.leased_until = leased_until
        self._find_first_end()
        self._schedule()

    def _find_first_end(self) -> None:
        ends = (flight.leased_until for flight in self.flights.values() if not flight.lost)
        self._leased_until = min(ends, default=inf)

    def give_up(self, message_ids: Iterable[int], outcome: Outcome, reason: SkipReason | None) -> None:
        """What was not sent of these messages ends like this."""
        wanted = set(message_ids)
        for flight in [each for each in self.flights.values() if each.batch.message_id in wanted]:
            self._give_up(flight, outcome, reason)

    def give_back(self, message_ids: Iterable[int]) -> None:
        """What was not sent of these messages may be sent later: they were paused."""
        wanted, now = set(message_ids), self._clock.now()
        for flight in [each for each in self.flights.values() if each.batch.message_id in wanted]:
            self._leave(flight, flight.batch.due_at or now)

    def give_back_closed(self) -> None:
        """Whose window is over is planned anew at the next claim, also of those who wait for their turn."""
        now = self._clock.now()
        for flight in list(self.flights.values()):
            if flight.waiting and flight.window_is_over(now):
                self._leave(flight, flight.batch.due_at or now)

    def give_back_held(self) -> None:
        """What was not sent and is held now goes back; and lines whose hold has ended start carefully."""
        now = self._clock.now()
        for line in self.lines.values():
            held = self.gate.provider_is_held(line.provider, now)
            if line.held and not held:
                self._health.half_open(line, self._clock.monotonic())
                self._wake()
            line.held = held
        if self.gate.held(now):
            for flight in list(self.flights.values()):
                batch = flight.batch
                if flight.waiting and self.gate.is_held(batch.site_id, batch.provider, now):
                    self._leave(flight, batch.due_at or now)
        self._schedule()

    def give_back_keys(self, key_ids: Iterable[int]) -> None:
        """What would be signed with these keys is looked at again later: they were paused."""
        wanted, now = set(key_ids), self._clock.now()
        for flight in [each for each in self.flights.values() if each.waiting]:
            concerned = [member for member in flight.waiting if member[5] in wanted]
            if not concerned:
                continue
            others = [member for member in self._take_waiting(flight) if member[5] not in wanted]
            due_at = flight.look_again_at(now)
            if due_at is None:
                for member in concerned:
                    self._recorder.settle(flight, member[0], Outcome.EXPIRED, KEY_IS_PAUSED)
            else:
                flight.leave(concerned, due_at, waits_for_key=True)
            flight.waiting = others
            self._line_up(flight)

    # What the answers' judge asks for (gateway.delivery.health.Consequences).

    def hold(self, hold: Hold) -> None:
        self._recorder.hold(hold)
        self._soon(self.give_back_held)

    def recover(self, held: Held) -> None:
        self._recorder.recover(held)

    def pause_key(self, key_id: int, reason: str) -> None:
        self._recorder.pause_key(key_id, reason)
        self._soon(lambda: self.give_back_keys([key_id]))

    def _soon(self, call: Callable[[], None]) -> None:
        """Not in the middle of an answer. A mistake in it ends the process: the loop would only log it."""

        def guarded() -> None:
            try:
                call()
            except Exception as exc:
                self._on_failure(exc)

        self._loop.call_soon(guarded)

    def stop(self) -> None:
        """Send nothing more. What waits stays unrecorded: whoever claims the batch next sends it."""
        self._stopped = True
        for flight in list(self.flights.values()):
            flight.lost = flight.lost or bool(self._take_waiting(flight)) or bool(flight.left)
            self._end_if_done(flight)

    def _line(self, flight: Flight) -> Line:
        line = self.lines.get(flight.batch.provider)
        if line is None:  # of a release that knew more providers
            line = self.lines[flight.batch.provider] = Line(flight.batch.provider, self._limits)
            self._turns.append(line)
        return line

    def _queue(self, flight: Flight) -> None:
        """It has members that may be sent now."""
        if not flight.queued:
            flight.queued = True
            self._line(flight).queues[flight.batch.lane].append(flight)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self._stopped:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._stopped or self._recorder.blocked:
            return
        now, at = self._clock.now(), self._clock.monotonic()
        if at > self._leased_until:
            # This process, or the machine, was stopped: somebody else may have sent all this meanwhile.
            self.lease_is_over.set()
            return
        left = PER_TURN
        try:
            for lane in LANES:
                for line in self._turns:
                    while left and line.queues[lane] and self._has_room(line, lane):
                        self._next(line, lane, now, at)
                        left -= 1
            self._turns.rotate(-1)
        except Exception as exc:
            self._on_failure(exc)
        else:
            if left == 0:
                self._schedule()

    def _has_room(self, line: Line, lane: int) -> bool:
        if line.held or line.in_flight >= line.width(lane):
            return False
        most = self._limits.in_flight if lane == TRANSACTIONAL else self._limits.bulk_in_flight
        return self.in_flight < most or line.in_flight < self._limits.least_in_flight

    def _next(self, line: Line, lane: int, now: int, at: float) -> None:
        flight = line.queues[lane][0]
        if flight.ttl_until <= now and not flight.has_time(now):
            if flight.window_is_over(now):
                self._leave(flight, flight.batch.due_at or now)
            else:
                self._give_up(flight, Outcome.EXPIRED, None)
            return
        site = line.sites.get(flight.batch.site_id) if line.sites else None
        if site is not None and site.full:
            if line.park(line.queues[lane].popleft(), site):
                self.wake[lane].set()
            return
        member = flight.waiting.pop()
        flight.ready -= 1
        if flight.ready == 0:
            line.queues[lane].popleft()
            flight.queued = False
        self._no_longer_waiting(line, flight, 1)
        request = self._requests.make(flight, member, (flight, member, at, site))
        if isinstance(request, PushRequest):
            self.in_flight += 1
            line.in_flight += 1
            flight.in_flight += 1
            if site is not None:
                site.in_flight += 1
            self._transport.post(request, self._replied)
        else:
            self._recorder.settle(flight, member[0], request.outcome, request.reason)
            self._end_if_done(flight)

    def _replied(self, request: PushRequest, reply: Reply) -> None:
        try:
            flight, member, posted_at, site = cast(Posted, request.context)
            line = self.lines[flight.batch.provider]
            self.in_flight -= 1
            line.in_flight -= 1
            flight.in_flight -= 1
            now = self._clock.now()
            verdict = classify(request.origin.provider, reply, now, method=request.method)
            believed = self.gate.believes(line.provider)
            if not self._stopped:
                at = self._clock.monotonic()
                self._health.answered(line, flight, member, verdict, posted_at, at, now)
                if site is not None:
                    site.in_flight -= 1
                    self._answered_site(line, flight.batch.site_id, site, verdict, posted_at, at)
                believed = believed and self.gate.believes(line.provider)
            self._recorder.answered(flight, member, verdict, now, believed, reply)
            if flight.in_flight == 0:
                self._end_if_done(flight)
            self._schedule()
        except Exception as exc:  # the transport would only log it, and the reply would be lost
            self._on_failure(exc)

    def _answered_site(
        self, line: Line, site_id: int, site: SiteWindow, verdict: Verdict, posted_at: float, at: float
    ) -> None:
        well = not verdict.answer.retryable
        if well:
            site.window.answered(posted_at, at)
        if line.sites.get(site_id) is not site:
            return  # it was throttled again since this was posted: another window decides
        wide = well and site.window.size >= line.window.size
        if wide:
            del line.sites[site_id]
        if wide or not site.full:
            line.unpark(site)

    def _give_up(self, flight: Flight, outcome: Outcome, reason: SkipReason | None) -> None:
        for member in self._take_waiting(flight):
            self._recorder.settle(flight, member[0], outcome, reason)
        self._end_if_done(flight)

    def _leave(self, flight: Flight, due_at: int) -> None:
        flight.leave(self._take_waiting(flight), due_at)
        self._end_if_done(flight)

    def _take_waiting(self, flight: Flight) -> list[Member]:
        line = self._line(flight)
        if flight.queued:
            line.remove(flight)
            flight.queued = False
        flight.ready = 0
        self._no_longer_waiting(line, flight, len(flight.waiting))
        self._pacer.remove(flight)
        taken, flight.waiting = flight.waiting, []
        return taken

    def _no_longer_waiting(self, line: Line, flight: Flight, members: int) -> None:
        if flight.batch.paced_for:
            self._pacer.waiting -= members
        elif line.sent(flight.batch.lane, members):
            self.wake[flight.batch.lane].set()

    def _wake(self) -> None:
        for event in self.wake.values():
            event.set()

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
