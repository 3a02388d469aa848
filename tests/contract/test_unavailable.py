"""A database that is gone, full or read-only: our own error with a hint, nothing half-written, and back
again.
"""

import asyncio
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from storage import meta, sqlite
from storage.database import Database, Transaction
from storage.errors import StorageUnavailable
from storage.opening import open_database
from storage.queries import parse

sqlite_only = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("dialect", ["postgres"], indirect=True)


async def _pragma(database: Database, pragma: str) -> None:
    async def body(tx: Transaction) -> None:
        tx._connection.execute(pragma)  # type: ignore[attr-defined]

    await database.write(body)


async def _fill(tx: Transaction) -> None:
    for n in range(100):
        await meta.set_if_absent(tx, f"key {n}", "x" * 4_000)


@sqlite_only
async def test_a_full_disk_stores_nothing_and_says_so(database: Database) -> None:
    await _pragma(database, "pragma max_page_count = 60")
    neighbour = database.write(lambda tx: meta.set_if_absent(tx, "small", "x"))
    outcomes = await asyncio.gather(database.write(_fill), neighbour, return_exceptions=True)
    full = outcomes[0]
    assert isinstance(full, StorageUnavailable)
    assert "disk" in full.hint
    assert "free some space" in full.hint
    assert await database.read(lambda tx: meta.get(tx, "key 0")) is None
    # Its neighbour was stored, or told that it was not.
    stored = await database.read(lambda tx: meta.get(tx, "small"))
    assert (stored == "x") == (outcomes[1] == "x")

    await _pragma(database, "pragma max_page_count = 100000")
    await database.write(_fill)
    assert await database.read(lambda tx: meta.get(tx, "key 99")) == "x" * 4_000


@sqlite_only
async def test_a_read_only_database_is_unavailable(database: Database) -> None:
    await _pragma(database, "pragma query_only = on")
    with pytest.raises(StorageUnavailable, match="owner and mode"):
        await database.write(lambda tx: meta.set_if_absent(tx, "a", "b"))
    assert await database.read(lambda tx: meta.get(tx, "a")) is None


@sqlite_only
async def test_a_database_that_somebody_else_locks_is_unavailable_until_they_let_go(
    database: Database, database_url: str
) -> None:
    await _pragma(database, "pragma busy_timeout = 1")
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StorageUnavailable, match="write lock"):
        await database.write(lambda tx: meta.set_if_absent(tx, "a", "b"))
    other.execute("rollback")
    other.close()
    assert await database.write(lambda tx: meta.set_if_absent(tx, "a", "b")) == "b"


@sqlite_only
async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path, dialect: str) -> None:
    with pytest.raises(StorageUnavailable, match="directory exists"):
        await open_database(f"sqlite:///{tmp_path}/nowhere/gateway.sqlite3", migrate=True)
    (tmp_path / "text").write_text(
        "no database, but long enough to look like one, if nobody reads the header" * 20
    )
    with pytest.raises(StorageUnavailable, match="not an SQLite database"):
        await open_database(f"sqlite:///{tmp_path}/text", migrate=True)


@postgres_only
async def test_a_broken_connection_is_unavailable_once_and_then_replaced(
    database: Database, database_url: str
) -> None:
    await database.wait_for_work(0.01)

    async def cut(tx: Transaction) -> None:
        await meta.set_if_absent(tx, "half", "written")
        admin = await asyncpg.connect(database_url)
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
        await admin.close()
        await meta.set_if_absent(tx, "more", "written")

    with pytest.raises(StorageUnavailable):
        await database.write(cut)
    assert await database.read(lambda tx: meta.get(tx, "half")) is None
    assert await database.write(lambda tx: meta.set_if_absent(tx, "a", "b")) == "b"

    # The listening connection was cut, too: it is replaced at the next wait.
    await database.wait_for_work(0.01)
    await database.wait_for_work(0.01)
    waiting = asyncio.create_task(database.wait_for_work(30))
    await asyncio.sleep(0.05)
    await database.notify_work()
    async with asyncio.timeout(5):
        await waiting


@sqlite_only
async def test_who_waits_for_work_outlives_an_error_of_the_disk_and_hears_of_the_next_commit(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def broken(_: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(failed.set)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    await database.wait_for_work(0.01)
    other = await open_database(database_url, migrate=False, write_pause=0)
    async with asyncio.timeout(5):
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "_data_version", broken)
            await database.wait_for_work(0.1)
            waiting = asyncio.create_task(database.wait_for_work(30))
            failed.clear()
            await failed.wait()
            assert not waiting.done()
        await other.write(lambda tx: meta.set_if_absent(tx, "work", "there"))
        await waiting
    await other.close()


@postgres_only
async def test_a_read_only_server_is_unavailable(database: Database, database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute("alter role postgres set default_transaction_read_only = on")
    try:
        other = await open_database(database_url, migrate=False)
        with pytest.raises(StorageUnavailable, match="takes no writes"):
            await other.write(lambda tx: meta.set_if_absent(tx, "a", "b"))
        await other.close()
    finally:
        await admin.execute("set default_transaction_read_only = off")
        await admin.execute("alter role postgres reset default_transaction_read_only")
        await admin.close()


@postgres_only
async def test_a_server_that_is_not_there_is_unavailable(dialect: str) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await open_database("postgresql://gateway:secret@127.0.0.1:1/gateway", migrate=True)


@postgres_only
async def test_a_database_that_does_not_exist_is_unavailable(database_url: str) -> None:
    head, _, options = database_url.partition("?")
    missing = f"{head.rpartition('/')[0]}/missing?{options}"
    with pytest.raises(StorageUnavailable, match="create it"):
        await open_database(missing, migrate=True)


@postgres_only
async def test_transactions_that_deadlock_are_run_again(database: Database) -> None:
    lock = parse("test", "-- name: u\nupdate meta set value = value || 'y' where key = $1")["u"]
    await database.write(lambda tx: meta.set_if_absent(tx, "one", "x"))
    await database.write(lambda tx: meta.set_if_absent(tx, "two", "x"))
    met = asyncio.Barrier(2)
    runs = 0

    async def both(tx: Transaction, first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        await tx.execute(lock, first)
        if runs <= 2:
            await met.wait()
        await tx.execute(lock, second)

    await asyncio.gather(
        database.write(lambda tx: both(tx, "one", "two")), database.write(lambda tx: both(tx, "two", "one"))
    )
    assert runs >= 3
    assert await database.read(lambda tx: meta.get(tx, "one")) == "xyy"
    assert await database.read(lambda tx: meta.get(tx, "two")) == "xyy"
