"""SQLite's one writer of a process: whatever queued meanwhile becomes one transaction, in one hop to its
thread.

Why: a commit costs a sync of the disk and a hop 100 µs, whatever is in it; SQLite's lock is unfair, so that a
process that writes back to back starves the others. Hence groups, and a pause between transactions.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import aiosqlite

from storage.database import Body
from storage.durations import Timings
from storage.errors import StorageUnavailable
from storage.sqlite_errors import mapped
from storage.sqlite_transaction import SqliteTransaction

T = TypeVar("T")

_MAX_GROUP = 500  # bodies
_MAX_WORK = 0.05  # seconds of a group's bodies; then it commits, and the rest is the next group

_Outcome = tuple[bool, Any]  # (True, result) or (False, exception)
_Waiting = tuple[Body[Any], asyncio.Future[Any], float]  # since when


async def hop(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Runs `function` in the connection's thread. Driver errors come back as ours.

    The one place that uses a private name of aiosqlite: it has no public way to run more than one
    statement in one hop, and a hop for each statement would hold the write lock ten times as long.
    """
    raw = connection._conn
    try:
        result: T = await connection._execute(function, raw)  # type: ignore[no-untyped-call]
    except sqlite3.Error as error:
        raise mapped(error) from error
    return result


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a body that never really waits. RuntimeError when it awaits anything but its
    transaction.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("A transaction's body awaited something other than its transaction.")


class GroupCommit:
    def __init__(self, connection: aiosqlite.Connection, pause: float, timings: Timings) -> None:
        self._connection = connection
        self._timings = timings
        self._pause = pause
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="storage-writer")

    async def write(self, body: Body[T]) -> T:
        """The body's result, once it is committed."""
        if self._closing or self._task.done():
            raise StorageUnavailable("The database was closed; the gateway is stopping.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append((body, future, time.monotonic()))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Commits what was queued, then ends."""
        self._closing = True
        self._wake.set()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        try:
            while True:
                await self._wake.wait()
                if not self._queue:
                    if self._closing:
                        return
                    self._wake.clear()
                    continue
                if (pause := free_at - loop.time()) > 0:
                    await asyncio.sleep(pause)
                began_at = loop.time()
                await self._commit_group()
                ended_at = loop.time()
                free_at = ended_at + pause_after(ended_at - began_at, self._pause)
        finally:  # cancelled with the whole event loop: nobody may wait for ever
            for _, future, _ in self._queue:
                _settle(future, (False, StorageUnavailable("The gateway stopped before this was stored.")))

    async def _commit_group(self) -> None:
        group: list[_Waiting] = []
        while self._queue and len(group) < _MAX_GROUP:
            waiting = self._queue.popleft()
            if not waiting[1].done():  # its caller was cancelled before the body ran: then it never runs
                group.append(waiting)
        if not group:
            return
        outcomes: Sequence[_Outcome]
        try:
            bodies = [body for body, _, _ in group]
            outcomes, locked_at = await hop(self._connection, partial(_commit, bodies))
            ended_at = time.monotonic()
            for _, _, asked_at in group[: len(outcomes)]:
                self._timings.add("write", asked_at, locked_at, ended_at)
        except Exception as error:  # nothing of the group is stored
            outcomes = [(False, error)] * len(group)
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(group))
            raise
        for waiting, outcome in zip(group, outcomes, strict=False):
            _settle(waiting[1], outcome)
        self._queue.extendleft(reversed(group[len(outcomes) :]))


def pause_after(took: float, longest: float) -> float:
    """Seconds to leave the lock to others, after a transaction that took so many. Pure.

    After a short one company is worth waiting for: it shares the cost of the next commit. After a long one
    others get the lock for as long as it was held, but no longer than the longest pause.
    """
    return max(longest - 4 * took, min(took, longest))


def _settle(future: asyncio.Future[Any], outcome: _Outcome) -> None:
    if future.done():
        return
    done, value = outcome
    if done:
        future.set_result(value)
    else:
        future.set_exception(value)


def _commit(bodies: Sequence[Body[Any]], connection: sqlite3.Connection) -> tuple[list[_Outcome], float]:
    """In the database's thread. Outcomes of the bodies that were run, in order: at least one; and since when
    it had the lock.
    """
    outcomes: list[_Outcome] = []
    tx = SqliteTransaction(connection)
    deadline = time.monotonic() + _MAX_WORK
    connection.execute("begin immediate")
    locked_at = time.monotonic()
    try:
        for body in bodies:
            outcomes.append(_run_alone(connection, body, tx))
            if time.monotonic() > deadline:
                break
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    return outcomes, locked_at


def _run_alone(connection: sqlite3.Connection, body: Body[Any], tx: SqliteTransaction) -> _Outcome:
    """One body in its own savepoint: it fails alone. Raises only when the database gave up the whole
    transaction.
    """
    connection.execute("savepoint body")
    try:
        outcome: _Outcome = (True, drive(body(tx)))
    except Exception as error:
        if not connection.in_transaction:  # disk full or an I/O error: SQLite has rolled everything back
            raise
        connection.execute("rollback to body")
        outcome = (False, error)
    connection.execute("release body")
    return outcome
