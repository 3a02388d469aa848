"""Walks visitors through automations: whose next step is due joins that step's message and moves on.

Nothing is remembered between two steps of the walker: places say who is due, and all that a page of them
changes is one transaction. A crash resumes there, and of two walkers one changes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from gateway.campaigns.automations import SECOND, Definition, read_definition
from gateway.campaigns.plan import Timetable
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.judging import Judged, judge
from gateway.scheduler.source import hours_of_sites, read_active
from storage import automations, batches, locks, messages, rollups, sites, steps
from storage.automations import Automation, DuePlace, Move
from storage.batches import unpack
from storage.database import Row, Transaction
from storage.sites import Site

PAGE = 2_000  # places in one transaction
LOOK_AT = 16  # automations that are worked on before the next ones have their turn
AT_ONCE = 4  # of them side by side; their pages share commits


class _Moved(Exception):
    """Somebody on the page has left, or was moved by another walker: what was made of it is void."""


class _Page(NamedTuple):
    places: Sequence[DuePlace]
    timetables: Mapping[int, Timetable]  # by message, those of the page's steps
    rows: Mapping[int, Sequence[Row]]  # by message: who can be sent to


@dataclass(slots=True)
class _Work:
    """What a page writes."""

    judged: list[tuple[int, int, Judged]] = field(default_factory=list)  # message id, how many, and where
    moves: list[Move] = field(default_factory=list)


class Walker:
    def __init__(self, context: Context, metrics: Metrics, page: int = PAGE) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics
        self._page = page
        self._after_id = 0

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
        definition, size = read_definition(automation), self._page
        while size:
            page = await self._database.read(
                partial(_read, automation=automation, definition=definition, site=site, now=now, limit=size)
            )
            if not page.places:
                return False
            work = self._judge(definition, page, now)
            try:
                written = await self._database.write(partial(_write, automation=automation, work=work))
            except _Moved:
                size //= 4
                continue
            if written:
                self._metrics.recipients_frozen.inc(sum(count for _, count, _ in work.judged))
            return written
        return True

    def _judge(self, definition: Definition, page: _Page, now: int) -> _Work:
        """Where everybody goes: into the batches of their step, and on to the next."""
        work = _Work()
        sent_at: dict[int, int] = {}  # whoever is skipped counts as sent to now
        for message_id, rows in page.rows.items():
            judged = judge(page.timetables[message_id], rows, now, self._ids)
            work.judged.append((message_id, len(rows), judged))
            sent_at |= dict.fromkeys((row[0] for row in rows), now)
            for batch in judged.batches:
                if batch.due_at is not None and batch.due_at > now:
                    sent_at |= dict.fromkeys(unpack(batch.members), batch.due_at)
        following = definition.steps[1:]
        for place in page.places:
            at = sent_at.get(place.subscription_id)
            if at is None or place.step >= len(following):
                # Whoever got a step never gets it again, also when they come back.
                work.moves.append(Move(place, place.step if at is None else place.step + 1, None))
            else:
                due_at = at + following[place.step].after * SECOND
                work.moves.append(Move(place, place.step + 1, due_at))
        return work


async def _look(tx: Transaction, now: int, after_id: int) -> tuple[Sequence[Automation], Mapping[int, Site]]:
    due = await automations.due(tx, now, after_id, LOOK_AT)
    return due, await sites.by_ids(tx, {automation.site_id for automation in due})


async def _read(
    tx: Transaction, automation: Automation, definition: Definition, site: Site, now: int, limit: int
) -> _Page:
    places = await automations.due_places(tx, automation.id, now, limit)
    by_step: defaultdict[int, list[int]] = defaultdict(list)
    for place in places:
        if place.step < len(definition.steps):  # the automation may have become shorter
            by_step[definition.steps[place.step].message].append(place.subscription_id)
    known = await messages.by_ids(tx, sorted(by_step)) if by_step else {}
    hours = await hours_of_sites(tx, known.values(), now)
    # For those who are due now it starts now: a window that it has is theirs.
    timetables = {
        id: Timetable.of(replace(message, started_at=now), site, hours.get(site.id, ()))
        for id, message in known.items()
    }
    rows = {id: await read_active(tx, timetables[id], by_step[id]) for id in known}
    return _Page(places, timetables, rows)


async def _write(tx: Transaction, automation: Automation, work: _Work) -> bool:
    """False when the automation was changed, paused or deleted meanwhile."""
    await locks.hold(tx, automation.id)
    if await automations.active_version(tx, automation.id) != automation.version:
        return False
    if await automations.move(tx, automation.site_id, automation.id, work.moves) != len(work.moves):
        raise _Moved
    for message_id, count, judged in work.judged:
        # Whose message has ended all the same goes on to the next step without it.
        if count and await steps.grow(tx, message_id, count):
            await batches.add_many(tx, judged.batches)
            await rollups.add_many(tx, judged.skipped)
    return True
