"""Freezes an audience that may be everybody: walks a site's subscriptions, or failures, by key, in steps."""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.campaigns.plan import Timetable
from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.quotas import count_pushes
from gateway.scheduler.failing import Failing
from gateway.scheduler.judging import judge
from gateway.scheduler.source import Step, count_unknown, hours_of_sites, look_ahead, read_step
from storage import batches, messages, rollups, sites
from storage.database import Transaction
from storage.messages import Message
from storage.received import Sent
from storage.sites import Site

log = Log(__name__)

STEP = 10_000  # subscriptions in one read and one write: about 15 ms of each
STEPS_A_TURN = 10  # of one message, before the others have theirs
LOOK_AT = 100
AT_ONCE = 4  # messages that are frozen side by side; their steps share commits


class Freezer:
    """Each step is one transaction: its batches, and the cursor by compare-and-set. A crash resumes there."""

    def __init__(self, context: Context, metrics: Metrics, step: int = STEP) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics
        self._step = step
        self._failing = Failing("message.failed", "message_id")

    async def step(self) -> bool:
        """Some steps for every message that is being frozen; whether there was any."""
        now, room = self._clock.now(), LOOK_AT + self._failing.room
        freezing, found, hours = await self._database.read(lambda tx: _look(tx, now, room))
        # Of a site that was deleted just now the messages go with it.
        here = [message for message in freezing if message.site_id in found]
        works = self._failing.pass_over(here, self._clock.monotonic())
        # The least judged first: a small site does not wait until large ones are done.
        chosen = sorted(works, key=lambda message: message.judged)[:AT_ONCE]
        await asyncio.gather(
            *(
                self._try(message, found[message.site_id], hours.get(message.site_id, ()))
                for message in chosen
            )
        )
        return bool(chosen)

    async def _try(self, message: Message, site: Site, hours: Sequence[int]) -> None:
        with self._failing.watch(message.id):
            await self._advance(Timetable.of(message, site, hours))
            self._failing.works(message.id)

    async def _advance(self, timetable: Timetable) -> None:
        """The next step is read while the previous one is written."""
        cursor, judged = timetable.message.freeze_cursor, timetable.message.judged
        sent = await self._database.read(lambda tx: look_ahead(tx, timetable))
        step = await self._read(timetable, cursor, sent)
        for _ in range(STEPS_A_TURN):
            judged += len(step.rows)
            write = self._write(timetable, cursor, step, judged if step.last else None)
            if step.last:
                await write
                return
            following, written = await asyncio.gather(self._read(timetable, step.end, sent), write)
            if not written:
                return
            cursor, step = step.end, following

    async def _read(self, timetable: Timetable, cursor: int, sent: Mapping[int, Sent] | None = None) -> Step:
        return await self._database.read(lambda tx: read_step(tx, timetable, cursor, self._step, sent))

    async def _write(self, timetable: Timetable, cursor: int, step: Step, audience: int | None) -> bool:
        """One step; with `audience` the last. False when somebody else took it, or the message has ended."""
        message, now = timetable.message, self._clock.now()
        judged = judge(timetable, step.rows, now, self._ids)
        unknown = 0 if audience is None else await count_unknown(self._database, message)

        async def body(tx: Transaction) -> bool:
            if not await messages.freeze_advance(tx, message.id, cursor, step.end, len(step.rows)):
                return False
            await batches.add_many(tx, judged.batches)
            await rollups.add_many(tx, judged.skipped)
            await count_pushes(tx, message.site_id, timetable.settings.quotas, judged.batches, now)
            if audience is not None:
                await messages.frozen(tx, message.id, audience, unknown, now)
            return True

        written = await self._database.write(body)
        if written:
            self._metrics.recipients_frozen.inc(len(step.rows))
        if written and audience is not None:
            log.info("message.frozen", message_id=message.id, audience=audience)
        return written


async def _look(
    tx: Transaction, now: int, limit: int
) -> tuple[Sequence[Message], Mapping[int, Site], Mapping[int, Sequence[int]]]:
    freezing = await messages.freezing(tx, limit)
    found = await sites.by_ids(tx, {message.site_id for message in freezing})
    return freezing, found, await hours_of_sites(tx, freezing, now)
