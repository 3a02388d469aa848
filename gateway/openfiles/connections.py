"""The account of open inbound connections: which may make room, and which have kept us waiting too long."""

import asyncio
from collections import deque
from dataclasses import dataclass
from heapq import nsmallest
from operator import itemgetter

from gateway.openfiles.connection import Connection

_VICTIMS = 64  # found in one look at all connections
_SHARE_UNDER_PRESSURE = 0.2  # of the time for a head, when somebody else wants the place
_SCAN_PAUSE = 0.05  # seconds between two looks when the last one found nobody: one costs 5 ms at 60,000


@dataclass(slots=True)
class Counts:
    """Since the start. attempted = accepted + refused, but for those that are being looked at."""

    attempted: int = 0
    accepted: int = 0  # handed to aiohttp, which answers
    refused: int = 0  # answered 503 without being read
    shed_idle: int = 0  # accepted earlier, closed while idle to make room
    head_timeouts: int = 0  # accepted earlier, closed because no whole head came in time
    accept_failures: int = 0  # the system had no descriptor left despite the budget; the caller waits on


class Connections:
    """Every Connection from its acceptance to its end."""

    def __init__(self, counts: Counts, head_timeout: float, freed: asyncio.Event) -> None:
        """`freed` is set whenever a connection has ended."""
        self._counts = counts
        self._head_timeout = head_timeout
        self._freed = freed
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self.closing = 0  # still open, but told to go
        self._heads_due: dict[Connection, None] = {}  # in the order in which they are due
        self._head_timer: asyncio.TimerHandle | None = None
        self._victims: deque[tuple[float, Connection]] = deque()
        self._next_scan = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        self._open.add(connection)

    def shed_one(self) -> bool:
        """Close the connection that has been idle longest, else one that owes us a head. False: none such."""
        return self._shed_idle() or self._shed_silent()

    def _shed_silent(self) -> bool:
        """While others are turned away, nobody may keep a place for the whole time-out by saying nothing."""
        connection = next(iter(self._heads_due), None)
        patience = self._head_timeout * _SHARE_UNDER_PRESSURE
        if connection is None or self._loop.time() < (connection.head_since or 0.0) + patience:
            return False
        del self._heads_due[connection]
        self._counts.head_timeouts += 1
        self._close(connection)
        return True

    def _shed_idle(self) -> bool:
        while True:
            while self._victims:
                last_heard, connection = self._victims.popleft()
                if connection.idle and connection.last_heard == last_heard:
                    self._counts.shed_idle += 1
                    self._close(connection)
                    return True
            if self._loop.time() < self._next_scan:
                return False
            idle = ((each.last_heard, each) for each in self._open if each.idle)
            self._victims.extend(nsmallest(_VICTIMS, idle, key=itemgetter(0)))
            if not self._victims:
                self._next_scan = self._loop.time() + _SCAN_PAUSE
                return False

    def head_begun(self, connection: Connection) -> None:
        connection.head_since = self._loop.time()
        self._heads_due[connection] = None
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_timeout, self._close_late_heads)

    def head_complete(self, connection: Connection) -> None:
        connection.head_since = None
        self._heads_due.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        self._heads_due.pop(connection, None)
        if connection in self._open:
            self._open.remove(connection)
            self.closing -= connection.closing
            self._freed.set()

    def _close(self, connection: Connection) -> None:
        self.closing += 1
        connection.close()

    def _close_late_heads(self) -> None:
        self._head_timer = None
        now = self._loop.time()
        for connection in list(self._heads_due):
            due = (connection.head_since or now) + self._head_timeout
            if due > now:
                self._head_timer = self._loop.call_at(due, self._close_late_heads)
                return
            del self._heads_due[connection]
            self._counts.head_timeouts += 1
            self._close(connection)
