"""Connections that hold a server up: silent, idle and slow ones; and single requests, counted along.

Every connection is counted when it is open, and ends in exactly one End: what the caller saw of the server.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from loadtest.sink import LOOPBACK

CONNECT_WITHIN = 60.0
ANSWER_WITHIN = 60.0
TRICKLE = 3.0  # seconds between two bytes of a slow caller


class Habit(StrEnum):
    """What a caller does with its connection, for as long as it is let."""

    SILENT = "connects and says nothing"
    KEEP_ALIVE = "is answered, stays and says nothing more"
    SLOW_HEAD = "sends the head of a request byte by byte"
    SLOW_BODY = "sends the body of a request byte by byte"


class End(StrEnum):
    """How a connection ended, as its caller saw it."""

    ANSWERED = "answered"  # any status but 503
    REFUSED = "answered 503"
    LET_GO = "closed by the gateway: no whole request in time"
    LEFT = "left by the caller, unanswered, no whole request sent"
    LOST = "a whole request, and no answer"
    UNCONNECTED = "never connected"


_GET = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
_POST = (
    b"POST /v1/public/events HTTP/1.1\r\nHost: gateway\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 200\r\n\r\n"
)
_OPENING = {
    Habit.SILENT: b"",
    Habit.KEEP_ALIVE: _GET,
    Habit.SLOW_HEAD: b"GET /",
    Habit.SLOW_BODY: _POST,
}


@dataclass(slots=True)
class Door:
    """The gateway's port, and the count of those who came through it. `attempted` = the sum of `ends`."""

    port: int
    attempted: int = 0
    ends: Counter[End] = field(default_factory=Counter)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                pair = await asyncio.open_connection(LOOPBACK, self.port)
        except (OSError, TimeoutError):
            self.ends[End.UNCONNECTED] += 1
            return None
        self.attempted += 1
        return pair

    async def ask(
        self, method: str, path: str, body: bytes = b"", *headers: str, content_type: str = "text/plain"
    ) -> tuple[int, bytes]:
        """One request on a connection of its own: its status, 0 when it was lost, and the answer's body."""
        pair = await self.open()
        if pair is None:
            return 0, b""
        reader, writer = pair
        lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
        if body:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        answer = b""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                answer = await reader.read(-1)
        except (OSError, TimeoutError):
            pass  # what came until then counts: a reset may follow an answer
        finally:
            writer.close()
        status = status_of(answer)
        self.ends[End.LOST if not status else End.REFUSED if status == 503 else End.ANSWERED] += 1
        return status, answer.partition(b"\r\n\r\n")[2]

    async def linger(self, habit: Habit, seconds: float) -> None:
        """Hold a connection by `habit` for `seconds`, or until the gateway closes it."""
        pair = await self.open()
        if pair is None:
            return
        reader, writer = pair
        slow = habit in (Habit.SLOW_HEAD, Habit.SLOW_BODY)
        answer, closed = b"", False
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            writer.write(_OPENING[habit])
            while not closed and loop.time() < until:
                try:
                    async with asyncio.timeout(TRICKLE if slow else seconds):
                        data = await reader.read(65_536)
                except TimeoutError:
                    if slow:
                        writer.write(b"x")
                    continue
                answer += data
                closed = not data or status_of(answer) == 503
        except OSError:
            closed = True
        finally:
            writer.close()
        self.ends[self._end(habit, status_of(answer), closed=closed)] += 1

    @staticmethod
    def _end(habit: Habit, status: int, *, closed: bool) -> End:
        if status == 503:
            return End.REFUSED
        if status:
            return End.ANSWERED
        if habit is Habit.KEEP_ALIVE:
            return End.LOST
        return End.LET_GO if closed else End.LEFT


def status_of(answer: bytes) -> int:
    """The status code of an answer that has begun; 0 when none has."""
    code = answer[9:12]
    return int(code) if answer.startswith(b"HTTP/1.") and code.isdigit() else 0


async def crowd(door: Door, size: int, wave: int, pause: float, seconds: float) -> None:
    """`size` callers of all habits, `wave` at a time with `pause` seconds between; each lingers `seconds`."""
    habits = list(Habit)
    callers = iter(range(size))
    async with asyncio.TaskGroup() as tasks:
        while numbers := list(islice(callers, wave)):
            for number in numbers:
                tasks.create_task(door.linger(habits[number % len(habits)], seconds))
            await asyncio.sleep(pause)
