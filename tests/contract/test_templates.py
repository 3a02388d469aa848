from collections.abc import Callable
from typing import Any

import pytest

from storage import templates
from storage.database import Database
from storage.errors import Conflict, NotFound
from storage.templates import Template
from tests.contract.rows import NOW, SITE, add_site


def template(id: int = 1, **changes: Any) -> Template:
    values = {"id": id, "site_id": SITE, "name": f"T{id}", "content": "{}"}
    return Template(**{**values, "created_at": NOW, "changed_at": NOW, **changes})


@pytest.fixture
async def add(database: Database) -> Callable[..., Any]:
    await add_site(database)

    async def add(id: int = 1, **changes: Any) -> Template:
        made = template(id, **changes)
        await database.write(lambda tx: templates.add(tx, made))
        return made

    return add


async def test_a_template_comes_back_as_it_was_stored(database: Database, add: Callable[..., Any]) -> None:
    made = await add(content='{"notification":{"title":"é"}}')
    assert await database.read(lambda tx: templates.get(tx, SITE, 1)) == made
    assert await database.read(lambda tx: templates.count(tx, SITE)) == 1


async def test_a_name_is_taken_once_in_a_site(database: Database, add: Callable[..., Any]) -> None:
    await add(1, name="Sale")
    with pytest.raises(Conflict):
        await add(2, name="Sale")
    other = await add(2, name="Other")
    with pytest.raises(Conflict):
        await database.write(lambda tx: templates.update(tx, template(2, name="Sale")))
    assert await database.read(lambda tx: templates.get(tx, SITE, 2)) == other
    await add_site(database, 12)
    await add(3, site_id=12, name="Sale")


async def test_templates_are_paged_by_id(database: Database, add: Callable[..., Any]) -> None:
    made = [await add(id) for id in (1, 2, 3)]
    assert list(await database.read(lambda tx: templates.page(tx, SITE, 0, 2))) == made[:2]
    assert list(await database.read(lambda tx: templates.page(tx, SITE, 2, 2))) == made[2:]


async def test_what_is_not_there_is_not_found(database: Database, add: Callable[..., Any]) -> None:
    await add(1)
    await database.write(lambda tx: templates.delete(tx, SITE, 1))
    for missing in (templates.get, templates.delete):
        with pytest.raises(NotFound):
            await database.write(lambda tx, missing=missing: missing(tx, SITE, 1))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await database.write(lambda tx: templates.update(tx, template()))
    with pytest.raises(NotFound):
        await add(5, site_id=99)
