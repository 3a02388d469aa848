"""Starts messages whose time has come. A named audience is frozen in the same transaction."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from gateway.audience import AudienceSpec, Candidate, read_audience
from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.scheduler.freezer import make_batches
from storage import batches, locks, messages, subscriptions
from storage.database import Transaction
from storage.ids import id_ceiling
from storage.messages import Message, MessageState
from storage.subscriptions import SubscriptionState

log = Log(__name__)

AT_ONCE = 50  # messages in one look: their transactions share a commit
EXPIRED_UNSTARTED = "expires_at passed before it could start"
# What such a message may be in. After its `expires_at` nothing starts it any more, even if it is resumed.
UNSTARTED = {MessageState.SCHEDULED, MessageState.PAUSED}


class Named(NamedTuple):
    """The named part of the world that exists. `unknown` counts names that are nobody's."""

    candidates: Sequence[Candidate]
    unknown: int


class Starter:
    def __init__(self, context: Context, metrics: Metrics) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics

    async def step(self) -> bool:
        """Start what is due, end what has expired before it started; whether there was any."""
        now = self._clock.now()
        due, late = await self._database.read(lambda tx: _look(tx, now))
        await asyncio.gather(*(self._start(message, now) for message in due))
        for message_id in late:
            await self._expire(message_id, now)
        return bool(due or late)

    async def _start(self, message: Message, now: int) -> None:
        # Never below an id that this very process has handed out: its clock may have been set back since.
        ceiling = max(id_ceiling(now), self._ids.next())
        audience = read_audience(message.audience_spec)
        if audience.all is not UNSET or audience.failures_of is not UNSET:
            if await self._database.write(lambda tx: _begin(tx, message, now, ceiling)):
                self._metrics.messages_started.inc()
            return
        named = await self._database.read(lambda tx: _find(tx, message.site_id, audience))
        made = make_batches(message, named.candidates, now, self._ids)

        async def body(tx: Transaction) -> bool:
            if not await _begin(tx, message, now, ceiling):
                return False
            await batches.add_many(tx, made)
            return await messages.frozen(tx, message.id, len(named.candidates), named.unknown, now)

        if await self._database.write(body):
            self._metrics.messages_started.inc()
            self._metrics.recipients_frozen.inc(len(named.candidates))

    async def _expire(self, message_id: int, now: int) -> None:
        expired = await self._database.write(
            lambda tx: messages.transition(
                tx, message_id, UNSTARTED, MessageState.EXPIRED, EXPIRED_UNSTARTED, now
            )
        )
        if expired:
            log.info("message.expired", message_id=message_id)
            self._metrics.messages_ended.labels("expired").inc()


async def _look(tx: Transaction, now: int) -> tuple[Sequence[Message], Sequence[int]]:
    return await messages.due(tx, now, AT_ONCE), await messages.expired_unstarted(tx, now, AT_ONCE)


async def _begin(tx: Transaction, message: Message, now: int, ceiling: int) -> bool:
    """False when it is not what was looked at any more: somebody has changed, paused or started it since."""
    await locks.hold(tx, message.id)
    stored = await messages.by_ids(tx, [message.id])
    return stored.get(message.id) == message and await messages.start(tx, message.id, now, ceiling)


async def _find(tx: Transaction, site_id: int, audience: AudienceSpec) -> Named:
    """Whom the names mean at this moment. All in one snapshot: between two, a visitor could change names."""
    active = SubscriptionState.ACTIVE
    names = audience.named_external_ids
    if names is not None:
        known = await subscriptions.by_external_ids(tx, site_id, names)
        candidates = [(id, provider) for _, id, provider, state in known if state == active]
        return Named(candidates, len(names) - len({external_id for external_id, *_ in known}))
    assert audience.subscriptions is not UNSET
    found = await subscriptions.by_ids(tx, site_id, audience.subscriptions)
    candidates = [(id, provider) for id, provider, state in found if state == active]
    return Named(candidates, len(audience.subscriptions) - len(found))
