"""Events by what is known of who reports them, and clicks by button: of each message, and of a site by day.

Rows are as many as there are browsers, countries and buttons, not as many as there are hours of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from storage.database import Row, Transaction
from storage.queries import load

_SQL = load("breakdowns")

DAY = 86_400_000
UNKNOWN = "unknown"  # the visitor's browser or country
EVENTS = ("displayed", "clicked", "closed")


class Dimension(StrEnum):
    BROWSER = "browser"
    COUNTRY = "country"
    ACTION = "action"  # the button of a click; of messages only


class Told(NamedTuple):
    """`n` events more, of a kind in EVENTS."""

    site_id: int
    message_id: int
    day: int  # when it began, milliseconds
    dimension: Dimension
    value: str
    kind: str
    n: int


Counts = Sequence[int]  # by EVENTS


async def add(tx: Transaction, told: Iterable[Told]) -> None:
    """In order, so that two transactions on PostgreSQL do not deadlock."""
    sums: defaultdict[tuple[int, int, int, str, str], list[int]] = defaultdict(lambda: [0] * len(EVENTS))
    for site_id, message_id, day, dimension, value, kind, n in told:
        sums[site_id, message_id, day, dimension.value, value][EVENTS.index(kind)] += n
    if sums:
        await tx.execute_rows(_SQL["add"], [(*place, *counts) for place, counts in sorted(sums.items())])


async def of_messages(
    tx: Transaction, site_id: int, ids: Sequence[int]
) -> Mapping[Dimension, Mapping[str, Counts]]:
    """Of these messages together."""
    return _by_dimension(await tx.fetch(_SQL["of_messages"], site_id, list(ids)))


async def of_site(
    tx: Transaction, site_id: int, start: int, end: int
) -> Mapping[Dimension, Mapping[str, Counts]]:
    """Of the days (UTC) that begin from `start` until before `end`."""
    return _by_dimension(await tx.fetch(_SQL["of_site"], site_id, start, end))


def _by_dimension(rows: Sequence[Row]) -> Mapping[Dimension, Mapping[str, Counts]]:
    found: dict[Dimension, dict[str, Counts]] = {dimension: {} for dimension in Dimension}
    for dimension, value, *counts in rows:
        found[Dimension(dimension)][value] = counts
    return found
