"""What `read` and `write` promise."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence

import pytest

from storage import meta
from storage.database import Body, Database, Row, Transaction
from storage.errors import Conflict, NotFound, StorageError, StorageUnavailable
from storage.group_commit import pause_after
from storage.opening import open_database
from storage.queries import Query, parse

SQL = parse(
    "test",
    """
-- name: swap
select cast($2 as bigint), cast($1 as bigint)
-- name: numbers
select id from sites where id in ids($1) order by id
-- name: pairs
select a, b from rows($1: a bigint, b text) order by a
-- name: groups
select a, b, c, d from groups($1: a bigint, b text; c bigint, d bigint) order by c
-- name: broken
select nothing from nowhere
-- name: lease_now
select lease_now()
""",
)


def setting(key: str) -> Body[str]:
    return lambda tx: meta.set_if_absent(tx, key, "x")


def getting(key: str) -> Body[str | None]:
    return lambda tx: meta.get(tx, key)


sqlite_only = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


async def test_arguments_are_positions_whatever_comes_first(database: Database) -> None:
    assert [tuple(row) for row in await database.read(lambda tx: tx.fetch(SQL["swap"], 1, 2))] == [(2, 1)]


async def test_a_list_of_rows_keeps_big_numbers_quotes_and_nulls(database: Database) -> None:
    rows = [(2**62 + 1, 'it\'s "quoted" é'), (2**63 - 1, None)]
    assert [tuple(row) for row in await database.read(lambda tx: tx.fetch_rows(SQL["pairs"], rows))] == rows


async def test_rows_that_share_columns_are_the_same_rows(database: Database) -> None:
    first, second = (2**62 + 1, 'it\'s "quoted" é'), (-1, None)
    groups = [(first, {2**63 - 1: 1, 5: -(2**63)}), (second, {7: 2}), ((0, ""), {})]
    found = await database.read(lambda tx: tx.fetch_groups(SQL["groups"], groups))
    assert [tuple(row) for row in found] == [
        (*first, 5, -(2**63)),
        (*second, 7, 2),
        (*first, 2**63 - 1, 1),
    ]


async def test_a_value_that_was_set_first_stays(database: Database) -> None:
    assert await database.write(lambda tx: meta.set_if_absent(tx, "fingerprint", "a")) == "a"
    assert await database.write(lambda tx: meta.set_if_absent(tx, "fingerprint", "b")) == "a"
    assert await database.read(lambda tx: meta.get(tx, "fingerprint")) == "a"
    assert await database.read(lambda tx: meta.get(tx, "other")) is None


async def test_a_body_that_fails_changes_nothing_and_its_neighbours_are_stored(database: Database) -> None:
    async def fails(tx: Transaction) -> None:
        await meta.set_if_absent(tx, "bad", "x")
        raise LookupError("on purpose")

    writes = [database.write(setting(f"good{n}")) for n in range(20)]
    outcomes = await asyncio.gather(*writes[:10], database.write(fails), *writes[10:], return_exceptions=True)

    assert outcomes[10].__class__ is LookupError
    assert outcomes[:10] == outcomes[11:] == ["x"] * 10
    assert await database.read(lambda tx: meta.get(tx, "bad")) is None
    assert await database.read(lambda tx: meta.get(tx, "good19")) == "x"


async def test_a_write_sees_what_the_writes_before_it_stored(database: Database) -> None:
    async def append(tx: Transaction) -> str:
        seen = await meta.get(tx, "first")
        return await meta.set_if_absent(tx, "first" if seen is None else "second", "x")

    await database.write(append)
    await database.write(append)
    assert await database.read(lambda tx: meta.get(tx, "second")) == "x"


async def test_a_statement_the_database_does_not_accept_is_a_storage_error(database: Database) -> None:
    with pytest.raises(StorageError) as raised:
        await database.read(lambda tx: tx.fetch(SQL["broken"]))
    assert not isinstance(raised.value, StorageUnavailable | Conflict | NotFound)
    with pytest.raises(StorageError):
        await database.write(lambda tx: tx.fetch(SQL["broken"]))
    assert await database.write(lambda tx: meta.set_if_absent(tx, "a", "still usable")) == "still usable"


async def test_a_cancelled_caller_breaks_nobody_else(database: Database) -> None:
    started = [asyncio.create_task(database.write(setting(f"k{n}"))) for n in range(30)]
    await asyncio.sleep(0)
    for task in started[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*started, return_exceptions=True)
    assert outcomes[1::2] == ["x"] * 15
    assert await database.write(lambda tx: meta.set_if_absent(tx, "after", "x")) == "x"
    for n in range(1, 30, 2):
        assert await database.read(getting(f"k{n}")) == "x"


async def test_a_cancelled_reader_leaves_its_connection_usable(database: Database) -> None:
    for _ in range(12):
        task = asyncio.create_task(database.read(lambda tx: meta.get(tx, "a")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    reads = [database.read(lambda tx: meta.get(tx, "a")) for _ in range(12)]
    assert await asyncio.gather(*reads) == [None] * 12


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(lambda tx: meta.set_if_absent(tx, "a", "b"))
    assert await database.read(lambda tx: meta.get(tx, "a")) is None


async def test_the_lease_clock_counts_milliseconds(database: Database) -> None:
    async def now(tx: Transaction) -> int:
        row = await tx.fetch_one(SQL["lease_now"])
        assert row is not None
        return int(row[0])

    before, wall = await database.read(now), time.monotonic()
    await asyncio.sleep(0.05)
    passed = await database.read(now) - before
    assert 45 <= passed <= (time.monotonic() - wall) * 1_000 + 10


async def test_a_waiter_hears_of_work_and_times_out_without(database: Database) -> None:
    await database.wait_for_work(0.01)  # begins to listen
    await database.wait_for_work(0.01)
    started = time.monotonic()
    await database.wait_for_work(0.1)
    assert time.monotonic() - started >= 0.09

    waiting = asyncio.create_task(database.wait_for_work(30))
    await database.write(lambda tx: tx.notify_work())
    await database.write(lambda tx: meta.set_if_absent(tx, "work", "done"))
    async with asyncio.timeout(5):
        await waiting


async def test_a_waiter_hears_of_work_from_another_process(database: Database, database_url: str) -> None:
    other = await open_database(database_url, migrate=False, write_pause=0)
    await database.wait_for_work(0.01)
    await database.wait_for_work(0.01)
    waiting = asyncio.create_task(database.wait_for_work(30))

    async def work(tx: Transaction) -> None:
        await meta.set_if_absent(tx, "work", "there")
        await tx.notify_work()

    await other.write(work)
    async with asyncio.timeout(5):
        await waiting
    await other.close()


async def test_closing_stores_what_was_asked_for_and_refuses_the_rest(database_url: str) -> None:
    database = await open_database(database_url, migrate=True, write_pause=0)
    asked = asyncio.create_task(database.write(lambda tx: meta.set_if_absent(tx, "last", "x")))
    await asyncio.sleep(0)
    if database.dialect == "postgres":  # no queue there: what was asked for is under way already
        await asked
    await database.close()
    await database.close()
    assert await asked == "x"
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: meta.set_if_absent(tx, "late", "x"))
    with pytest.raises(StorageUnavailable):
        await database.read(lambda tx: meta.get(tx, "last"))


@sqlite_only
async def test_a_body_that_really_waits_is_refused_and_rolled_back(database: Database) -> None:
    async def sleeps(tx: Transaction) -> None:
        await meta.set_if_absent(tx, "a", "b")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something other"):
        await database.write(sleeps)
    with pytest.raises(RuntimeError, match="awaited something other"):
        await database.read(lambda tx: asyncio.sleep(0))
    assert await database.read(lambda tx: meta.get(tx, "a")) is None


@sqlite_only
async def test_writes_that_queue_share_one_commit(database_url: str) -> None:
    database = await open_database(database_url, migrate=True, write_pause=0.05)
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    async def first(tx: Transaction) -> None:
        tx._connection.set_trace_callback(  # type: ignore[attr-defined]
            lambda statement: count() if statement.lower().startswith("commit") else None
        )

    await database.write(first)
    writes = [database.write(setting(f"k{n}")) for n in range(400)]
    assert await asyncio.gather(*writes) == ["x"] * 400
    assert commits <= 3
    await database.close()


@sqlite_only
async def test_a_process_leaves_the_lock_free_between_its_transactions(database_url: str) -> None:
    database = await open_database(database_url, migrate=True, write_pause=0.04)
    started = time.monotonic()
    for n in range(4):
        await database.write(setting(f"k{n}"))
    took = time.monotonic() - started
    await database.close()
    assert took >= 3 * 0.4 * 0.04


def test_others_get_the_lock_for_as_long_as_it_was_held_and_longer_after_what_was_short() -> None:
    assert pause_after(0, 0.020) == 0.020
    assert pause_after(0.002, 0.020) == pytest.approx(0.012)
    assert [pause_after(took, 0.020) for took in (0.004, 0.012, 0.060)] == [0.004, 0.012, 0.020]
    assert pause_after(0.004, 0) == 0


@sqlite_only
async def test_a_sqlite_database_is_safe_and_shared(database: Database, database_url: str) -> None:
    async def pragmas(tx: Transaction) -> list[object]:
        raw: sqlite3.Connection = tx._connection  # type: ignore[attr-defined]
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [raw.execute(f"pragma {name}").fetchone()[0] for name in names]

    assert await database.write(pragmas) == ["wal", 2, 1, 10_000]
    with pytest.raises(ValueError, match="needs a file"):
        await open_database("sqlite:///:memory:", migrate=True)


async def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite:/// or postgresql://"):
        await open_database("mysql://localhost/x", migrate=True)


_LONG = Query(
    "long",
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1e9) select count(*) from n",
    "select count(*) from generate_series(1, 1000000000)",
)


async def test_a_look_apart_ends_with_its_caller_and_stands_in_nobodys_way(database: Database) -> None:
    async def look(tx: Transaction) -> Sequence[Row]:
        return await tx.fetch(_LONG)

    looking = asyncio.create_task(database.read_apart(look))
    await asyncio.sleep(0.3)
    one = Query("one", "select 1", "select 1")
    assert list(map(tuple, await database.read(lambda tx: tx.fetch(one)))) == [(1,)]
    found = await asyncio.wait_for(
        database.read_apart(lambda tx: tx.fetch(one)), 5
    )  # another's is not held up
    assert list(map(tuple, found)) == [(1,)]
    assert not looking.done()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(looking), 5)
    assert list(map(tuple, await database.read_apart(lambda tx: tx.fetch(one)))) == [(1,)]
