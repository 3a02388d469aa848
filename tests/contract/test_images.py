from collections.abc import Callable
from typing import Any

import pytest

from storage import images, sites
from storage.database import Database
from storage.errors import Conflict, NotFound
from storage.images import Image
from tests.contract.rows import NOW, SITE, add_site

WEBP, PNG = b"w" * 32, b"p" * 32


def image(id: int = 1, **changes: Any) -> Image:
    values = {"id": id, "site_id": SITE, "purpose": "icon", "width": 192, "height": 192, "created_at": NOW}
    sizes = {"webp_hash": WEBP, "webp_size": 2, "png_hash": PNG, "png_size": 3, "original_size": 9}
    return Image(**{**values, **sizes, **changes})


@pytest.fixture
async def add(database: Database) -> Callable[..., Any]:
    await add_site(database)

    async def add(id: int = 1, **changes: Any) -> Image:
        made = image(id, **changes)
        webp = None if made.webp_hash is None else b"RI"
        await database.write(lambda tx: images.add(tx, made, webp, b"PNG"))
        return made

    return add


async def test_an_image_comes_back_as_it_was_stored(database: Database, add: Callable[..., Any]) -> None:
    made = await add()
    badge = await add(2, purpose="badge", webp_hash=None, webp_size=0)
    assert await database.read(lambda tx: images.get(tx, SITE, 1)) == made
    assert await database.read(lambda tx: images.get(tx, SITE, 2)) == badge
    assert await database.read(lambda tx: images.find(tx, SITE, "icon", PNG)) == made
    assert await database.read(lambda tx: images.find(tx, SITE, "image", PNG)) is None
    assert await database.read(lambda tx: images.count(tx, SITE)) == 2
    assert await database.read(lambda tx: images.content(tx, WEBP, webp=True)) == b"RI"
    assert await database.read(lambda tx: images.content(tx, PNG, webp=False)) == b"PNG"
    assert await database.read(lambda tx: images.content(tx, PNG, webp=True)) is None


async def test_a_site_has_a_picture_once_for_each_purpose(
    database: Database, add: Callable[..., Any]
) -> None:
    await add(1)
    with pytest.raises(Conflict):
        await add(2)
    await add(2, purpose="image")
    await add_site(database, 12)
    await add(3, site_id=12)
    with pytest.raises(NotFound):
        await add(4, site_id=99)


async def test_images_are_paged_newest_first(database: Database, add: Callable[..., Any]) -> None:
    made = [await add(id, png_hash=bytes([id]) * 32) for id in (1, 2, 3)]
    assert list(await database.read(lambda tx: images.page(tx, SITE, None, 2))) == [made[2], made[1]]
    assert list(await database.read(lambda tx: images.page(tx, SITE, 2, 2))) == made[:1]
    assert list(await database.read(lambda tx: images.page(tx, 12, None, 2))) == []


async def test_a_file_is_there_until_its_last_site_deletes_it(
    database: Database, add: Callable[..., Any]
) -> None:
    await add_site(database, 12)
    await add(1)
    await add(2, site_id=12)
    both = {WEBP, PNG}
    await database.write(lambda tx: images.delete(tx, SITE, 1))
    assert await database.read(lambda tx: images.known(tx, [*both, b"x" * 32])) == both
    with pytest.raises(NotFound):
        await database.write(lambda tx: images.delete(tx, SITE, 1))
    await database.write(lambda tx: sites.delete(tx, 12, NOW))
    while await database.write(lambda tx: sites.purge_step(tx, 10)):
        pass
    assert await database.read(lambda tx: images.known(tx, both)) == frozenset()
    with pytest.raises(NotFound):
        await database.read(lambda tx: images.get(tx, 12, 2))
