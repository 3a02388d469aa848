"""Delivers webhooks. One process of all leads, so that a receiver's lane is as wide as it says.

The lead is a lease, and so is each delivery: two that lead at once (when the first was paused as a whole,
say) send nothing twice, and what a killed one had in hand is repeated by the next after LEASE_MS, never lost.
"""

import asyncio
import random as chance
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.context import Context
from gateway.dispatch.lane import Lane
from gateway.dispatch.metrics import WebhookMetrics
from gateway.dispatch.packer import Packer
from gateway.dispatch.schedule import next_attempt_at
from gateway.dispatch.tidier import tidy
from gateway.errors import SealedValueUnreadable
from gateway.logs import Log
from gateway.outbound import Outbound
from gateway.webhooks.attempt import Verdict, attempt
from storage import leases, locks, webhook_deliveries, webhooks
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.webhook_deliveries import Claimed, DeliveryState
from storage.webhooks import Webhook

log = Log(__name__)

LEASE = "webhooks"
LEASE_MS = 30_000  # of a delivery: longer than any attempt


@dataclass(frozen=True, slots=True)
class DispatchTiming:
    """All in seconds."""

    lease: float = 10.0  # of the lead
    poll: float = 0.5  # between looks when there was nothing to do
    show_every: float = 10.0  # on /metrics
    tidy_every: float = 60.0
    stop_within: float = 5.0  # what is in flight may end; then it is given back


async def run_dispatcher(
    context: Context,
    stop: asyncio.Event,
    *,
    owner: str,
    outbound: Outbound,
    metrics: WebhookMetrics,
    timing: DispatchTiming | None = None,
    random: Callable[[], float] = chance.random,
) -> None:
    """Deliver until `stop` is set; then let end what is in flight, give back the rest and return.

    `owner` is unique to this process' life. `outbound` is closed in the end. Raises an ExceptionGroup when
    any part dies. Cancelling it is a crash, as after kill -9.
    """
    dispatcher = Dispatcher(context, owner, outbound, metrics, timing or DispatchTiming(), random)
    try:
        await dispatcher.run(stop)
    finally:
        await dispatcher.cut()
        await outbound.close()
    await dispatcher.resign()


