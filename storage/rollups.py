"""Counters per (message, variant, provider, hour, kind), and of a whole site per (provider, hour).

A message's progress is a sum over its rows (`messages.progress_of`). Both move in the transaction of what
they count, by the rows really changed, and nowhere else than here: the totals of a site are the sum of the
counters of its messages, but for tests and withdrawals.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.database import Row, Transaction
from storage.queries import load

_SQL = load("rollups")

HOUR = 3_600_000
RETRYING = "retrying"  # deliveries waiting for another attempt: goes up and down
SKIPPED = "skipped:"  # followed by the reason

# What a site's totals tell apart, and the kinds that are not of the same name.
TOTALS = (
    "accepted", "gone", "failed", "expired", "skipped", "displayed", "clicked", "closed", "unsubscribed",
)  # fmt: skip
FAILED = ("unauthorized", "too_large", "rejected", "render_failed")
_COLUMN = {name: place for place, name in enumerate(TOTALS)} | dict.fromkeys(FAILED, TOTALS.index("failed"))
_SKIPPED = TOTALS.index("skipped")


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
    if not rows:
        return
    await tx.execute_rows(_SQL["add_many"], rows)
    totals: defaultdict[tuple[int, int, str, int], list[int]] = defaultdict(lambda: [0] * len(TOTALS))
    for site_id, message_id, _, provider, hour, kind, n in rows:
        column = column_of(kind)
        if column is not None:
            totals[site_id, message_id, provider, hour][column] += n
    if totals:
        await tx.execute_rows(_SQL["add_totals"], [(*place, *counts) for place, counts in totals.items()])


def column_of(kind: str) -> int | None:
    """The place in TOTALS where a kind is counted; None for what is not over yet (RETRYING)."""
    return _COLUMN.get(kind, _SKIPPED if kind.startswith(SKIPPED) else None)


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


async def by_part(
    tx: Transaction, site_id: int, start: int, end: int, offset: int, length: int
) -> Sequence[Row]:
    """(part, provider, a count for each of TOTALS) of a site's hours from `start` until before `end`.

    A part is HOUR or a day long and numbered from the epoch on clocks that are `offset` ahead of UTC. An hour
    belongs to the part in which it begins. All times in milliseconds.
    """
    return await tx.fetch(_SQL["by_part"], site_id, start, end, offset, length)


async def by_kind(
    tx: Transaction, site_id: int, message_ids: Sequence[int]
) -> Sequence[tuple[int, str, str, int]]:
    """(variant, provider, kind, n) of these messages together."""
    rows = await tx.fetch(_SQL["by_kind"], site_id, list(message_ids))
    return [(variant, provider, kind, n) for variant, provider, kind, n in rows]


async def hours(tx: Transaction, site_id: int, message_ids: Sequence[int]) -> tuple[int, int] | None:
    """The first and the last hour in which anything happened to these messages; None: nothing has yet."""
    row = await tx.fetch_one(_SQL["hours"], site_id, list(message_ids))
    return None if row is None or row[0] is None else (row[0], row[1])


async def kinds_by_part(
    tx: Transaction, site_id: int, message_ids: Sequence[int], start: int, end: int, offset: int, length: int
) -> Sequence[tuple[int, str, int]]:
    """(part, kind, n) of these messages together; parts as in `by_part`."""
    rows = await tx.fetch(
        _SQL["kinds_by_part"], site_id, list(message_ids), start, end, offset, length
    )  # fmt: skip
    return [(part, kind, n) for part, kind, n in rows]


async def count_started(tx: Transaction, site_id: int, start: int, end: int) -> int:
    """Messages that started from `start` until before `end`, but for tests and withdrawals."""
    row = await tx.fetch_one(_SQL["count_started"], site_id, start, end)
    return 0 if row is None else int(row[0])
