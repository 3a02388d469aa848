"""Categories of a site's messages: visitors leave one, and get the others.

Subscriptions and messages keep the name of a category. It never changes, and whoever left stays out, also of
one that is deleted and made again.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated

from msgspec import Meta

from gateway import audit
from gateway.campaigns.categories import CategoryName
from gateway.context import Context
from gateway.errors import Conflict, FieldError
from storage import audit as stored_audit
from storage import categories, locks, sites
from storage.categories import Category
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id

MOST = 50  # of a site

CategoryNames = Annotated[
    list[CategoryName], Meta(max_length=MOST, description="Categories, by their names.")
]


async def create_category(context: Context, actor: str, site_id: int, name: str, title: str) -> Category:
    """Conflict: the name is taken, or the site has MOST; storage.errors.NotFound."""
    now = context.clock.now()
    made = Category(context.ids.next(), site_id, name, title, now, now)
    note = audit.entry(context, actor, "category.created", _id(made.id), site_id, {"name": name})

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, site_id)
        await sites.get(tx, site_id)
        if len(await categories.of_site(tx, site_id)) >= MOST:
            raise Conflict(f"The site has {MOST} categories: delete one first.")
        await categories.add(tx, made)
        await stored_audit.add(tx, note)

    try:
        await context.database.write(body)
    except AlreadyStored:
        raise Conflict(f"The site has another category named {name!r}.") from None
    return made


async def get_category(context: Context, site_id: int, id: int) -> Category:
    async def body(tx: Transaction) -> Category:
        await sites.get(tx, site_id)
        return await categories.get(tx, site_id, id)

    return await context.database.read(body)


async def list_categories(context: Context, site_id: int) -> Sequence[Category]:
    """All of them, oldest first. storage.errors.NotFound: no such site."""

    async def body(tx: Transaction) -> Sequence[Category]:
        await sites.get(tx, site_id)
        return await categories.of_site(tx, site_id)

    return await context.database.read(body)


async def change_category(context: Context, actor: str, site_id: int, id: int, title: str | None) -> Category:
    """Give it another title."""
    note = audit.entry(context, actor, "category.changed", _id(id), site_id)

    async def body(tx: Transaction) -> Category:
        await sites.get(tx, site_id)
        before = await categories.get(tx, site_id, id)
        after = replace(before, title=before.title if title is None else title, changed_at=note.at)
        await categories.update(tx, after)
        await stored_audit.add(tx, note)
        return after

    return await context.database.write(body)


async def delete_category(context: Context, actor: str, site_id: int, id: int) -> None:
    """Messages that are of it stay so, and visitors who left it get none of them."""

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        found = await categories.get(tx, site_id, id)
        await categories.delete(tx, site_id, id)
        await stored_audit.add(
            tx, audit.entry(context, actor, "category.deleted", _id(id), site_id, {"name": found.name})
        )

    await context.database.write(body)


async def unknown_categories(
    tx: Transaction, site_id: int, names: Collection[str], path: str
) -> list[FieldError]:
    """Those of `names` that the site has not."""
    known = await known_categories(tx, site_id, names)
    return [
        FieldError(path, f"The site has no category {name!r}.")
        for name in dict.fromkeys(names)
        if name not in known
    ]


async def known_categories(tx: Transaction, site_id: int, names: Collection[str]) -> list[str]:
    """Those of `names` that the site has."""
    if not names:
        return []
    known = {each.name for each in await categories.of_site(tx, site_id)}
    return [name for name in names if name in known]


def _id(category_id: int) -> str:
    return encode_id(Kind.CATEGORY, category_id)
