"""Raw rows that have been kept long enough: removed in small steps, message by message as they ended.

Counters stay. Rows of a message lie beside each other, so to remove a thousand of them costs a few pages. How
far it has come is stored before anything is removed, so that what a message's rows say is never taken for
all there was.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from storage.database import Transaction
from storage.ids import id_ceiling
from storage.queries import load

_SQL = load("removals")

MESSAGES = 200  # looked at together
ROWS = 1_000  # removed in one transaction (stated in removals.sql, too)


class Raw(StrEnum):
    DELIVERIES = "deliveries"
    EVENTS = "events"


_REMOVE = {Raw.DELIVERIES: _SQL["remove_deliveries"], Raw.EVENTS: _SQL["remove_events"]}
_PAGE = {Raw.DELIVERIES: _SQL["page_of_deliveries"], Raw.EVENTS: _SQL["page_of_events"]}
_REMOVE_OLD = {Raw.DELIVERIES: _SQL["remove_old_deliveries"], Raw.EVENTS: _SQL["remove_old_events"]}


class Page(NamedTuple):
    """Of a message that goes on: whose rows are old, and after whom the next page begins (None: none)."""

    old: Sequence[int]
    after_id: int | None


async def begun(tx: Transaction, raw: Raw, message_id: int) -> bool:
    """Whether rows of a message may have been removed because it ended so long ago."""
    return await tx.fetch_one(_SQL["begun"], raw.value, message_id) is not None


async def ended_until(tx: Transaction, raw: Raw) -> int:
    """Rows of messages that ended until then may have been removed; 0: none."""
    return (await _marks(tx, raw))[2]


async def step(tx: Transaction, raw: Raw, before: int) -> int | None:
    """Removes up to ROWS rows of messages that ended before `before`; how many, None when all is done."""
    done_at, done_id, ended_at, message_id = await _marks(tx, raw)
    if (done_at, done_id) == (ended_at, message_id):
        found = await tx.fetch(_SQL["next_messages"], ended_at, message_id, before, MESSAGES)
        if not found:
            return None
        await tx.execute(_SQL["begin"], raw.value, *found[-1])
        return 0
    due = await tx.fetch(_SQL["messages_between"], done_at, done_id, ended_at, message_id)
    removed = await tx.execute_rows(_REMOVE[raw], [tuple(row) for row in due]) if due else 0
    if removed < ROWS:
        await tx.execute(_SQL["done"], raw.value, ended_at, message_id)
    return removed


async def open_steps(tx: Transaction, before: int) -> Sequence[tuple[int, int]]:
    """(site, message) of steps of automations that have taken visitors since before `before`, but for those
    of which a batch from before was begun and is not finished.
    """
    return [(site_id, id) for site_id, id in await tx.fetch(_SQL["open_steps"], before)]


async def old_page(
    tx: Transaction, raw: Raw, site_id: int, message_id: int, after_id: int, before: int, limit: int = 5_000
) -> Page:
    """Of a message that goes on: looks at `limit` rows, by subscription."""
    rows = await tx.fetch(_PAGE[raw], site_id, message_id, after_id, limit)
    old = sorted({id for id, at, ended in rows if ended and at < before})
    return Page(old, rows[-1][0] if len(rows) == limit else None)


async def remove_old(
    tx: Transaction, raw: Raw, site_id: int, message_id: int, ids: Sequence[int], before: int
) -> int:
    """Rows of these subscriptions that were written before `before`; never of a delivery that goes on."""
    return await tx.execute(_REMOVE_OLD[raw], site_id, message_id, list(ids), before)


async def sites_with_custom_events(tx: Transaction, before: int) -> Sequence[int]:
    """Those that have any from before `before`."""
    return [row[0] for row in await tx.fetch(_SQL["sites_with_custom_events"], id_ceiling(before))]


async def remove_custom_events(tx: Transaction, site_id: int, before: int) -> int:
    """Up to ROWS of the site's own events from before `before`; how many."""
    return await tx.execute(_SQL["remove_custom_events"], site_id, id_ceiling(before), ROWS)


async def _marks(tx: Transaction, raw: Raw) -> tuple[int, int, int, int]:
    row = await tx.fetch_one(_SQL["marks"], raw.value)
    if row is None:  # nothing has been removed yet
        return 0, 0, 0, 0
    done_at, done_id, ended_at, message_id = row
    return done_at, done_id, ended_at, message_id
