"""SQLite through aiosqlite: one writer connection a process, a few readers, and one that watches for
commits.
"""

import asyncio
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiosqlite

from storage.database import MOST_APART, Body
from storage.doorbell import Doorbell
from storage.durations import Timings
from storage.errors import StorageError, StorageUnavailable
from storage.group_commit import GroupCommit, drive, hop
from storage.migrations import MIGRATIONS, Migration, check_version, sqlite_text
from storage.sqlite_errors import mapped
from storage.sqlite_transaction import SqliteTransaction

T = TypeVar("T")

_READERS = 3
_POLL = 0.05  # seconds between looks at data_version: 100 µs each
_PATIENCE = 10  # seconds to wait for a lock
_OLDEST = (3, 35)  # RETURNING

# FULL costs nothing measurable with group commit, and is what "answered after the commit" needs.
# secure_delete=fast overwrites erased data wherever that needs no extra write.
_PRAGMAS = (
    f"pragma busy_timeout = {_PATIENCE * 1_000}",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma temp_store = memory",
    "pragma secure_delete = fast",
    "pragma cache_size = -16000",
    "pragma journal_size_limit = 67108864",
)


async def open_sqlite(path: str, *, migrate: bool, write_pause: float) -> "SqliteDatabase":
    """See storage.database.open_database. `path` is a file; its directory must exist."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old, the gateway needs 3.35.")
    if not path or path == ":memory:":
        raise ValueError("An SQLite database needs a file: several processes share it.")
    connections: list[aiosqlite.Connection] = []
    try:
        writer = await _connect(path, connections)
        if migrate:
            await hop(writer, _migrate)
        await hop(writer, lambda raw: check_version(_version(raw)))
        await hop(writer, _sweep_after_reboot)
        for _ in range(_READERS + 1):
            await _connect_reader(path, connections)
    except BaseException:
        for connection in connections:
            await connection.close()
        raise
    return SqliteDatabase(path, connections, write_pause)


class SqliteDatabase:
    """storage.database.Database on one file."""

    dialect = "sqlite"

    def __init__(self, path: str, connections: list[aiosqlite.Connection], write_pause: float) -> None:
        self._path = path
        writer, self._watcher, *readers = connections
        self._connections = connections
        self.timings = Timings()
        self._writer = GroupCommit(writer, write_pause, self.timings)
        self._readers: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._readers.put_nowait(reader)
        self._apart = asyncio.Semaphore(MOST_APART)
        self._readers_apart: list[aiosqlite.Connection] = []  # those that nobody reads with
        self._doorbell = Doorbell()
        self._seen = 0
        self._waiting = 0
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    async def read(self, body: Body[T]) -> T:
        if self._closed:
            raise StorageUnavailable("The database was closed; the gateway is stopping.")
        asked_at = time.monotonic()
        reader = await self._readers.get()
        began_at = time.monotonic()
        try:
            # A caller that is cancelled leaves its hop running: the next one queues behind it in the
            # same thread.
            result = await hop(reader, lambda raw: _snapshot(raw, body))
            self.timings.add("read", asked_at, began_at, time.monotonic())
            return result
        finally:
            self._readers.put_nowait(reader)

    async def read_apart(self, body: Body[T]) -> T:
        asked_at = time.monotonic()
        async with self._apart:
            if self._closed:
                raise StorageUnavailable("The database was closed; the gateway is stopping.")
            if not self._readers_apart:  # most processes never need one
                # To its end also when the caller is cancelled: then the next one has it.
                await asyncio.shield(asyncio.ensure_future(self._add_reader_apart()))
            reader = self._readers_apart.pop()
            began_at = time.monotonic()
            running = asyncio.ensure_future(hop(reader, lambda raw: _snapshot(raw, body)))
            try:
                result = await asyncio.shield(running)
                self.timings.add("read_apart", asked_at, began_at, time.monotonic())
                return result
            except asyncio.CancelledError:
                await reader.interrupt()
                await asyncio.wait({running})  # whoever is next must not be interrupted in its place
                running.cancelled() or running.exception()
                raise
            finally:
                self._readers_apart.append(reader)

    async def _add_reader_apart(self) -> None:
        self._readers_apart.append(await _connect_reader(self._path, self._connections))

    async def write(self, body: Body[T]) -> T:
        return await self._writer.write(body)

    async def wait_for_work(self, timeout: float) -> None:
        self._waiting += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="sqlite-watch")
        try:
            await self._doorbell.wait(timeout)
        finally:
            self._waiting -= 1
        if self._watching.done() and not self._watching.cancelled():
            self._watching.result()  # a mistake of ours: it says why it could not go on

    async def _watch(self) -> None:
        """One for all who wait: each look costs 100 µs. When the disk fails a look, time-outs wake the
        callers: the claim that follows meets the same file and says what is wrong with it.
        """
        while self._waiting and not self._closed:
            with suppress(StorageUnavailable):
                version = await hop(self._watcher, _data_version)
                if version != self._seen:
                    self._seen = version
                    self._doorbell.ring()
            await asyncio.sleep(_POLL)

    async def notify_work(self) -> None:
        """This process hears at once; the others notice every commit by themselves."""
        self._doorbell.ring()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        self._doorbell.ring()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        for connection in reversed(self._connections):  # the writer last: it checkpoints the whole log
            await connection.close()


async def _connect(path: str, connections: list[aiosqlite.Connection]) -> aiosqlite.Connection:
    try:
        # autocommit: BEGIN and COMMIT are ours; the cache holds every statement there is
        connection = await aiosqlite.connect(Path(path), isolation_level=None, cached_statements=256)
    except sqlite3.Error as error:
        raise mapped(error) from error
    connections.append(connection)
    await hop(connection, _prepare)
    return connection


async def _connect_reader(path: str, connections: list[aiosqlite.Connection]) -> aiosqlite.Connection:
    reader = await _connect(path, connections)
    await hop(reader, lambda raw: raw.execute("pragma query_only = on"))
    return reader


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    _switch_to_wal(connection)
    connection.create_function("lease_now", 0, lambda: time.monotonic_ns() // 1_000_000)
    connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)  # SQLite has it from 3.41 on


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The first to open a new file switches it. SQLite does not wait for others who try the same: we do."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _snapshot(connection: sqlite3.Connection, body: Body[T]) -> T:
    connection.execute("begin")
    try:
        return drive(body(SqliteTransaction(connection)))
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma data_version").fetchone()[0])


def _version(connection: sqlite3.Connection) -> int:
    if connection.execute("select 1 from sqlite_master where name = 'meta'").fetchone() is None:
        return 0
    row = connection.execute("select value from meta where key = 'schema'").fetchone()
    return 0 if row is None else int(row[0])


def _migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Each migration that is missing, in a transaction of its own; BEGIN IMMEDIATE is the lock."""
    for migration in migrations:
        connection.execute("begin immediate")
        try:
            if _version(connection) == migration.number - 1:
                for statement in sqlite_text(migration):
                    connection.execute(statement)
                connection.execute(
                    "insert or replace into meta values ('schema', ?)", (str(migration.number),)
                )
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise


def _sweep_after_reboot(connection: sqlite3.Connection) -> None:
    """Leases run on the monotonic clock, which a reboot sets back: those of an earlier boot would hold
    too long.
    """
    boot = _boot()
    known = connection.execute("select value from meta where key = 'boot'").fetchone()
    if known is not None and known[0] == boot:
        return
    connection.execute("begin immediate")
    try:
        connection.execute(
            "update batches set lease_owner = null, lease_until = null where lease_owner is not null"
        )
        connection.execute(
            "update webhook_deliveries set lease_owner = null, lease_until = null"
            " where lease_owner is not null"
        )
        connection.execute("delete from leases")
        connection.execute("insert or replace into meta values ('boot', ?)", (boot,))
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _boot() -> str:
    """Another text after every reboot, and on another machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (
        OSError
    ):  # not Linux: the time of the boot, to ten minutes, so that a corrected clock hardly matters
        return f"booted at {round((time.time() - time.monotonic()) / 600)}"
