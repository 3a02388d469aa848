"""Pushes that were accepted of late, of sites with a frequency cap: who has had enough for now?"""

from collections.abc import Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("recent_pushes")


class RecentPush(NamedTuple):
    site_id: int
    subscription_id: int
    message_id: int
    at: int
    forget_at: int  # when it has left the window of the cap


async def add(tx: Transaction, pushes: Sequence[RecentPush]) -> None:
    """Each message counts once for each subscription, however often it is said."""
    await tx.execute_rows(_SQL["add"], pushes)


async def full(
    tx: Transaction, site_id: int, ids: Sequence[int], *, since: int, messages: int, none_since: int
) -> set[int]:
    """Those of `ids` with at least `messages` accepted after `since`, or one after `none_since`."""
    rows = await tx.fetch(_SQL["full"], site_id, list(ids), since, messages, none_since)
    return {row[0] for row in rows}


async def forget(tx: Transaction, now: int, limit: int = 1_000) -> int:
    """Removes those of any site that count no more; how many."""
    return await tx.execute(_SQL["forget"], now, limit)


async def erase(tx: Transaction, site_id: int, subscription_id: int) -> None:
    """All of one subscription."""
    await tx.execute(_SQL["erase"], site_id, subscription_id)
