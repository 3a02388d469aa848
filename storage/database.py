"""The two ways to touch a database, and nothing else: `read` and `write` run a body in one transaction.

    async def body(tx: Transaction) -> Site:
        return await sites.get(tx, site_id)
    site = await database.read(body)

Rules for a body, the same on both databases:
- it awaits nothing but its transaction (on SQLite it runs in the database's own thread, in one hop;
  awaiting anything else is a RuntimeError and rolls it back);
- it touches nothing but its transaction and its own variables, because it may run in another thread,
  and more than once (PostgreSQL: after a deadlock);
- it is short: one page of rows, no work that could be done before or after.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from storage.durations import Timings
from storage.queries import Query

T = TypeVar("T")

Scalar = int | str | bytes | float | None
Value = Scalar | Sequence[int] | Sequence[str] | Sequence[bytes]  # lists for `in ids($n)` and its likes
Row = tuple[Any, ...]
Group = tuple[tuple[int | str | None, ...], Mapping[int, int]]  # what rows share, and two columns of each


class Transaction(Protocol):
    """Statements of one body. Lists as arguments must be Python lists (see storage.queries for macros)."""

    async def execute(self, query: Query, *args: Value) -> int:
        """The number of rows inserted, updated or deleted."""

    async def fetch(self, query: Query, *args: Value) -> Sequence[Row]:
        """All rows; they compare and unpack like tuples."""

    async def fetch_one(self, query: Query, *args: Value) -> Row | None:
        """The first row, None when there is none."""

    async def execute_many(self, query: Query, rows: Sequence[Sequence[Scalar]]) -> None:
        """The statement once for each row."""

    async def fetch_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> Sequence[Row]:
        """One statement over a whole list: `rows($1: name type, …)` stands for `rows` in the query."""

    async def fetch_groups(self, query: Query, groups: Sequence[Group]) -> Sequence[Row]:
        """As `fetch_rows`, of rows of which many share most columns: `groups($1: name type, …; …)`."""

    async def execute_rows(self, query: Query, rows: Sequence[Sequence[int | str | None]]) -> int:
        """As `fetch_rows`; the number of rows changed."""

    async def notify_work(self) -> None:
        """Wakes whoever waits for work, once this transaction has committed."""


MOST_APART = 2  # looks at many rows at once: a slow one of one site holds nobody else's up

Body = Callable[[Transaction], Coroutine[Any, Any, T]]


class Database(Protocol):
    """One process' way to the database. Safe for any number of tasks of one event loop."""

    dialect: str
    """"sqlite" or "postgres"."""

    timings: Timings
    """Of all transactions that were committed, and of all that read."""

    async def read(self, body: Body[T]) -> T:
        """Runs `body` on a consistent snapshot that sees every write committed before."""

    async def read_apart(self, body: Body[T]) -> T:
        """As `read`, for whoever looks at many rows: MOST_APART at a time, and never in the way of `read`.

        A cancelled caller stops the statement that runs.
        """

    async def write(self, body: Body[T]) -> T:
        """Runs `body` in a transaction; returns its result after the commit, durable.

        A body that raises changes nothing, and its exception is raised here. A cancelled caller leaves
        the outcome open: the body may or may not be committed, never a part of it.
        """

    async def wait_for_work(self, timeout: float) -> None:
        """Returns when something was committed since the last wait ended, or after `timeout` seconds.

        May return without reason; the truth is what a claim finds. SQLite notices within 50 ms and wakes for
        any commit, PostgreSQL wakes for `notify_work` only.
        """

    async def notify_work(self) -> None:
        """`Transaction.notify_work` on its own."""

    async def close(self) -> None:
        """Finishes the writes already asked for, then closes every connection. Idempotent."""
