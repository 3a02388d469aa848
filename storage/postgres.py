"""PostgreSQL through asyncpg: a pool for transactions, one connection that listens for work."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import asyncpg

from storage.database import MOST_APART, Body, Group, Row, Scalar, Value
from storage.doorbell import Doorbell
from storage.durations import Timings
from storage.errors import StorageUnavailable
from storage.migrations import MIGRATIONS, Migration, check_version, postgres_text
from storage.postgres_errors import DRIVER_ERRORS, mapped
from storage.queries import Query

T = TypeVar("T")
# asyncpg is generic in its stubs only.
_Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

_POOL = 8  # connections a process; the API commits single subscriptions, and commits wait for the disk
_CONNECT_TIMEOUT = 10.0
_STATEMENT_TIMEOUT = 60.0
_TRIES = 5  # of a transaction that deadlocked
_CHANNEL = "work"
# Every query here is written for an index. Statistics know nothing of an import or a message that has just
# begun: by them, PostgreSQL read and sorted a whole site for each page of an audience.
_SETTINGS = {
    "application_name": "webpush-gateway",
    "jit": "off",
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_MIGRATION_LOCK = 7_265_737_072  # any number, the same for every gateway


async def open_postgres(url: str, *, migrate: bool) -> "PostgresDatabase":
    """See storage.database.open_database."""
    try:
        # Not created by `async with`: close() ends it.
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=_POOL,
            timeout=_CONNECT_TIMEOUT,
            command_timeout=_STATEMENT_TIMEOUT,
            server_settings=_SETTINGS,
        )
    except DRIVER_ERRORS as error:
        raise mapped(error) from error
    try:
        async with pool.acquire() as connection:
            if migrate:
                await apply(connection)
            check_version(await _version(connection))
    except BaseException as error:
        await pool.close()
        if isinstance(error, DRIVER_ERRORS):
            raise mapped(error) from error
        raise
    return PostgresDatabase(url, pool)


async def apply(connection: _Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Each migration that is missing, in a transaction of its own, one process at a time."""
    for migration in migrations:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            if await _version(connection) == migration.number - 1:
                await connection.execute(postgres_text(migration))
                await connection.execute(
                    "insert into meta values ('schema', $1) on conflict (key) do update set value = $1",
                    str(migration.number),
                )


async def _version(connection: _Connection) -> int:
    if await connection.fetchval("select to_regclass('meta')") is None:
        return 0
    return int(await connection.fetchval("select value from meta where key = 'schema'") or 0)


class PostgresDatabase:
    """storage.database.Database on one server."""

    dialect = "postgres"

    def __init__(self, url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._url = url
        self._pool = pool
        self._doorbell = Doorbell()
        self._listener: asyncpg.Connection[asyncpg.Record] | None = None
        self._listening = asyncio.Lock()
        self._apart = asyncio.Semaphore(MOST_APART)
        self._closed = False
        self.timings = Timings()

    async def read(self, body: Body[T]) -> T:
        return await self._transact(body, "read", isolation="repeatable_read", readonly=True)

    async def read_apart(self, body: Body[T]) -> T:
        async with self._apart:  # so many connections of the pool at most; asyncpg cancels the statement
            return await self._transact(body, "read_apart", isolation="repeatable_read", readonly=True)

    async def write(self, body: Body[T]) -> T:
        return await self._transact(body, "write", isolation="read_committed", readonly=False)

    async def wait_for_work(self, timeout: float) -> None:
        """Without a listening connection (the server is away) the time-out alone wakes the caller: slow,
        not wrong.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            await self._listen()
        except DRIVER_ERRORS:
            # Not swallowed: the claim that follows meets the same server and says what is wrong with it.
            if self._listener is not None:
                self._listener.terminate()
            self._listener = None
        await self._doorbell.wait(max(0, deadline - loop.time()))

    async def notify_work(self) -> None:
        async def body(tx: PostgresTransaction) -> None:
            await tx.notify_work()

        await self.write(body)  # type: ignore[arg-type]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._doorbell.ring()
        if self._listener is not None:
            await self._listener.close()
        await self._pool.close()

    async def _listen(self) -> None:
        async with self._listening:
            if self._closed or (self._listener is not None and not self._listener.is_closed()):
                return
            # Not the pool's: it stays ours for good, and a broken one is simply replaced.
            self._listener = await asyncpg.connect(self._url, timeout=_CONNECT_TIMEOUT)
            await self._listener.add_listener(_CHANNEL, self._on_notify)
            self._doorbell.ring()  # something may have come while nobody listened

    def _on_notify(self, *_: object) -> None:
        self._doorbell.ring()

    async def _transact(self, body: Body[T], kind: str, **options: Any) -> T:
        if self._closed:
            raise StorageUnavailable("The database was closed; the gateway is stopping.")
        tries = 0
        while True:
            tries += 1
            asked_at = time.monotonic()
            try:
                async with self._pool.acquire(timeout=_CONNECT_TIMEOUT) as connection:
                    began_at = time.monotonic()
                    async with connection.transaction(**options):
                        result = await body(PostgresTransaction(connection))
                    self.timings.add(kind, asked_at, began_at, time.monotonic())
                    return result
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                if tries == _TRIES:
                    raise mapped(error) from error
            except DRIVER_ERRORS as error:
                raise mapped(error) from error


class PostgresTransaction:
    """storage.database.Transaction over a connection on which a transaction is open.

    Driver errors are mapped by the Database, not here: a deadlock must reach it as what it is.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def execute(self, query: Query, *args: Value) -> int:
        status = await self._connection.execute(query.postgres, *args)
        return int(status.rpartition(" ")[2])  # "INSERT 0 3", "UPDATE 3", "DELETE 3"

    async def fetch(self, query: Query, *args: Value) -> Sequence[Row]:
        return await self._connection.fetch(query.postgres, *args)  # type: ignore[return-value]

    async def fetch_one(self, query: Query, *args: Value) -> Row | None:
        return await self._connection.fetchrow(query.postgres, *args)  # type: ignore[return-value]

    async def execute_many(self, query: Query, rows: Sequence[Sequence[Scalar]]) -> None:
        await self._connection.executemany(query.postgres, rows)

    async def fetch_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> Sequence[Row]:
        return await self.fetch(query, *map(list, zip(*rows, strict=True)))

    async def fetch_groups(self, query: Query, groups: Sequence[Group]) -> Sequence[Row]:
        return await self.fetch(query, *_flattened(groups))

    async def execute_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> int:
        return await self.execute(query, *map(list, zip(*rows, strict=True)))

    async def notify_work(self) -> None:
        await self._connection.execute("select pg_notify($1, '')", _CHANNEL)


def _flattened(groups: Sequence[Group]) -> list[list[Any]]:
    """A list for each column."""
    columns: list[list[Any]] = [[] for _ in range(len(groups[0][0]) + 2)]
    for shared, members in groups:
        for column, value in zip(columns, shared, strict=False):
            column += [value] * len(members)
        columns[-2] += members
        columns[-1] += members.values()
    return columns
