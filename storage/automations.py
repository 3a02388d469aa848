"""Automations: what is sent some time after something happened, and where each visitor stands in it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.ids import MAX_ID
from storage.queries import load

_SQL = load("automations")

MOST_ROUNDS = 1_000  # of a visitor: each may need messages of its own
DELETED_KEPT = 60_000  # milliseconds until the places of a deleted automation are purged


class AutomationState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"  # found by nobody; purged in small steps


@dataclass(frozen=True, slots=True)
class Automation:
    id: int
    site_id: int
    name: str
    state: AutomationState
    version: int  # goes up with each change
    definition: str  # JSON (gateway.campaigns.automations)
    created_at: int
    changed_at: int


class Entry(NamedTuple):
    """How visitors come into an automation. Who waits for its first step begins anew.

    `again`: also who has been in it before and has left; `anew`: who has been sent a step leaves first.
    """

    automation_id: int
    due_at: int  # of the first step
    again: bool
    anew: bool = False


class DuePlace(NamedTuple):
    """`round`: how often the visitor has been in the automation before and was sent a step of it."""

    subscription_id: int
    round: int
    step: int
    due_at: int


class Move(NamedTuple):
    """From one step to another, if they are still where they were; `due_to` None: out."""

    place: DuePlace
    step_to: int
    due_to: int | None


async def add(tx: Transaction, automation: Automation) -> None:
    await tx.execute(
        _SQL["add"],
        automation.id,
        automation.site_id,
        automation.name,
        automation.state.value,
        automation.version,
        automation.definition,
        automation.created_at,
        automation.changed_at,
    )


async def get(tx: Transaction, site_id: int, id: int) -> Automation:
    """Raises NotFound, also when it was deleted."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"automation {id}")
    return _automation(row)


async def page(
    tx: Transaction, site_id: int, before_id: int | None = None, limit: int = 100
) -> Sequence[Automation]:
    """Newest first, from the one before `before_id`."""
    before = MAX_ID if before_id is None else before_id
    return [_automation(row) for row in await tx.fetch(_SQL["page"], site_id, before, limit)]


async def update(tx: Transaction, automation: Automation, now: int) -> bool:
    """Name, state and definition; False when `automation.version` is not the stored one (any more)."""
    return bool(
        await tx.execute(
            _SQL["update"],
            automation.id,
            automation.version,
            automation.name,
            automation.state.value,
            automation.definition,
            now,
        )
    )


async def due(tx: Transaction, now: int, after_id: int, limit: int) -> Sequence[Automation]:
    """Active ones by id, from the one after `after_id`, in which somebody's next step is due."""
    return [_automation(row) for row in await tx.fetch(_SQL["due"], after_id, now, limit)]


async def active_version(tx: Transaction, id: int) -> int | None:
    """None when it is not active (any more)."""
    row = await tx.fetch_one(_SQL["version"], id)
    return None if row is None else int(row[0])


async def enter(
    tx: Transaction, site_id: int, subscription_ids: Collection[int], entries: Sequence[Entry]
) -> None:
    """In the transaction of what brings them in. Nothing happens where an automation is not active.

    Who has got steps in MOST_ROUNDS rounds does not come in again.
    """
    ids = sorted(subscription_ids)  # so that two on PostgreSQL do not deadlock
    for id, due_at, again, anew in entries:
        if anew:
            await tx.execute(_SQL["leave_begun"], site_id, ids, id)
        await tx.execute(_SQL["enter"], site_id, ids, id, due_at, int(again), MOST_ROUNDS - 1)


async def leave(
    tx: Transaction, site_id: int, subscription_ids: Collection[int], automation_ids: Collection[int]
) -> int:
    """They get no further step; how many places were given up."""
    return await tx.execute(_SQL["leave"], site_id, sorted(subscription_ids), sorted(automation_ids))


async def leave_all(tx: Transaction, site_id: int, subscription_id: int) -> None:
    """The visitor gets no further step of any automation."""
    await tx.execute(_SQL["leave_all"], site_id, subscription_id)


async def forget(tx: Transaction, subscriptions: Sequence[tuple[int, int]]) -> None:
    """As if they, by (site, subscription), had never been in any."""
    await tx.execute_many(_SQL["forget"], sorted(subscriptions))


async def due_places(tx: Transaction, id: int, now: int, limit: int) -> Sequence[DuePlace]:
    """Those who are due, the earliest first."""
    return [DuePlace(*row) for row in await tx.fetch(_SQL["due_places"], id, now, limit)]


async def move(tx: Transaction, site_id: int, id: int, moves: Sequence[Move]) -> int:
    """How many were still where they were, and have moved. Unless that is all, roll back."""
    rows = [
        (site_id, id, place.subscription_id, place.step, place.due_at, step_to, due_to, place.round)
        for place, step_to, due_to in sorted(moves)
    ]
    return await tx.execute_rows(_SQL["move"], rows) if rows else 0


async def waiting(tx: Transaction, id: int, limit: int) -> int:
    """How many wait for a step; counts no further than `limit`."""
    row = await tx.fetch_one(_SQL["waiting"], id, limit)
    return 0 if row is None else int(row[0])


async def purge_step(tx: Transaction, now: int, limit: int = 1_000) -> int:
    """Removes up to `limit` rows of deleted automations; how many, 0 when nothing is left."""
    for (id,) in await tx.fetch(_SQL["deleted"], now - DELETED_KEPT):
        removed = await tx.execute(_SQL["purge_places"], id, limit)
        return removed or await tx.execute(_SQL["purge"], id)
    return 0


def _automation(row: Row) -> Automation:
    id, site_id, name, state, version, definition, created_at, changed_at = row
    return Automation(id, site_id, name, AutomationState(state), version, definition, created_at, changed_at)
