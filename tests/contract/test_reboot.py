"""SQLite only: what a reboot and a slow group do."""

import asyncio
import time

import pytest

from storage import batches, leases, meta, webhook_deliveries
from storage.database import Database, Transaction
from storage.opening import open_database
from storage.queries import parse
from tests.contract.rows import NOW, add_sending, add_site, batch
from tests.contract.test_webhooks import delivery

SQL = parse("test", "-- name: reboot\nupdate meta set value = 'an earlier boot' where key = 'boot'\n")

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


async def _lease_everything(database: Database) -> None:
    await add_site(database)
    await add_sending(database)
    await database.write(lambda tx: batches.add_many(tx, [batch()]))
    assert await database.write(lambda tx: batches.claim(tx, "before", NOW, 10**9))
    assert await database.write(lambda tx: leases.acquire(tx, "scheduler", "before", 10**9))
    await database.write(lambda tx: webhook_deliveries.add(tx, delivery(1), "{}"))
    assert await database.write(lambda tx: webhook_deliveries.claim(tx, 1, "before", NOW, 10**9, 1))


async def test_leases_of_an_earlier_boot_are_swept(database: Database, database_url: str) -> None:
    await _lease_everything(database)
    await database.write(lambda tx: tx.execute(SQL["reboot"]))
    after = await open_database(database_url, migrate=False, write_pause=0)
    assert len(await after.write(lambda tx: batches.claim(tx, "after", NOW, 1_000))) == 1
    assert await after.write(lambda tx: leases.acquire(tx, "scheduler", "after", 1_000))
    assert await after.write(lambda tx: webhook_deliveries.claim(tx, 1, "after", NOW, 1_000, 1))
    await after.close()


async def test_leases_of_this_boot_outlive_a_restart(database: Database, database_url: str) -> None:
    await _lease_everything(database)
    after = await open_database(database_url, migrate=False, write_pause=0)
    assert await after.write(lambda tx: batches.claim(tx, "after", NOW, 1_000)) == []
    assert not await after.write(lambda tx: leases.acquire(tx, "scheduler", "after", 1_000))
    assert not await after.write(lambda tx: webhook_deliveries.claim(tx, 1, "after", NOW, 1_000, 1))
    await after.close()


async def test_a_group_that_takes_long_is_committed_in_parts(database: Database) -> None:
    async def slow(tx: Transaction, number: int) -> int:
        time.sleep(0.03)  # noqa: ASYNC251 - the database's own thread, which is what it is about
        await meta.set_if_absent(tx, f"slow {number}", "x")
        return number

    writes = [database.write(lambda tx, n=n: slow(tx, n)) for n in range(5)]  # type: ignore[misc]
    assert await asyncio.gather(*writes) == list(range(5))
    assert await database.read(lambda tx: meta.get(tx, "slow 4")) == "x"
