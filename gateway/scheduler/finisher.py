"""Ends messages: `sent` when no batch is left; an outcome for whom a cancelled or expired one leaves over."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from storage import batches, deliveries, messages, rollups
from storage.batches import Batch, unpack
from storage.database import Transaction
from storage.deliveries import Outcome, Result, SkipReason
from storage.messages import Message, MessageState
from storage.rollups import SKIPPED, Rollup

log = Log(__name__)

AT_ONCE = 20  # messages in one look
UNTOUCHED_A_STEP = 1_000  # batches that are only counted
TOUCHED_A_STEP = 4  # batches whose members are judged row by row
LEASE_MS = 10_000  # never needed: claim and finish are one transaction


class Leftover(NamedTuple):
    """How the deliveries that were not made end."""

    outcome: Outcome
    reason: SkipReason | None

    @property
    def kind(self) -> str:
        """Its counter."""
        return self.outcome.value if self.reason is None else SKIPPED + self.reason.value


CANCELLED = Leftover(Outcome.SKIPPED, SkipReason.CANCELLED)
EXPIRED = Leftover(Outcome.EXPIRED, None)


class Finisher:
    def __init__(self, context: Context, owner: str, metrics: Metrics) -> None:
        self._database = context.database
        self._clock = context.clock
        self._owner = owner
        self._metrics = metrics

    async def step(self) -> bool:
        """One step for every message that ends; whether more steps may find more to do at once."""
        now = self._clock.now()
        ending = await self._database.read(lambda tx: _ending(tx, now))
        worked = False
        for message in ending:
            leftover = CANCELLED if message.state is MessageState.CANCELLED else EXPIRED
            worked = await self._count_untouched(message, leftover, now) or worked
            worked = await self._settle_touched(message, leftover, now) or worked
        done = await self._database.write(lambda tx: messages.finish_done(tx, now, AT_ONCE))
        for message_id in done:
            log.info("message.sent", message_id=message_id)
            self._metrics.messages_ended.labels("sent").inc()
        return worked or len(done) == AT_ONCE

    async def _count_untouched(self, message: Message, leftover: Leftover, now: int) -> bool:
        """Batches that no sender ever had: their members have no row and get none, only the counters move."""

        async def body(tx: Transaction) -> bool:
            dropped = await batches.drop_untouched(tx, message.id, UNTOUCHED_A_STEP)
            await rollups.add_many(
                tx,
                [
                    Rollup(message.site_id, message.id, variant, provider, now, leftover.kind, size)
                    for provider, variant, size in dropped
                ],
            )
            return bool(dropped)

        return await self._database.write(body)

    async def _settle_touched(self, message: Message, leftover: Leftover, now: int) -> bool:
        """Batches whose lease is free again: whoever in them has no outcome gets this one."""

        async def body(tx: Transaction) -> bool:
            claimed = await batches.claim_of_message(tx, message.id, self._owner, LEASE_MS, TOUCHED_A_STEP)
            await deliveries.record(
                tx, [result for batch in claimed for result in results_of(batch, leftover, now)]
            )
            await batches.finish_many(tx, [batch.id for batch in claimed], self._owner)
            return bool(claimed)

        return await self._database.write(body)


def results_of(batch: Batch, leftover: Leftover, now: int) -> list[Result]:
    """One for each member. Recording leaves those alone whose outcome of this attempt is known."""
    return [
        Result(
            batch.site_id,
            batch.message_id,
            subscription_id,
            batch.provider,
            batch.attempt,
            batch.variant,
            leftover.outcome,
            leftover.reason,
            None,
            now,
        )
        for subscription_id in unpack(batch.members)
    ]


async def _ending(tx: Transaction, now: int) -> Sequence[Message]:
    """Messages that have ended, or whose `expires_at` has passed, and own batches that no sender has."""
    ids = {*await batches.leftovers(tx, AT_ONCE), *await messages.sending_past_expiry(tx, now, AT_ONCE)}
    return list((await messages.by_ids(tx, sorted(ids))).values())
