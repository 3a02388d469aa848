"""A sender: takes a free slot, then claims a batch, and sees each member through to a recorded outcome."""

import asyncio
import random as chance
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.context import Context
from gateway.delivery.keeper import Keeper
from gateway.delivery.key_ring import KeyRing
from gateway.delivery.limits import SenderLimits
from gateway.delivery.pump import Pump
from gateway.delivery.reader import Reader
from gateway.delivery.recorder import Recorder
from gateway.delivery.request import RequestMaker
from gateway.delivery.retry import RetryPolicy
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.webpush import RequestHeaders, Transport
from storage import batches
from storage.batches import BULK, MAX_MEMBERS, TRANSACTIONAL, Batch
from storage.database import Transaction
from storage.errors import StorageUnavailable

log = Log(__name__)

MOST_BATCHES = 32  # in one claim: many small messages would otherwise cost a transaction each


async def run_sender(
    context: Context,
    transport: Transport,
    stop: asyncio.Event,
    *,
    owner: str,
    metrics: Metrics | None = None,
    limits: SenderLimits | None = None,
    policy: RetryPolicy | None = None,
    random: Callable[[], float] = chance.random,
) -> None:
    """Send until `stop` is set; then finish what is in flight, record it, release the leases and return.

    `owner` is unique to this process' life (a restarted one has another). `transport` is closed in the end.
    Raises an ExceptionGroup when any part dies: the process should end then, loudly, and be started again.
    Cancelling it is a crash: nothing is recorded or released, as after kill -9.
    """
    sender = Sender(
        context,
        transport,
        owner,
        metrics or Metrics(),
        limits or SenderLimits(),
        policy or RetryPolicy(),
        random,
    )
    await sender.run(stop)


