"""What the watch (gateway.watch) reads of the roll-ups, and the recent past of what they do not hold."""

from collections.abc import Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("watched")


class Totals(NamedTuple):
    """One hour of a site on a provider."""

    provider: str
    hour: int
    accepted: int
    failed: int
    gone: int
    displayed: int
    clicked: int


class Failed(NamedTuple):
    site_id: int
    provider: str
    accepted: int
    failed: int
    gone: int


class Noted(NamedTuple):
    provider: str
    hour: int
    n: int
    total: int


async def sites_that_sent(tx: Transaction, start: int, end: int, least: int, limit: int) -> Sequence[int]:
    """Of which at least `least` pushes were accepted in the hours from `start` until before `end`."""
    return [row[0] for row in await tx.fetch(_SQL["sites_that_sent"], start, end, least, limit)]


async def that_failed(tx: Transaction, start: int, least: int, limit: int) -> Sequence[Failed]:
    """Where at least `least` pushes failed or found nobody since `start`, the most first."""
    return [Failed(*row) for row in await tx.fetch(_SQL["that_failed"], start, least, limit)]


async def together(tx: Transaction, start: int, end: int) -> Sequence[tuple[int, int, int]]:
    """(hour, accepted, displayed) of all sites."""
    return [(hour, sent, seen) for hour, sent, seen in await tx.fetch(_SQL["together"], start, end)]


async def of_site(
    tx: Transaction, site_id: int, start: int, end: int, first: int = 0, hours: int = 24
) -> Sequence[Totals]:
    """By hour and provider; only `hours` of the day (UTC), the first of which is `first`."""
    rows = await tx.fetch(_SQL["of_site"], site_id, start, end, first, hours)
    return [Totals(*row) for row in rows]


async def note(tx: Transaction, name: str, provider: str, hour: int, n: int, total: int) -> None:
    """`n` more in the hour, and what they add up to."""
    await tx.execute(_SQL["note"], name, provider, hour, n, total)


async def replace(tx: Transaction, name: str, provider: str, hour: int, n: int, total: int) -> None:
    """What the hour had."""
    await tx.execute(_SQL["replace"], name, provider, hour, n, total)


async def noted(tx: Transaction, name: str, since: int) -> Sequence[Noted]:
    """By provider and hour."""
    return [Noted(*row) for row in await tx.fetch(_SQL["noted"], name, since)]


async def forget(tx: Transaction, before: int) -> int:
    """Removes hours before; how many rows."""
    return await tx.execute(_SQL["forget"], before)


async def late_webhooks(tx: Transaction) -> Sequence[tuple[int, int]]:
    """(site, since when its oldest delivery waits)."""
    rows = await tx.fetch(_SQL["late_webhooks"])
    return [(site_id, since) for site_id, since in rows if since is not None]


async def dead_webhooks(tx: Transaction, since: int) -> Sequence[tuple[int, int, int]]:
    """(site, deliveries that were given up since then, webhooks that paused themselves)."""
    return [(site_id, dead, paused) for site_id, dead, paused in await tx.fetch(_SQL["dead_webhooks"], since)]
