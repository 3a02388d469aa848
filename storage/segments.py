"""Segments of a site: named expressions of whom to address."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from storage.database import Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("segments")


@dataclass(frozen=True, slots=True)
class Segment:
    id: int
    site_id: int
    name: str  # unique within its site
    expression: str  # JSON
    created_at: int
    changed_at: int


async def add(tx: Transaction, segment: Segment) -> None:
    """Raises Conflict when the name is taken, NotFound without its site."""
    await tx.execute(_SQL["add"], *astuple(segment))


async def get(tx: Transaction, site_id: int, id: int) -> Segment:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"segment {id}")
    return Segment(*row)


async def page(tx: Transaction, site_id: int, after_id: int = 0, limit: int = 100) -> Sequence[Segment]:
    """By id, from the one after `after_id`."""
    return [Segment(*row) for row in await tx.fetch(_SQL["page"], site_id, after_id, limit)]


async def count(tx: Transaction, site_id: int) -> int:
    row = await tx.fetch_one(_SQL["count"], site_id)
    assert row is not None
    return int(row[0])


async def change(tx: Transaction, segment: Segment) -> None:
    """Overwrites name, expression and `changed_at`. Raises NotFound, Conflict when the name is taken."""
    changed = await tx.execute(
        _SQL["change"], segment.site_id, segment.id, segment.name, segment.expression, segment.changed_at
    )
    if not changed:
        raise NotFound(f"segment {segment.id}")


async def delete(tx: Transaction, site_id: int, id: int) -> None:
    """Raises NotFound."""
    if not await tx.execute(_SQL["delete"], site_id, id):
        raise NotFound(f"segment {id}")
