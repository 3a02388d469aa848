"""Schema versions: forward only, one at a time, and never a schema that this release does not know."""

import asyncio
import sqlite3

import asyncpg
import pytest

from storage import meta
from storage.errors import SchemaTooNew, SchemaTooOld
from storage.migrations import MIGRATIONS, Migration, sqlite_text
from storage.opening import open_database
from storage.postgres import apply
from storage.sqlite import _migrate

EVERYTHING = """
select table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')
from information_schema.columns where table_schema = 'public'
union all select indexname, indexdef from pg_indexes where schemaname = 'public'
union all select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace
union all select conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace
order by 1, 2
"""


async def _schema(url: str) -> list[tuple[object, ...]]:
    if url.startswith("sqlite"):
        raw = sqlite3.connect(url.removeprefix("sqlite:///"))
        found = raw.execute("select name, sql from sqlite_master order by name").fetchall()
        raw.close()
        return found
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(EVERYTHING)
    await connection.close()
    return [tuple(row) for row in rows]


async def _migrate_up_to(url: str, number: int) -> None:
    if url.startswith("sqlite"):
        raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        _migrate(raw, MIGRATIONS[:number])
        raw.close()
    else:
        connection = await asyncpg.connect(url)
        await apply(connection, MIGRATIONS[:number])
        await connection.close()


async def _set_version(url: str, version: int) -> None:
    statement = f"update meta set value = '{version}' where key = 'schema'"
    if url.startswith("sqlite"):
        raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        raw.execute(statement)
        raw.close()
    else:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()


async def test_a_schema_migrated_step_by_step_equals_a_fresh_one(
    empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    for number in range(len(MIGRATIONS) + 1):
        await _migrate_up_to(empty_database_url, number)
    stepwise = await _schema(empty_database_url)

    if empty_database_url.startswith("sqlite"):
        fresh_url = empty_database_url + "-fresh"
    else:
        fresh_url = await request.getfixturevalue("postgres_server").create(migrated=False)
    await (await open_database(fresh_url, migrate=True)).close()

    assert len(stepwise) > 20
    assert await _schema(fresh_url) == stepwise


async def test_processes_that_start_together_migrate_once(empty_database_url: str) -> None:
    opened = await asyncio.gather(*(open_database(empty_database_url, migrate=True) for _ in range(4)))
    for database in opened:
        assert await database.read(lambda tx: meta.get(tx, "schema")) == str(len(MIGRATIONS))
        await database.close()


async def test_a_newer_schema_is_refused_and_left_alone(empty_database_url: str) -> None:
    await (await open_database(empty_database_url, migrate=True)).close()
    before = await _schema(empty_database_url)
    await _set_version(empty_database_url, 9_999)
    for migrate in (True, False):
        with pytest.raises(SchemaTooNew) as refused:
            await open_database(empty_database_url, migrate=migrate)
        assert (refused.value.found, refused.value.known) == (9_999, len(MIGRATIONS))
    assert await _schema(empty_database_url) == before


async def test_an_older_schema_is_refused_unless_it_may_be_migrated(empty_database_url: str) -> None:
    with pytest.raises(SchemaTooOld, match="python -m gateway migrate"):
        await open_database(empty_database_url, migrate=False)
    await (await open_database(empty_database_url, migrate=True)).close()
    await (await open_database(empty_database_url, migrate=False)).close()


async def test_a_migration_that_fails_leaves_nothing(empty_database_url: str) -> None:
    broken = Migration(
        1, "create table meta (key text primary key, value text);\ncreate table half (x y z z, ,);\n"
    )
    if empty_database_url.startswith("sqlite"):
        raw = sqlite3.connect(empty_database_url.removeprefix("sqlite:///"), isolation_level=None)
        with pytest.raises(sqlite3.OperationalError):
            _migrate(raw, (broken,))
        raw.close()
    else:
        connection = await asyncpg.connect(empty_database_url)
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await apply(connection, (broken,))
        await connection.close()
    assert await _schema(empty_database_url) == []
    await (await open_database(empty_database_url, migrate=True)).close()


def test_a_migration_is_read_statement_by_statement() -> None:
    text = "-- it's\ncreate table a (b {bytes});\n-- only: postgres\nselect 1;\n-- both\ndrop table a;\n"
    assert [statement.strip() for statement in sqlite_text(Migration(1, text))] == [
        "-- it's\ncreate table a (b blob);",
        "drop table a;",
    ]
