"""Alerts: what the gateway has noticed by itself. Raised once, ended once, acknowledged by an admin."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.ids import MAX_ID
from storage.queries import load

_SQL = load("alerts")

EVERY_SITE = 0
EVERY_PROVIDER = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """`value` had left what lies from `low` to `high` (None: there is no such end)."""

    id: int
    site_id: int
    name: str
    provider: str
    severity: str  # "warning" or "critical"
    value: float
    low: float | None
    high: float | None
    summary: str  # one sentence
    look_at: tuple[str, ...]  # what to look at, first things first
    raised_at: int
    ended_at: int | None = None
    acknowledged_at: int | None = None


async def add(tx: Transaction, alert: Alert) -> bool:
    """Raise it. False when one of this name, site and provider is raised already."""
    return bool(
        await tx.execute(
            _SQL["add"],
            alert.id,
            alert.site_id,
            alert.name,
            alert.provider,
            alert.severity,
            alert.value,
            alert.low,
            alert.high,
            alert.summary,
            msgspec.json.encode(alert.look_at).decode(),
            alert.raised_at,
        )
    )


async def end(tx: Transaction, id: int, now: int) -> bool:
    """False when it had ended already."""
    return bool(await tx.execute(_SQL["end"], id, now))


async def acknowledge(tx: Transaction, id: int, now: int) -> bool:
    """Somebody has seen it; False when somebody had before."""
    return bool(await tx.execute(_SQL["acknowledge"], id, now))


async def get(tx: Transaction, id: int) -> Alert:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], id)
    if row is None:
        raise NotFound(f"alert {id}")
    return _alert(row)


async def raised(tx: Transaction, limit: int = 1_000) -> Sequence[Alert]:
    """Those that have not ended."""
    return [_alert(row) for row in await tx.fetch(_SQL["raised"], limit)]


async def page(
    tx: Transaction,
    before_id: int | None = None,
    limit: int = 100,
    site_id: int | None = None,
    *,
    raised: bool = True,
    ended: bool = True,
) -> Sequence[Alert]:
    """Newest first, from the one before `before_id`; of one site when `site_id` is given."""
    before = MAX_ID if before_id is None else before_id
    which = (before, limit, int(raised), int(ended))
    if site_id is None:
        return [_alert(row) for row in await tx.fetch(_SQL["page"], *which)]
    return [_alert(row) for row in await tx.fetch(_SQL["page_of_site"], *which, site_id)]


async def forget(tx: Transaction, before: int, limit: int = 1_000) -> int:
    """Removes those that ended before; how many."""
    return await tx.execute(_SQL["forget"], before, limit)


def _alert(row: Row) -> Alert:
    *before, look_at, raised_at, ended_at, acknowledged_at = row
    sentences = msgspec.json.decode(look_at, type=tuple[str, ...])
    return Alert(*before, sentences, raised_at, ended_at, acknowledged_at)  # type: ignore[call-arg]
