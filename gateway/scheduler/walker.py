"""Walks visitors through automations: whose next step is due joins that step's message and moves on.

Nothing is remembered between two steps of the walker: places say who is due, and all that a page of them
changes is one transaction. A crash resumes there, and of two walkers one changes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from gateway.automation_steps import for_round
from gateway.campaigns.automations import SECOND, Definition, read_definition
from gateway.campaigns.plan import Timetable
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.quotas import count_pushes
from gateway.scheduler.failing import Failing
from gateway.scheduler.judging import Judged, judge
from gateway.scheduler.source import read_active
from storage import automations, batches, locks, messages, rollups, site_hours, sites, steps
from storage.automations import Automation, DuePlace, Move
from storage.batches import Batch, unpack
from storage.database import Row, Transaction
from storage.errors import Conflict
from storage.messages import Message
from storage.rollups import Rollup
from storage.sites import Site

PAGE = 2_000  # places in one transaction
LOOK_AT = 16  # automations that are worked on before the next ones have their turn
AT_ONCE = 4  # of them side by side; their pages share commits
TRY_AGAIN = 300_000  # milliseconds until those are due again whose message could not be made

Key = tuple[int, int]  # a step's id and the round of those who are due for it


class _Moved(Exception):
    """Somebody on the page has left, or was moved by another walker: what was made of it is void."""


class _Part(NamedTuple):
    """Of a page: those who get one message. It is `fresh` when there was none yet for their round."""

    key: Key
    message: Message
    fresh: bool
    timetable: Timetable
    rows: Sequence[Row]  # who can be sent to


class _Page(NamedTuple):
    places: Sequence[DuePlace]
    parts: Sequence[_Part]
    failed: frozenset[Key]


@dataclass(slots=True)
class _Work:
    """What a page writes."""

    judged: list[tuple[_Part, Judged]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


class Walker:
    def __init__(self, context: Context, metrics: Metrics, page: int = PAGE) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics
        self._page = page
        self._after_id = 0
        self._failing = Failing("automation.failed", "automation_id")
        self._failing_steps = Failing("message.failed", "message_id")

    async def step(self) -> bool:
        """A page of some automations in which somebody is due; whether there may be more at once."""
        now = self._clock.now()
        due, found = await self._database.read(lambda tx: _look(tx, now, self._after_id))
        wrapped = self._after_id == 0
        self._after_id = due[-1].id if len(due) == LOOK_AT else 0
        limit = asyncio.Semaphore(AT_ONCE)

        async def walk(automation: Automation, site: Site) -> bool:
            async with limit:
                return await self._walk(automation, site, now)

        # Of a site that was deleted just now the places go with it.
        here = [(each, found[each.site_id]) for each in due if each.site_id in found]
        worked = await asyncio.gather(*(walk(automation, site) for automation, site in here))
        return any(worked) or not wrapped

    async def _walk(self, automation: Automation, site: Site, now: int) -> bool:
        """One page; smaller ones when people leave while it is made: one place always gets through."""
        definition: Definition | None = None
        with self._failing.watch(automation.id):
            definition = read_definition(automation)
        size = self._page
        while definition is not None and size:
            page = await self._database.read(
                partial(
                    self._read, automation=automation, definition=definition, site=site, now=now, limit=size
                )
            )
            if not page.places:
                return False
            work = self._judge(definition, page, now)
            try:
                written = await self._database.write(partial(_write, automation=automation, work=work))
            except (_Moved, Conflict):  # Conflict: another walker has just made a message for the same round
                size //= 4
                continue
            if written:
                self._metrics.recipients_frozen.inc(sum(len(part.rows) for part, _ in work.judged))
            return written
        return definition is not None

    async def _read(
        self,
        tx: Transaction,
        automation: Automation,
        definition: Definition,
        site: Site,
        now: int,
        limit: int,
    ) -> _Page:
        places = await automations.due_places(tx, automation.id, now, limit)
        due: defaultdict[Key, list[int]] = defaultdict(list)
        for place in places:
            key = _key(definition, place)
            if key is not None:
                due[key].append(place.subscription_id)
        hours = await site_hours.of_sites(tx, {site.id}, now)
        found = await _find_messages(tx, site.id, due)
        parts = []
        for key, ids in due.items():
            message, fresh = found[key]
            if fresh:
                message = for_round(message, key[1], id=self._ids.next(), now=now)
            timetable = None
            with self._failing_steps.watch(key[0]):
                # For those who are due now it starts now: a window that it has is theirs.
                timetable = Timetable.of(replace(message, started_at=now), site, hours.get(site.id, ()))
            if timetable is not None:
                rows = await read_active(tx, timetable, ids)
                parts.append(_Part(key, message, fresh, timetable, rows))
        return _Page(places, parts, frozenset(due).difference(part.key for part in parts))

    def _judge(self, definition: Definition, page: _Page, now: int) -> _Work:
        """Where everybody goes: into the batches of their step, and on to the next."""
        work = _Work()
        failed = set(page.failed)
        sent_at: dict[int, int] = {}  # whoever is skipped counts as sent to now
        for part in page.parts:
            judged = None
            with self._failing_steps.watch(part.key[0]):
                judged = judge(part.timetable, part.rows, now, self._ids)
            if judged is None:
                failed.add(part.key)
                continue
            self._failing_steps.works(part.key[0])
            work.judged.append((part, judged))
            sent_at |= dict.fromkeys((row[0] for row in part.rows), now)
            for batch in judged.batches:
                if batch.due_at is not None and batch.due_at > now:
                    sent_at |= dict.fromkeys(unpack(batch.members), batch.due_at)
        following = definition.steps[1:]
        for place in page.places:
            at = sent_at.get(place.subscription_id)
            if _key(definition, place) in failed:
                work.moves.append(Move(place, place.step, now + TRY_AGAIN))
            elif at is None or place.step >= len(following):
                # Whoever got a step is behind it: their next round is another one.
                work.moves.append(Move(place, place.step if at is None else place.step + 1, None))
            else:
                due_at = at + following[place.step].after * SECOND
                work.moves.append(Move(place, place.step + 1, due_at))
        return work


async def _look(tx: Transaction, now: int, after_id: int) -> tuple[Sequence[Automation], Mapping[int, Site]]:
    due = await automations.due(tx, now, after_id, LOOK_AT)
    return due, await sites.by_ids(tx, {automation.site_id for automation in due})


def _key(definition: Definition, place: DuePlace) -> Key | None:
    """None: there is no such step (any more)."""
    if place.step >= len(definition.steps):
        return None
    return definition.steps[place.step].message, place.round


async def _find_messages(
    tx: Transaction, site_id: int, keys: Collection[Key]
) -> Mapping[Key, tuple[Message, bool]]:
    """What each round of a step gets; True: there is no message for the round yet, it is the step's own."""
    of_rounds = await steps.of_rounds(tx, site_id, {key for key in keys if key[1]})
    ids = {key: of_rounds.get(key, key[0]) for key in keys}
    known = await messages.by_ids(tx, sorted(set(ids.values()))) if ids else {}
    return {key: (known[id], key[1] > 0 and id == key[0]) for key, id in ids.items()}


async def _write(tx: Transaction, automation: Automation, work: _Work) -> bool:
    """False when the automation was changed, paused or deleted meanwhile."""
    await locks.hold(tx, automation.id)
    if await automations.active_version(tx, automation.id) != automation.version:
        return False
    if await automations.move(tx, automation.site_id, automation.id, work.moves) != len(work.moves):
        raise _Moved
    counted: list[Batch] = []
    skipped: list[Rollup] = []
    for part, judged in work.judged:
        if part.rows and part.fresh:
            await steps.add_round(tx, *part.key, part.message)
        # Whose message has ended all the same goes on to the next step without it.
        if part.rows and await steps.grow(tx, part.message.id, len(part.rows)):
            await batches.add_many(tx, judged.batches)
            skipped += judged.skipped
            counted += judged.batches
    await rollups.add_many(tx, skipped)  # at once, so that they are written in the order in which senders do
    if counted:
        timetable = work.judged[0][0].timetable  # all are of one site and one moment
        now = timetable.message.started_at or 0
        await count_pushes(tx, automation.site_id, timetable.settings.quotas, counted, now)
    return True
