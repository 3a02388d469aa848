"""Categories: kinds of messages that visitors may leave, by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("categories")


@dataclass(frozen=True, slots=True)
class Category:
    id: int
    site_id: int
    name: str  # no other category of the site has it; it never changes
    title: str  # for visitors
    created_at: int
    changed_at: int


async def add(tx: Transaction, category: Category) -> None:
    """Raises Conflict when the name is taken, NotFound without its site."""
    await tx.execute(
        _SQL["add"],
        category.id,
        category.site_id,
        category.name,
        category.title,
        category.created_at,
        category.changed_at,
    )


async def get(tx: Transaction, site_id: int, id: int) -> Category:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"category {id}")
    return Category(*row)


async def of_site(tx: Transaction, site_id: int) -> Sequence[Category]:
    """All of them, oldest first: there are few."""
    return [Category(*row) for row in await tx.fetch(_SQL["of_site"], site_id)]


async def update(tx: Transaction, category: Category) -> None:
    """Overwrites the title. Raises NotFound."""
    if not await tx.execute(
        _SQL["update"], category.site_id, category.id, category.title, category.changed_at
    ):
        raise NotFound(f"category {category.id}")


async def delete(tx: Transaction, site_id: int, id: int) -> None:
    """Who had left it stays so: the name may come back. Raises NotFound."""
    if not await tx.execute(_SQL["delete"], site_id, id):
        raise NotFound(f"category {id}")
