from typing import Any

import pytest

from storage import categories
from storage.categories import Category
from storage.database import Database
from storage.errors import Conflict, NotFound
from tests.contract.rows import NOW, SITE, add_site


def category(id: int = 1, **changes: Any) -> Category:
    values = {"id": id, "site_id": SITE, "name": f"c{id}", "title": f"C {id}"}
    return Category(**{**values, "created_at": NOW, "changed_at": NOW, **changes})


async def test_categories_come_back_as_they_were_stored(database: Database) -> None:
    await add_site(database)
    await add_site(database, 12)
    made = [category(1), category(2)]
    for each in [*made, category(3, site_id=12)]:
        await database.write(lambda tx, each=each: categories.add(tx, each))  # type: ignore[misc]
    assert list(await database.read(lambda tx: categories.of_site(tx, SITE))) == made
    assert await database.read(lambda tx: categories.get(tx, SITE, 2)) == made[1]


async def test_a_name_is_taken_once_in_a_site_and_a_title_changes(database: Database) -> None:
    await add_site(database)
    await add_site(database, 12)
    await database.write(lambda tx: categories.add(tx, category(1, name="offers")))
    with pytest.raises(Conflict):
        await database.write(lambda tx: categories.add(tx, category(2, name="offers")))
    await database.write(lambda tx: categories.add(tx, category(3, name="offers", site_id=12)))
    changed = category(1, name="offers", title="Other", changed_at=NOW + 1)
    await database.write(lambda tx: categories.update(tx, changed))
    assert await database.read(lambda tx: categories.get(tx, SITE, 1)) == changed


async def test_what_is_not_there_is_not_found(database: Database) -> None:
    await add_site(database)
    await database.write(lambda tx: categories.add(tx, category(1)))
    await database.write(lambda tx: categories.delete(tx, SITE, 1))
    for missing in (categories.get, categories.delete):
        with pytest.raises(NotFound):
            await database.write(lambda tx, missing=missing: missing(tx, SITE, 1))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await database.write(lambda tx: categories.update(tx, category(1)))
    with pytest.raises(NotFound):
        await database.write(lambda tx: categories.add(tx, category(4, site_id=99)))
