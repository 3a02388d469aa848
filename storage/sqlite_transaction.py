"""A body's view of SQLite. Lives in the database's thread; its coroutines never wait."""

import sqlite3
from collections.abc import Sequence

import msgspec

from storage.database import Group, Row, Scalar, Value
from storage.queries import Query
from storage.sqlite_errors import mapped

_encode = msgspec.json.encode


class SqliteTransaction:
    """storage.database.Transaction over a connection on which a transaction is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def execute(self, query: Query, *args: Value) -> int:
        return self._run(query, args).rowcount

    async def fetch(self, query: Query, *args: Value) -> Sequence[Row]:
        cursor = self._run(query, args)
        try:
            return cursor.fetchall()
        except sqlite3.Error as error:
            raise mapped(error) from error

    async def fetch_one(self, query: Query, *args: Value) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def execute_many(self, query: Query, rows: Sequence[Sequence[Scalar]]) -> None:
        try:
            self._connection.executemany(query.sqlite, rows)
        except sqlite3.Error as error:
            raise mapped(error) from error

    async def fetch_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> Sequence[Row]:
        return await self.fetch(query, _encode(rows).decode())

    async def fetch_groups(self, query: Query, groups: Sequence[Group]) -> Sequence[Row]:
        return await self.fetch(query, _encode([(*shared, members) for shared, members in groups]).decode())

    async def execute_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> int:
        return await self.execute(query, _encode(rows).decode())

    async def notify_work(self) -> None:
        """Nothing to do: every commit changes `PRAGMA data_version`."""

    def _run(self, query: Query, args: Sequence[Value]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(
                query.sqlite, [_json_list(arg) if type(arg) is list else arg for arg in args]
            )
        except sqlite3.Error as error:
            raise mapped(error) from error


def _json_list(values: Sequence[int] | Sequence[str] | Sequence[bytes]) -> str:
    if values and isinstance(values[0], bytes):
        return _encode([value.hex() for value in values if isinstance(value, bytes)]).decode()
    return _encode(values).decode()
