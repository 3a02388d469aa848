"""Writes down what became of pushes: many outcomes in a transaction, each once however often it is tried."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.delivery.flight import Flight, Member
from gateway.delivery.moves import moved_batches, retry_batches
from gateway.delivery.retry import RetryPolicy
from gateway.delivery.unrecorded import Hold, Unrecorded
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.webhooks.facts import tell_of_pushes
from gateway.webhooks.interest import Interest
from gateway.webpush import Reply, Verdict
from storage import batches, deliveries, keys, recent_pushes, subscriptions, throttles, withdrawals
from storage.batches import MAX_MEMBERS
from storage.database import Database, Transaction
from storage.deliveries import Outcome
from storage.errors import StorageUnavailable
from storage.ids import IdSource
from storage.keys import KeyState
from storage.outbox import Wanted

log = Log(__name__)

FLUSH_AT = 500  # results; what makes a transaction's fixed cost negligible
FULL = 4 * FLUSH_AT  # nothing more is sent while so many results are not recorded
TRY_AGAIN_AFTER = 0.5  # seconds between attempts to reach a database that is gone


class Recorder:
    """Results go in by callback, `run` flushes them. While a flush fails `blocked` is true: send nothing.

    What was not flushed is kept and tried again, in order, until the database takes it. A result counts once:
    storage compares and sets each row, and retries are written only for rows that this very flush changed.
    `on_flushed` is called with the flights that have ended, and whenever `blocked` may have become false.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: IdSource,
        owner: str,
        metrics: Metrics,
        policy: RetryPolicy,
        random: Callable[[], float],
        flush_after: float,
        interest: Interest | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._metrics = metrics
        self._policy = policy
        self._random = random
        self._flush_after = flush_after
        self._interest = interest or Interest()
        self._gathering = self._new()
        self._flushing: Unrecorded | None = None
        self._due = asyncio.Event()
        self._flushed = asyncio.Event()  # another one after each flush
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False
        self._lock = asyncio.Lock()
        self.on_flushed: Callable[[Sequence[Flight]], object] = len

    @property
    def unrecorded(self) -> int:
        """Results that a kill would lose: bounded by FULL plus what is in flight."""
        return len(self._gathering.results) + (len(self._flushing.results) if self._flushing else 0)

    @property
    def blocked(self) -> bool:
        """Whether sending has to wait for the database."""
        return self._failed or self.unrecorded >= FULL

    def answered(
        self,
        flight: Flight,
        member: Member,
        verdict: Verdict,
        now: int,
        believed: bool = True,
        reply: Reply | None = None,
    ) -> None:
        """Record an answer. `believed`: whether a 404 or 410 ends the subscription."""
        flight.answers_at.append(now)
        self._gathering.answered(flight, member, verdict, now, believed, reply)
        self._hurry()

    def hold(self, hold: Hold) -> None:
        self._gathering.holds.append(hold)
        self._due.set()  # other senders must hear soon

    def recover(self, held: tuple[int, str]) -> None:
        self._gathering.recovered.add(held)
        self._hurry()

    def pause_key(self, key_id: int, reason: str) -> None:
        self._gathering.paused_keys.setdefault(key_id, reason)
        self._due.set()

    def settle(
        self, flight: Flight, subscription_id: int, outcome: Outcome, reason: str | None = None
    ) -> None:
        """Record an outcome that no push service had a part in."""
        self._gathering.settle(flight, subscription_id, outcome, self._clock.now(), reason)
        self._hurry()

    def finish(self, flight: Flight) -> None:
        """All results of the flight are in: its batch ends in the transaction that records the last."""
        self._gathering.finished.append(flight)
        self._hurry()

    async def run(self) -> None:
        """Flush whenever enough has come together or has waited long enough. Runs until cancelled."""
        while True:
            await self._due.wait()
            await self.flush()

    async def catch_up(self) -> None:
        """Wait until `run` has recorded what was gathered so far, however long that takes."""
        awaited = self._gathering or self._flushing
        while awaited is not None and (awaited is self._gathering or awaited is self._flushing):
            if awaited is self._gathering:
                self._due.set()
            await self._flushed.wait()

    async def flush(self) -> None:
        """Record everything gathered so far, however long that takes."""
        async with self._lock:
            while self._gathering:
                self._flushing, self._gathering = self._gathering, self._new()
                self._rest()
                await self._write(self._flushing)
                finished, self._flushing = self._flushing.finished, None
                self._failed = False
                self._flushed.set()
                self._flushed = asyncio.Event()
                self.on_flushed(finished)

    async def _write(self, unrecorded: Unrecorded) -> None:
        # Ids are drawn here: the body may run in another thread, and more than once.
        parts = sum(-(-len(retry.subscription_ids) // MAX_MEMBERS) for retry in unrecorded.retries.values())
        parts += sum(len(flight.left) for flight in unrecorded.finished)
        batch_ids = [self._ids.next() for _ in range(parts)]
        now = self._clock.now()
        while True:
            began_at = self._clock.monotonic()
            try:
                await self._store(unrecorded, batch_ids, now)
            except StorageUnavailable as exc:
                if not self._failed:
                    log.error(
                        "storage.unavailable", hint=exc.hint, unrecorded=self.unrecorded, sending="stopped"
                    )
                self._failed = True
                self._metrics.failed_flushes.inc()
                await asyncio.sleep(TRY_AGAIN_AFTER)
            else:
                if self._failed:
                    log.info("storage.back", recorded=len(unrecorded.results))
                self._metrics.count_results(unrecorded.results, self._clock.monotonic() - began_at)
                self._metrics.sending.ended(unrecorded.finished)
                return

    async def _store(self, unrecorded: Unrecorded, batch_ids: Sequence[int], now: int) -> None:
        """Who accepted is no part of the account, and takes PostgreSQL as long as all the rest: meanwhile."""
        wanted = await self._interest.look(self._database, self._clock)
        stored = await asyncio.gather(
            self._database.write(lambda tx: _record(tx, unrecorded, batch_ids, self._owner, wanted)),
            *([self._database.write(lambda tx: _accept(tx, unrecorded, now))] if unrecorded.accepted else ()),
            return_exceptions=True,  # wait for both: they must not meet those of the next attempt
        )
        for outcome in stored:
            if isinstance(outcome, BaseException):
                raise outcome

    def _new(self) -> Unrecorded:
        return Unrecorded(self._policy, self._random)

    def _hurry(self) -> None:
        if len(self._gathering.results) >= FLUSH_AT:
            self._due.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_after, self._due.set)

    def _rest(self) -> None:
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _record(
    tx: Transaction, unrecorded: Unrecorded, batch_ids: Sequence[int], owner: str, wanted: Wanted
) -> None:
    """The one transaction. Always in the same order, so that two senders cannot deadlock on PostgreSQL."""
    fresh_ids = iter(batch_ids)
    changed = await deliveries.record(tx, unrecorded.results)
    if wanted:
        await tell_of_pushes(tx, unrecorded.results, changed, wanted)
    again = retry_batches(unrecorded.retries.values(), changed, fresh_ids)
    if unrecorded.finished:
        finished = sorted(flight.batch.id for flight in unrecorded.finished)
        leases = await batches.finish_many(tx, finished, owner)
        again += moved_batches(unrecorded.finished, leases, fresh_ids)
    if again:
        await batches.add_many(tx, again)
    if unrecorded.recent:
        await recent_pushes.add(tx, unrecorded.recent)
    if unrecorded.locations:
        await withdrawals.add_locations(tx, unrecorded.locations)
    if unrecorded.gone:
        await subscriptions.gone(tx, unrecorded.gone)
    for key_id, reason in sorted(unrecorded.paused_keys.items()):
        await keys.set_state(tx, key_id, KeyState.ACTIVE, KeyState.PAUSED, reason)
    for site_id, provider in sorted(unrecorded.recovered):
        await throttles.recover(tx, site_id, provider)
    for hold in sorted(unrecorded.holds):
        site_id, provider, until, reason, since, failures = hold
        await throttles.hold(tx, site_id, provider, until, reason, since, failures)


async def _accept(tx: Transaction, unrecorded: Unrecorded, now: int) -> None:
    for site_id, ids in sorted(unrecorded.accepted.items()):
        await subscriptions.accepted(tx, site_id, ids, now)
