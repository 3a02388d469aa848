"""What is known of visitors' hours, moved by what browsers report: noted at once, learnt by the thousand.

To note a look dirties the last page of a small table. Rows of subscriptions are moved later, many in one
transaction and in the order in which they lie: a page for some, not a page for each. Exactly once, because
what a row learns is taken from the table in the same transaction.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from storage import site_hours
from storage.activity import WEIGHT_OF_CLICK, WEIGHT_OF_DISPLAY, Habit, period_of
from storage.database import Transaction
from storage.queries import load

_SQL = load("habits")


class Look(NamedTuple):
    """A display, or a click (1), at `at`, in `hour` of the visitor's day."""

    site_id: int
    subscription_id: int
    at: int
    clicked: int
    hour: int


class Waiting(NamedTuple):
    """One look that is noted, by its own `id`. In their order neighbours in the table are neighbours."""

    site_id: int
    subscription_id: int
    id: int


async def note(tx: Transaction, looks: Sequence[Look]) -> None:
    """Keeps them until they are learnt."""
    if looks:
        rows = [(look.site_id, look.subscription_id, look.at, look.hour, look.clicked) for look in looks]
        await tx.execute_rows(_SQL["note"], rows)


async def waiting(tx: Transaction, limit: int) -> Sequence[Waiting]:
    """Those that have waited longest, in the order of subscriptions."""
    return sorted(Waiting(*row) for row in await tx.fetch(_SQL["waiting"], limit))


async def span(tx: Transaction) -> tuple[int, int] | None:
    """The first and the last id of those that wait; two look-ups, however many they are."""
    row = await tx.fetch_one(_SQL["span"])
    return None if row is None or row[0] is None else (row[0], row[1])


async def learn(tx: Transaction, found: Sequence[Waiting]) -> int:
    """Moves what is known of these visitors, and of their sites; how many looks nobody else had taken."""
    taken = sorted(Look(*row) for row in await tx.fetch(_SQL["take"], [each.id for each in found]))
    visitors = sorted({(look.site_id, look.subscription_id) for look in taken})
    if not visitors:
        return 0
    habits = {
        (site_id, id): Habit(*known) for site_id, id, *known in await tx.fetch_rows(_SQL["habits"], visitors)
    }
    seen: Counter[tuple[int, int, int]] = Counter()
    for look in taken:
        visitor, clicked = (look.site_id, look.subscription_id), bool(look.clicked)
        if visitor in habits:  # else gone for good since
            habits[visitor] = habits[visitor].seen(look.at, look.hour, clicked=clicked)
            weight = WEIGHT_OF_CLICK if clicked else WEIGHT_OF_DISPLAY
            seen[look.site_id, look.hour, period_of(look.at)] += weight
    if habits:
        await tx.execute_rows(_SQL["learn"], [(*id, *habit.values()) for id, habit in sorted(habits.items())])
        await site_hours.add_many(tx, seen)
    return len(taken)
