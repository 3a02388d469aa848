"""How a site's subscribers become more and fewer, by the hour and the reason.

Written in the transaction of each change of a subscription's state (storage.subscriptions), so that what came
less what was lost is how many are active, at any moment. It ends with the site, not with the subscriptions.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load
from storage.rollups import HOUR
from storage.subscription import SubscriptionState

_SQL = load("growth")


class Move(StrEnum):
    SUBSCRIBED = "subscribed"
    RESUBSCRIBED = "resubscribed"  # active again
    GONE = "gone"  # 404 or 410
    NEVER_WORKED = "never_worked"  # the same, and no push to it was ever accepted
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"
    ERASED = "erased"


MOVES = tuple(Move)
LOSSES = MOVES[2:]


class Moved(NamedTuple):
    """`n` more at `at`; fewer when it was taken back."""

    site_id: int
    at: int
    move: Move
    n: int = 1


def loss(state: SubscriptionState, never_accepted: bool) -> Move:
    """Why one that has come into this state was lost."""
    if state is SubscriptionState.GONE and never_accepted:
        return Move.NEVER_WORKED
    return Move(state.value)


async def add(tx: Transaction, moved: Iterable[Moved]) -> None:
    """In order, so that two transactions on PostgreSQL do not deadlock."""
    sums: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(MOVES))
    for site_id, at, move, n in moved:
        sums[site_id, at - at % HOUR][MOVES.index(move)] += n
    rows = [(*place, *counts) for place, counts in sorted(sums.items()) if any(counts)]
    if rows:
        await tx.execute_rows(_SQL["add"], rows)


async def active(tx: Transaction, site_id: int) -> int:
    """Subscriptions that are active: a few rows a day, however many there are."""
    row = await tx.fetch_one(_SQL["active"], site_id)
    return 0 if row is None else int(row[0])


async def by_part(
    tx: Transaction, site_id: int, start: int, end: int, offset: int, length: int
) -> Sequence[tuple[int, ...]]:
    """(part, a count for each of MOVES): as rollups.by_part."""
    return [tuple(row) for row in await tx.fetch(_SQL["by_part"], site_id, start, end, offset, length)]