class Sender:
    """The parts of one sender process, and how they start and stop."""

    def __init__(
        self,
        context: Context,
        transport: Transport,
        owner: str,
        metrics: Metrics,
        limits: SenderLimits,
        policy: RetryPolicy,
        random: Callable[[], float],
    ) -> None:
        self._database = context.database
        self._clock = context.clock
        self._owner = owner
        self._limits = limits
        self._transport = transport
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recorder = Recorder(
            context.database,
            context.clock,
            context.ids,
            owner,
            metrics,
            policy,
            random,
            limits.flush_after,
            context.interest,
        )
        self.pump = Pump(
            transport,
            RequestMaker(context.push_hosts, RequestHeaders(context.clock.now), KeyRing(context.master_key)),
            self.recorder,
            context.clock,
            limits,
            self._fail,
            random,
        )
        self._reader = Reader(context, self.recorder)
        self._unread: set[int] = set()  # batches that were claimed and could not be read, or were too many
        self._counts = metrics.sending
        self._keeper = Keeper(context.database, context.clock, owner, self.pump, limits, metrics)
        metrics.in_flight.set_function(lambda: self.pump.in_flight)
        metrics.unrecorded.set_function(lambda: self.recorder.unrecorded)

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            claiming = [
                tasks.create_task(self._claim(TRANSACTIONAL), name="sender-claim-transactional"),
                tasks.create_task(self._claim(BULK), name="sender-claim-bulk"),
                tasks.create_task(self._listen(), name="sender-listen"),
            ]
            side = [
                tasks.create_task(self.recorder.run(), name="sender-recorder"),
                tasks.create_task(self._keeper.keep_leases(), name="sender-leases"),
                tasks.create_task(self._keeper.watch(), name="sender-watch"),
                tasks.create_task(self._watch_failure(), name="sender-pump"),
            ]
            await stop.wait()
            for task in claiming:
                task.cancel()
            await self._stop()
            for task in side:
                task.cancel()

    async def _listen(self) -> None:
        """Wake whoever claims when there may be work."""
        while True:
            await self._database.wait_for_work(self._limits.poll)
            for event in self.pump.wake.values():
                event.set()

    async def _claim(self, lane: int) -> None:
        """Claim as many batches as fit, of the providers that take more; or wait for work, or for room."""
        size = MAX_MEMBERS
        wake = self.pump.wake[lane]
        while True:
            wake.clear()
            claimed: Sequence[Batch] = ()
            try:
                providers = self.pump.open_providers(lane)
                if providers:
                    room = self.pump.room(lane)
                    limit = max(1, min(MOST_BATCHES, room // size))
                    leased_until = self._clock.monotonic() + self._limits.lease
                    claimed = await self._claim_batches(lane, limit, room, providers)
                    await self._open(claimed, leased_until)
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                await asyncio.sleep(self._limits.poll)
                continue
            if claimed:
                size = max(1, sum(batch.size for batch in claimed) // len(claimed))
            else:
                size = MAX_MEMBERS
                await wake.wait()

    async def _claim_batches(
        self, lane: int, limit: int, room: int, providers: Sequence[str]
    ) -> Sequence[Batch]:
        lease_ms = round(self._limits.lease * 1_000)
        now = self._clock.now()
        # The other lane must not give back what may be claimed anew in the meantime.
        unread, self._unread = self._unread, set()
        paced = self.pump.paced_room

        async def body(tx: Transaction) -> Sequence[Batch]:
            if unread:
                await batches.unclaim(tx, sorted(unread), self._owner)
            return await batches.claim(tx, self._owner, now, lease_ms, limit, (lane,), providers, paced, room)

        try:
            claimed = await self._database.write(body)
        except StorageUnavailable:
            self._unread |= unread
            raise
        self._counts.claimed(batch.leases for batch in claimed)
        self._counts.released(len(unread))
        return claimed

    async def _open(self, claimed: Sequence[Batch], leased_until: float) -> None:
        new = [batch for batch in claimed if not self._goes_on(batch, leased_until)]
        fresh = self.pump.taken_on(new)
        taken = {batch.id for batch in fresh}
        self._unread.update(batch.id for batch in new if batch.id not in taken)
        try:
            if any(batch.leases > 1 for batch in fresh):
                # Some of it may have been sent by this very process, and the answers are not recorded yet.
                await self.recorder.catch_up()
            flights = await self._reader.open(fresh)
        except StorageUnavailable:  # it went away since the claim: the next claim gives them back first
            self._unread |= taken
            raise
        for flight in flights:
            self.pump.add(flight, leased_until)

    def _goes_on(self, batch: Batch, leased_until: float) -> bool:
        """Whether a claimed batch has a flight already, from before its lease ran out (in a long pause of
        this process, or while the database was away), and goes on: nobody else has had it meanwhile.
        """
        flight = self.pump.flights.get(batch.id)
        if flight is None:
            return False
        if flight.ended:  # nobody waits in it any more, and its end is being recorded
            return True
        if batch.leases != flight.batch.leases + 1:  # others may have sent to those who wait in it
            self.pump.lose([batch.id])
            return False
        if flight.lost:
            flight.batch, flight.lost = batch, False
            flight.waiting, flight.given_up = flight.given_up, []
            self.pump.add(flight, leased_until)
        else:
            flight.batch = replace(flight.batch, leases=batch.leases)
            self.pump.extended([batch.id], leased_until)
        return True

    async def _stop(self) -> None:
        """Send nothing more, wait for answers a while, write everything down, give the leases back."""
        self.pump.stop()
        await self._transport.drain(self._limits.stop_within)
        self._transport.close()  # replies to what is left with an error: another attempt for whoever is next
        try:
            async with asyncio.timeout(self._limits.record_within):
                await self.recorder.flush()
                released = await self._database.write(lambda tx: batches.release_owner(tx, self._owner))
                self._counts.released(released)
        except (TimeoutError, StorageUnavailable) as exc:
            log.error("sender.stopped_unrecorded", results=self.recorder.unrecorded, cause=exc)

    def _fail(self, exc: Exception) -> None:
        """A mistake of ours in a callback: nobody awaits those, so the process ends through here."""
        if not self._failure.done():
            self._failure.set_exception(exc)

    async def _watch_failure(self) -> None:
        await self._failure
