"""Fixtures for tests that need a real database: `database` runs a test on SQLite and on PostgreSQL.

One PostgreSQL server a session (PyPI's pgserver brings it; without a wheel for this machine, the one
that is installed), one database, emptied before each test. SQLite's is migrated once and copied. A plugin
of tests/conftest.py: imported into several of them, there would be a server for each.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.database import Database
from storage.opening import open_database

_SHARED = "gateway"
_numbers = count(1)


class PostgresServer:
    """A server of our own; `url(name)` is a database on it."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self.url = url
        _elsewhere(self._prepare())

    async def _prepare(self) -> None:
        admin = await asyncpg.connect(self.url("postgres"))
        # What a crash of the machine would lose does not matter here.
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            await admin.execute(f"alter system set {setting}")
        await admin.execute("alter system set deadlock_timeout = '50ms'")
        await admin.execute("select pg_reload_conf()")
        await admin.execute(f"create database {_SHARED}")
        await admin.close()
        database = await open_database(self.url(_SHARED), migrate=True)
        await database.close()

    async def emptied(self) -> str:
        """The URL of the one migrated database, as if nobody had ever used it. A new one would cost 0.2 s."""
        admin = await asyncpg.connect(self.url(_SHARED))
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
        tables = await admin.fetch("select tablename from pg_tables where schemaname = 'public'")
        # Without foreign keys for once, so that the order of the tables does not matter.
        statements = ["set session_replication_role = replica"]
        statements += [f"delete from {table}" for (table,) in tables if table not in ("meta", "turns")]
        statements += ["delete from meta where key <> 'schema'", "update turns set turn = 0"]
        await admin.execute(";".join(statements))
        await admin.close()
        return self.url(_SHARED)

    async def create(self, *, migrated: bool = True) -> str:
        """The URL of a new database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        admin = await asyncpg.connect(self.url("postgres"))
        await admin.execute(f"create database {name}")
        await admin.close()
        if migrated:
            await (await open_database(self.url(name), migrate=True)).close()
        return self.url(name)


def _elsewhere(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs it in an event loop of another thread: session fixtures must not touch the tests' loops."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(coroutine)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    directory = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its platformdirs warns about XDG_RUNTIME_DIR while importing
            from pgserver.postgres_server import get_server
    except ImportError:
        yield from _installed_server(directory)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = get_server(directory / "data", cleanup_mode="stop")
        try:
            yield PostgresServer(lambda name: server.get_uri(database=name))
        finally:
            server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


def _installed_server(directory: Path) -> Iterator[PostgresServer]:
    """`initdb` and `postgres` from PATH or from Debian's packages; as root through the user "postgres"."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("needs PostgreSQL: pip install pgserver, or apt install postgresql")
    as_user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(directory, "postgres")
    data = directory / "data"
    initdb: list[str | Path] = [
        folders[-1] / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=utf8",
    ]
    subprocess.run(initdb, check=True, capture_output=True, cwd=directory, **as_user)
    control: list[str | Path] = [folders[-1] / "pg_ctl", "-D", data, "-w", "-l", directory / "log"]
    start: list[str | Path] = [*control, "-o", f"-h '' -k {directory}", "start"]
    subprocess.run(start, check=True, capture_output=True, cwd=directory, **as_user)
    try:
        yield PostgresServer(lambda name: f"postgresql://postgres@/{name}?host={directory}")
    finally:
        stop: list[str | Path] = [*control, "-m", "fast", "stop"]
        subprocess.run(stop, check=True, capture_output=True, cwd=directory, **as_user)


@pytest.fixture(params=["sqlite", "postgres"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Narrow it for a test of one database: `@pytest.mark.parametrize("dialect", ["sqlite"],
    indirect=True)`.
    """
    return str(request.param)


@pytest.fixture
async def empty_database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a new database without any schema."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return await server.create(migrated=False)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a migrated database's file holds: its migrations cost 10 ms of CPU and 30 waits for the disk."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated"

    async def migrate() -> None:
        await (await open_database(f"sqlite:///{file}", migrate=True)).close()

    _elsewhere(migrate())
    return file.read_bytes()


@pytest.fixture
async def database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a database that is migrated and otherwise new."""
    if dialect == "sqlite":
        file = tmp_path / "gateway.sqlite3"
        file.write_bytes(request.getfixturevalue("migrated_sqlite"))
        return f"sqlite:///{file}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return await server.emptied()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A new, migrated, open database; a SQLite one makes no pauses between its transactions."""
    opened = await open_database(database_url, migrate=False, write_pause=0)
    yield opened
    await opened.close()
