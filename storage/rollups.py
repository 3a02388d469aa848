"""Counters per (message, variant, provider, hour, kind): the only counters there are.

A message's progress is a sum over its rows (`messages.progress_of`); nothing else is ever counted twice.
They move in the transaction of what they count, by the rows really changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("rollups")

HOUR = 3_600_000
RETRYING = "retrying"  # deliveries waiting for another attempt: goes up and down
SKIPPED = "skipped:"  # followed by the reason


class Rollup(NamedTuple):
    """`n` more of `kind`. `kind` is an Outcome's value (skipped: with its reason), RETRYING or an
    event's kind.
    """

    site_id: int
    message_id: int
    variant: int
    provider: str
    at: int  # counted in the hour that begins at or before it
    kind: str
    n: int


async def add_many(tx: Transaction, rollups: Iterable[Rollup]) -> None:
    """Adds to the counters. In the order of messages, so that two flushes on PostgreSQL do not deadlock."""
    sums: defaultdict[tuple[int, int, int, str, int, str], int] = defaultdict(int)
    for site_id, message_id, variant, provider, at, kind, n in rollups:
        sums[site_id, message_id, variant, provider, at - at % HOUR, kind] += n
    rows = [(*key, n) for key, n in sorted(sums.items()) if n]
    if rows:
        await tx.execute_rows(_SQL["add_many"], rows)


async def totals(tx: Transaction, message_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """By message, by kind, over all variants, providers and hours. Messages without rows are absent."""
    found: dict[int, dict[str, int]] = {}
    for message_id, kind, n in await tx.fetch(_SQL["totals"], list(message_ids)):
        found.setdefault(message_id, {})[kind] = n
    return found


async def by_variant(tx: Transaction, message_ids: Sequence[int]) -> dict[int, dict[int, dict[str, int]]]:
    """As `totals`, by message, by variant, by kind."""
    found: dict[int, dict[int, dict[str, int]]] = {}
    for message_id, variant, kind, n in await tx.fetch(_SQL["by_variant"], list(message_ids)):
        found.setdefault(message_id, {}).setdefault(variant, {})[kind] = n
    return found


async def of_message(tx: Transaction, site_id: int, message_id: int) -> Sequence[Rollup]:
    """Every row of one message in the order of time; `at` is the beginning of the hour."""
    return [Rollup(*row) for row in await tx.fetch(_SQL["of_message"], site_id, message_id)]
