"""Quotas of sites that have any, and what of them is used today. A day is one of UTC."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.queries import load

_SQL = load("quotas")

DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Quota:
    site_id: int
    subscribers: int | None  # active ones at a time; None: as many as come
    messages_per_day: int | None  # pushes: one message to one subscription is one
    used: int  # pushes of today


async def set(
    tx: Transaction, site_id: int, subscribers: int | None, messages_per_day: int | None, now: int
) -> None:
    """What was used today stays."""
    await tx.execute(_SQL["set"], site_id, subscribers, messages_per_day, now // DAY)


async def get(tx: Transaction, site_id: int, now: int) -> Quota | None:
    """None: the site never had one."""
    row = await tx.fetch_one(_SQL["get"], site_id, now // DAY)
    return None if row is None else Quota(*row)


async def count(tx: Transaction, site_id: int, pushes: int, now: int) -> None:
    """So many more today; nothing where there is no quota."""
    await tx.execute(_SQL["count"], site_id, now // DAY, pushes)


async def page(tx: Transaction, after_id: int, limit: int, now: int) -> Sequence[Quota]:
    """By site."""
    return [Quota(*row) for row in await tx.fetch(_SQL["page"], after_id, now // DAY, limit)]
