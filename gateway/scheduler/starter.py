"""Starts messages whose time has come. A named audience is frozen in the same transaction.

A series does not start itself: it makes an occurrence, which starts like any other message.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.audience import AudienceSpec, read_audience
from gateway.campaigns.freezing import is_expression, resolve, write_expression
from gateway.campaigns.plan import Timetable
from gateway.campaigns.recurrence import is_misfired, next_time
from gateway.campaigns.stages import is_watched
from gateway.context import Context
from gateway.errors import QuotaExceeded
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.quotas import check_message, count_pushes
from gateway.scheduler.failing import Failing
from gateway.scheduler.judging import judge
from gateway.scheduler.source import hours_of_sites, is_named, read_named
from gateway.series import OVERTAKEN, is_overtaken, make_occurrence, occur, recurrence_of
from storage import batches, locks, messages, rollups, sites, stages, withdrawals
from storage.database import Transaction
from storage.ids import id_ceiling
from storage.messages import Message, MessageKind, MessageState
from storage.sites import Site

log = Log(__name__)

AT_ONCE = 50  # messages in one look: their transactions share a commit
EXPIRED_UNSTARTED = "expires_at passed before it could start"
# What such a message may be in. After its `expires_at` nothing starts it any more, even if it is resumed.
UNSTARTED = {MessageState.SCHEDULED, MessageState.PAUSED}
USED_UP = "the site's quota of pushes a day was used up when it was to start"
SEGMENT_DELETED = "its segment was deleted before it started"
UNDER_WAY = "waits until it is known who got the message"
LOOK_AGAIN = 1_000  # milliseconds until a withdrawal is tried once more
MISFIRED = "misfired: it had not started {} s after its time"


class Starter:
    def __init__(self, context: Context, metrics: Metrics) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics
        self._failing = Failing("message.failed", "message_id")
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # by site with a quota

    async def step(self) -> bool:
        """Start what is due, end what has expired before it started; whether there was any."""
        now, room = self._clock.now(), AT_ONCE + self._failing.room
        due, found, hours, late = await self._database.read(lambda tx: _look(tx, now, room))
        # Of a site that was deleted just now the messages go with it.
        here = [message for message in due if message.site_id in found]
        chosen = self._failing.pass_over(here, self._clock.monotonic())
        self._turns.clear()
        await asyncio.gather(
            *(
                self._try(message, found[message.site_id], hours.get(message.site_id, ()), now)
                for message in chosen
            )
        )
        for message_id in late:
            await self._expire(message_id, now)
        return bool(chosen or late)

    async def _try(self, message: Message, site: Site, hours: Sequence[int], now: int) -> None:
        with self._failing.watch(message.id):
            await self._take(Timetable.of(message, site, hours), now)
            self._failing.works(message.id)

    async def _take(self, timetable: Timetable, now: int) -> None:
        message, misfire = timetable.message, timetable.rules.misfire
        if message.kind is MessageKind.SERIES:
            await self._occur(message, now)
        elif misfire is not None and is_misfired(misfire, message.send_at, now):
            await self._expire_late(message, MISFIRED.format(misfire.after), now)
        elif message.kind is MessageKind.OCCURRENCE and await self._database.read(
            lambda tx: is_overtaken(tx, message, now)
        ):
            await self._expire_late(message, OVERTAKEN, now)
        elif message.kind is MessageKind.WITHDRAWAL and await self._database.read(
            lambda tx: _is_under_way(tx, message)
        ):
            again = now + LOOK_AGAIN
            await self._database.write(
                lambda tx: withdrawals.put_off(tx, message.id, message.send_at, again, UNDER_WAY)
            )
        elif timetable.settings.quotas.messages_per_day is None:
            await self._start(timetable, now)
        else:
            async with self._turns[message.site_id]:  # what one starts with is no room for the next
                if await self._has_room(timetable, now):
                    await self._start(timetable, now)
                else:
                    await self._cancel(message, USED_UP, now)

    async def _has_room(self, timetable: Timetable, now: int) -> bool:
        """Whether the site may send so much more today."""
        quotas = timetable.settings.quotas
        try:
            await self._database.read(lambda tx: check_message(tx, quotas, timetable.message, now))
        except QuotaExceeded:
            return False
        return True

    async def _cancel(self, message: Message, reason: str, now: int) -> None:
        async def body(tx: Transaction) -> bool:
            return await _is_still(tx, message) and await messages.transition(
                tx, message.id, {MessageState.SCHEDULED}, MessageState.CANCELLED, reason, now
            )

        if await self._database.write(body):
            log.warning("message.cancelled", message_id=message.id, reason=reason)
            self._metrics.messages_ended.labels("cancelled").inc()

    async def _occur(self, series: Message, now: int) -> None:
        occurrence = make_occurrence(series, now, self._ids.next())
        following = next_time(recurrence_of(series), now)
        if await self._database.write(lambda tx: occur(tx, series, occurrence, following)):
            log.info("message.recurred", message_id=occurrence.id, series_id=series.id)

    async def _start(self, timetable: Timetable, now: int) -> None:
        message = timetable.message
        # Never below an id that this very process has handed out: its clock may have been set back since.
        ceiling = max(id_ceiling(now), self._ids.next())
        audience = read_audience(message.audience_spec)
        if is_expression(audience):
            await self._start_resolved(timetable, audience, now, ceiling)
            return
        if not is_named(audience):
            if await self._database.write(lambda tx: _begin(tx, timetable, now, ceiling)):
                self._tell_started(message)
            return
        named = await self._database.read(lambda tx: read_named(tx, timetable))
        judged = judge(timetable, named.rows, now, self._ids)

        async def body(tx: Transaction) -> bool:
            if not await _begin(tx, timetable, now, ceiling):
                return False
            await batches.add_many(tx, judged.batches)
            await rollups.add_many(tx, judged.skipped)
            await count_pushes(tx, message.site_id, timetable.settings.quotas, judged.batches, now)
            return await messages.frozen(tx, message.id, len(named.rows), named.unknown, now)

        if await self._database.write(body):
            self._tell_started(message)
            self._metrics.recipients_frozen.inc(len(named.rows))

    def _tell_started(self, message: Message) -> None:
        self._metrics.messages_started.inc()
        log.info("message.started", message_id=message.id, site_id=message.site_id)

    async def _start_resolved(
        self, timetable: Timetable, audience: AudienceSpec, now: int, ceiling: int
    ) -> None:
        """Whom it means is settled in the transaction that starts it."""
        message = timetable.message

        async def body(tx: Transaction) -> tuple[bool, bool]:
            resolved, missing = await resolve(tx, message.site_id, audience, now)
            if not missing:
                assert resolved is not None
                return await _begin(tx, timetable, now, ceiling, write_expression(resolved)), False
            return False, await _is_still(tx, message) and await messages.transition(
                tx, message.id, {MessageState.SCHEDULED}, MessageState.CANCELLED, SEGMENT_DELETED, now
            )

        started, cancelled = await self._database.write(body)
        if started:
            self._tell_started(message)
        if cancelled:
            log.warning("message.cancelled", message_id=message.id, reason=SEGMENT_DELETED)
            self._metrics.messages_ended.labels("cancelled").inc()

    async def _expire_late(self, message: Message, reason: str, now: int) -> None:
        async def body(tx: Transaction) -> bool:
            return await _is_still(tx, message) and await messages.transition(
                tx, message.id, {MessageState.SCHEDULED}, MessageState.EXPIRED, reason, now
            )

        self._expired(message.id, await self._database.write(body))

    async def _expire(self, message_id: int, now: int) -> None:
        expired = await self._database.write(
            lambda tx: messages.transition(
                tx, message_id, UNSTARTED, MessageState.EXPIRED, EXPIRED_UNSTARTED, now
            )
        )
        self._expired(message_id, expired)

    def _expired(self, message_id: int, really: bool) -> None:
        if really:
            log.info("message.expired", message_id=message_id)
            self._metrics.messages_ended.labels("expired").inc()


async def _look(
    tx: Transaction, now: int, limit: int
) -> tuple[Sequence[Message], Mapping[int, Site], Mapping[int, Sequence[int]], Sequence[int]]:
    due = await messages.due(tx, now, limit)
    found = await sites.by_ids(tx, {message.site_id for message in due})
    hours = await hours_of_sites(tx, due, now)
    return due, found, hours, await messages.expired_unstarted(tx, now, AT_ONCE)


async def _is_under_way(tx: Transaction, withdrawal: Message) -> bool:
    """Whether the last answers of what it takes back are still to come."""
    assert withdrawal.parent_id is not None, "a withdrawal has a message"
    return await withdrawals.is_under_way(tx, withdrawal.parent_id)


async def _begin(
    tx: Transaction, timetable: Timetable, now: int, ceiling: int, resolved: str | None = None
) -> bool:
    message, rules = timetable.message, timetable.rules
    if not (await _is_still(tx, message) and await messages.start(tx, message.id, now, ceiling, resolved)):
        return False
    if rules.holds_the_rest or rules.auto_pause is not None:
        await stages.add(tx, message.id, message.site_id, now if is_watched(rules) else None)
    return True


async def _is_still(tx: Transaction, message: Message) -> bool:
    """False when it is not what was looked at any more: somebody has changed, paused or started it since."""
    await locks.hold(tx, message.id)
    stored = await messages.by_ids(tx, [message.id])
    return stored.get(message.id) == message
