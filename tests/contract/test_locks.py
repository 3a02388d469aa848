import asyncio
from dataclasses import replace

from storage import locks, sites
from storage.database import Database, Transaction
from storage.sites import Identity, Site

SITE = Site(1, "", ("https://example.com",), "mailto:ops@example.com", Identity.SIGNED, False, 0)


async def test_changes_that_depend_on_what_they_read_do_not_lose_each_other(database: Database) -> None:
    async def add(tx: Transaction) -> None:
        await sites.add(tx, SITE)

    async def lengthen(tx: Transaction) -> None:
        await locks.hold(tx, SITE.id)
        site = await sites.get(tx, SITE.id)
        await sites.update(tx, replace(site, name=site.name + "x"))

    async def read(tx: Transaction) -> str:
        return (await sites.get(tx, SITE.id)).name

    await database.write(add)
    await asyncio.gather(*(database.write(lengthen) for _ in range(50)))
    assert await database.read(read) == "x" * 50
