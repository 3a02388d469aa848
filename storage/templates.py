"""Templates: notifications that a site has saved under names."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("templates")


@dataclass(frozen=True, slots=True)
class Template:
    id: int
    site_id: int
    name: str  # no other template of the site has it
    content: str  # JSON: notification, options and variables as validated
    created_at: int
    changed_at: int


async def add(tx: Transaction, template: Template) -> None:
    """Raises Conflict when the name is taken, NotFound without its site."""
    await tx.execute(
        _SQL["add"],
        template.id,
        template.site_id,
        template.name,
        template.content,
        template.created_at,
        template.changed_at,
    )


async def get(tx: Transaction, site_id: int, id: int) -> Template:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"template {id}")
    return Template(*row)


async def page(tx: Transaction, site_id: int, after: int = 0, limit: int = 100) -> Sequence[Template]:
    """By id, from the one after `after`."""
    return [Template(*row) for row in await tx.fetch(_SQL["page"], site_id, after, limit)]


async def update(tx: Transaction, template: Template) -> None:
    """Overwrites name and content. Raises NotFound, and Conflict when the name is another's."""
    changed = await tx.execute(
        _SQL["update"],
        template.site_id,
        template.id,
        template.name,
        template.content,
        template.changed_at,
    )
    if not changed:
        raise NotFound(f"template {template.id}")


async def delete(tx: Transaction, site_id: int, id: int) -> None:
    """Raises NotFound."""
    if not await tx.execute(_SQL["delete"], site_id, id):
        raise NotFound(f"template {id}")


async def count(tx: Transaction, site_id: int) -> int:
    """How many the site has."""
    row = await tx.fetch_one(_SQL["count"], site_id)
    return 0 if row is None else int(row[0])
