"""At which hours of their day the visitors of a site look and click, all together: 24 counters that fade."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from storage.activity import HOURS, period_of
from storage.database import Transaction
from storage.queries import load

_SQL = load("site_hours")


async def add_many(tx: Transaction, seen: Mapping[tuple[int, int, int], int]) -> None:
    """Adds the weights in `seen`, by (site, hour of the visitor's day, half-life: activity.period_of)."""
    if seen:
        await tx.execute_rows(_SQL["add_many"], _newest(seen))


async def of_sites(tx: Transaction, site_ids: Collection[int], now: int) -> Mapping[int, Sequence[int]]:
    """By site, 24 counters as they count at `now`. A site that nobody has looked at yet is absent."""
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0] * HOURS)
    if site_ids:
        for site_id, hour, period, n in await tx.fetch(_SQL["of_sites"], sorted(site_ids)):
            found[site_id][hour] = n >> max(0, period_of(now) - period)
    return found


def _newest(seen: Mapping[tuple[int, int, int], int]) -> list[tuple[int, int, int, int]]:
    """A row for each site and hour: one statement must not move a row twice. Sorted, against deadlocks."""
    rows: dict[tuple[int, int], tuple[int, int]] = {}
    for (site_id, hour, period), n in sorted(seen.items()):
        known = rows.get((site_id, hour), (period, 0))
        rows[site_id, hour] = (period, known[1] + n)
    return [(site_id, hour, period, n) for (site_id, hour), (period, n) in sorted(rows.items())]