class Dispatcher:
    def __init__(
        self,
        context: Context,
        owner: str,
        outbound: Outbound,
        metrics: WebhookMetrics,
        timing: DispatchTiming,
        random: Callable[[], float],
    ) -> None:
        self._context = context
        self._database = context.database
        self._owner = owner
        self._outbound = outbound
        self._metrics = metrics
        self._timing = timing
        self._random = random
        self._packer = Packer(context, metrics)
        self._lanes: dict[int, Lane] = {}
        self._turn = 0  # the webhook that got room last: with many, those behind it come next
        self._in_flight: set[asyncio.Task[None]] = set()
        self._leading = asyncio.Event()
        self._wake = asyncio.Event()  # a request has ended: its lane has room

    async def run(self, stop: asyncio.Event) -> None:
        timing = self._timing
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(self._lead(), name="webhooks-lead"),
                tasks.create_task(self._repeat(self._pack, timing.poll), name="webhooks-pack"),
                tasks.create_task(self._repeat(self._send, timing.poll, self._wake), name="webhooks-send"),
                tasks.create_task(self._repeat(self._show, timing.show_every), name="webhooks-show"),
                tasks.create_task(self._repeat(self._tidy, timing.tidy_every), name="webhooks-tidy"),
            ]
            await stop.wait()
            for job in jobs:
                job.cancel()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=timing.stop_within)

    async def cut(self) -> None:
        """End what is in flight, whose leases then end by themselves."""
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def resign(self) -> None:
        """Give back what was not delivered, and the lead."""
        if self._leading.is_set():
            try:
                await self._database.write(self._resign)
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)

    async def _resign(self, tx: Transaction) -> None:
        await webhook_deliveries.release(tx, self._owner)
        await leases.release(tx, LEASE, self._owner)

    async def _lead(self) -> None:
        """Hold the lease, or try to get it, three times within its length."""
        lease_ms = round(self._timing.lease * 1_000)
        while True:
            try:
                led = await self._database.write(lambda tx: leases.acquire(tx, LEASE, self._owner, lease_ms))
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                led = False
            if led:
                self._leading.set()
            elif self._leading.is_set():
                self._leading.clear()
                self._metrics.resign()
            await asyncio.sleep(self._timing.lease / 3)

    async def _repeat(
        self, step: Callable[[], Awaitable[bool]], pause: float, wake: asyncio.Event | None = None
    ) -> None:
        """While leading: step after step as long as there is work, then wait for more."""
        wake = wake or asyncio.Event()
        while True:
            await self._leading.wait()
            wake.clear()
            try:
                worked = await step()
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                worked = False
            if not worked:
                try:
                    async with asyncio.timeout(pause):
                        await wake.wait()
                except TimeoutError:
                    pass

    async def _pack(self) -> bool:
        packed = await self._packer.step()
        if packed:
            self._wake.set()
        return packed

    async def _show(self) -> bool:
        summary = await self._database.read(webhook_deliveries.summary)
        self._metrics.show(summary, self._context.clock.now())
        return False

    async def _tidy(self) -> bool:
        await tidy(self._database, self._context.clock.now())
        return False

    async def _send(self) -> bool:
        """Begin what there is room for; True when something was begun."""
        clock = self._context.clock
        due = await self._database.read(lambda tx: webhooks.due(tx, clock.now()))
        moment = clock.monotonic()
        busy = {webhook.id for webhook in due}
        self._lanes = {id: lane for id, lane in self._lanes.items() if id in busy or not lane.is_idle(moment)}
        planned = len(self._in_flight)
        beginning = []
        for webhook in _from_turn(due, self._turn):
            lane = self._lanes.setdefault(webhook.id, Lane())
            room = lane.room(moment, planned)
            if room:
                self._turn = webhook.id
                planned += room
                beginning.append(self._begin(webhook, lane, room))
        begun = await asyncio.gather(*beginning, return_exceptions=True)  # their claims share a commit
        for each in begun:
            if isinstance(each, BaseException):
                raise each
        return any(begun)

    async def _begin(self, webhook: Webhook, lane: Lane, room: int) -> int:
        """So many deliveries are under way now."""
        claimed = await self._claim(webhook, room)
        for each in claimed:
            lane.in_flight += 1
            task = asyncio.create_task(self._deliver(webhook, lane, each), name="webhook-delivery")
            self._in_flight.add(task)
            task.add_done_callback(self._ended)
        return len(claimed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and task.exception() is not None:  # its lease ends, and it is tried again
            log.error("webhook.delivery_broke", cause=task.exception())

    async def _claim(self, webhook: Webhook, room: int) -> Sequence[Claimed]:
        now = self._context.clock.now()
        return await self._database.write(
            lambda tx: webhook_deliveries.claim(tx, webhook.id, self._owner, now, LEASE_MS, room)
        )

    async def _deliver(self, webhook: Webhook, lane: Lane, claimed: Claimed) -> None:
        """One attempt, written down. What cannot be written is repeated when its lease has ended."""
        try:
            verdict = await attempt(self._context, self._outbound, webhook, claimed.id, claimed.body)
        except SealedValueUnreadable as exc:
            verdict = Verdict(False, error=exc.sentence)
        finally:
            lane.in_flight -= 1
            self._wake.set()
        if verdict.taken:
            lane.worked()
        else:
            lane.failed(self._context.clock.monotonic())
        try:
            outcome = await self._write(webhook, claimed, verdict)
        except StorageUnavailable as exc:
            log.warning("storage.unavailable", hint=exc.hint)
            return
        self._metrics.attempts.labels(outcome).inc()

    async def _write(self, webhook: Webhook, claimed: Claimed, verdict: Verdict) -> str:
        """How the attempt counts."""
        now, owner = self._context.clock.now(), self._owner
        again = next_attempt_at(now, claimed.attempts + 1, verdict.retry_after * 1_000, self._random)
        state = DeliveryState.DELIVERED if verdict.taken else DeliveryState.DEAD
        error = verdict.error or ""

        async def body(tx: Transaction) -> bool:
            status = verdict.status
            if verdict.gone:  # an admin's change that has read it as active would write that down again
                await locks.hold(tx, webhook.id)
            if verdict.taken:
                await webhooks.works(tx, webhook.id)
                await webhook_deliveries.end(tx, claimed.id, owner, state, status, None, now)
                return False
            if again is None:
                await webhook_deliveries.end(tx, claimed.id, owner, state, status, error, now)
            else:
                await webhook_deliveries.put_off(tx, claimed.id, owner, status, error, again)
            if verdict.gone:
                return await webhooks.pause(tx, webhook.id, error, now)
            await webhooks.failed(tx, webhook.id, error, now)
            return False

        if await self._database.write(body):
            log.warning("webhook.paused", webhook_id=webhook.id, site_id=webhook.site_id, reason=error)
        if again is None and not verdict.taken:
            log.warning("webhook.dead", webhook_id=webhook.id, site_id=webhook.site_id, reason=error)
        return _outcome(verdict, again)


def _from_turn(due: Sequence[Webhook], turn: int) -> Sequence[Webhook]:
    """By id, from the one after `turn` on and round."""
    return sorted(due, key=lambda each: (each.id <= turn, each.id))


def _outcome(verdict: Verdict, again: int | None) -> str:
    """For the counter."""
    if verdict.taken:
        return "delivered"
    if verdict.gone:
        return "gone"
    return "dead" if again is None else "failed"
