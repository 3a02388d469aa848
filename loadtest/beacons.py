"""Workers that report events: keep-alive connections, prepared bytes, hardly anything done for each answer.

A process of these asks for more than a gateway's core can answer. What was not answered 204 is asked again
later, as the worker's store does, until it was.
"""

import asyncio
import os
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from heapq import heappop, heappush
from multiprocessing import get_context
from typing import cast

import uvloop

from gateway.master_key import MasterKey
from gateway.tokens import EVENT_TOKENS, issue_event_token
from loadtest.audience import MASTER_KEY
from loadtest.sink import LOOPBACK

LOST = 0  # the status of a request whose connection ended before it was answered
TICK = 0.002  # seconds between two looks at who is due
_HEAD = (
    "POST /v1/public/events HTTP/1.1\r\n"
    "Host: push.example.com\r\n"
    "Content-Length: {length}\r\n"
    "User-Agent: Mozilla/5.0 (Linux; Android) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile\r\n"
    "Content-Type: text/plain;charset=UTF-8\r\n"
    "Accept: */*\r\n"
    "Origin: https://shop.example.com\r\n"
    "Sec-Fetch-Site: cross-site\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "X-Forwarded-For: {address}\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Wave:
    """Events of one message, one for each of `subscriptions`."""

    port: int
    site_id: int
    message_id: int
    subscriptions: Sequence[int]
    kind: str = "displayed"
    connections: int = 200
    rate: float | None = None  # events a second; None: as fast as they are answered
    start_at: float = 0.0  # of time.monotonic, which is the same in all processes
    repeated: int = 0  # so many of the events are sent once more
    forged: int = 0  # requests with a token that is none
    again_after: tuple[float, float] = (2.0, 8.0)  # seconds until what was refused is sent again
    give_up_after: float = 120.0  # seconds after the last event


@dataclass(slots=True)
class Answers:
    """`taken`: milliseconds from the moment an event was due until its 204."""

    taken: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    began: float = 0.0
    ended: float = 0.0
    cpu: float = 0.0
    unanswered: int = 0  # given up

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(
            self.taken + other.taken,
            self.statuses + other.statuses,
            min(self.began, other.began),
            max(self.ended, other.ended),
            self.cpu + other.cpu,
            self.unanswered + other.unanswered,
        )

    @property
    def seconds(self) -> float:
        return self.ended - self.began


_Due = tuple[float, bytes]  # when, and the whole request


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, crowd: "_Crowd") -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._asked: _Due | None = None
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._crowd.open.add(self)
        self._crowd.free(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def ask(self, due: _Due) -> None:
        assert self._transport is not None
        self._asked = due
        self._transport.write(due[1])

    def data_received(self, data: bytes) -> None:
        answer = self._answer + data if self._answer else data
        end = answer.find(b"\r\n\r\n")
        if end < 0 or not _is_whole(answer, end):
            self._answer = answer
            return
        self._answer = b""
        asked, self._asked = self._asked, None
        if asked is None:  # nobody asked: a refusal at the door
            return
        self._crowd.answered(asked, int(answer[9:12]))
        if answer.find(b"\r\nConnection: close", 0, end) < 0:
            self._crowd.free(self)

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002
        self._transport = None
        asked, self._asked = self._asked, None
        if asked is not None:
            self._crowd.answered(asked, LOST)
        self._crowd.lost(self)


def _is_whole(answer: bytes, end: int) -> bool:
    if answer.startswith(b"HTTP/1.1 204"):
        return True
    found = answer.lower().find(b"content-length:", 0, end)
    if found < 0:
        return True
    length = int(answer[found + 15 : answer.find(b"\r", found)])
    return len(answer) >= end + 4 + length


class _Crowd:
    def __init__(self, wave: Wave) -> None:
        self._wave = wave
        self.answers = Answers()
        self.open: set[_Connection] = set()
        self._free: deque[_Connection] = deque()
        self._waiting: deque[_Due] = deque()
        self._again: list[_Due] = []
        self._missing = len(wave.subscriptions) + wave.repeated + wave.forged
        self._done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self) -> Answers:
        wave, loop = self._wave, self._loop
        key = MasterKey(MASTER_KEY).derive(EVENT_TOKENS, wave.site_id)
        now = time.time_ns() // 1_000_000
        requests = deque(_requests(key, wave, now))
        await asyncio.gather(*(self._open() for _ in range(wave.connections)))
        late = time.monotonic() - wave.start_at
        if wave.start_at and late > 0:
            raise RuntimeError(f"the workers were {late:.1f} s too late")
        await asyncio.sleep(max(0.0, -late))
        cpu, began = time.process_time(), loop.time()
        self.answers.began = time.monotonic()
        released, last = 0, began
        while not self._done.is_set():
            now_ = loop.time()
            if wave.rate is None:
                while requests:
                    self._waiting.append((now_, requests.popleft()))
                    last = now_
            else:
                while requests and began + released / wave.rate <= now_:
                    last = began + released / wave.rate
                    self._waiting.append((last, requests.popleft()))
                    released += 1
            while self._again and self._again[0][0] <= now_:
                self._waiting.append(heappop(self._again))
            self._serve()
            if not requests and now_ > last + wave.give_up_after:
                break
            await asyncio.sleep(TICK)
        self.answers.ended = time.monotonic()
        self.answers.cpu = time.process_time() - cpu
        self.answers.unanswered = self._missing
        self._done.set()
        for connection in list(self.open):
            connection.close()
        for task in self._opening:
            task.cancel()
        await asyncio.sleep(TICK)  # connections end in the next turn of the event loop
        return self.answers

    def free(self, connection: _Connection) -> None:
        if self._waiting:
            connection.ask(self._due())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection) -> None:
        self.open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if self._done.is_set():
            return
        task = self._loop.create_task(self._open_again())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def answered(self, due: _Due, status: int) -> None:
        self.answers.statuses[status] += 1
        now = self._loop.time()
        if status == 204:
            self.answers.taken.append((now - due[0]) * 1000)
        if status in (204, 400):
            self._missing -= 1
            if not self._missing:
                self._done.set()
        elif status in (LOST, 408, 429) or status >= 500:
            heappush(self._again, (now + random.uniform(*self._wave.again_after), due[1]))

    def _serve(self) -> None:
        while self._free and self._waiting:
            self._free.popleft().ask(self._due())

    def _due(self) -> _Due:
        due = self._waiting.popleft()
        return due if self._wave.rate is not None else (self._loop.time(), due[1])

    async def _open(self) -> None:
        await self._loop.create_connection(lambda: _Connection(self), LOOPBACK, self._wave.port)

    async def _open_again(self) -> None:
        while not self._done.is_set():
            await asyncio.sleep(random.uniform(0.2, 1.0))
            try:
                await self._open()
            except OSError:
                continue
            return


def _requests(key: bytes, wave: Wave, now: int) -> list[bytes]:
    ids = wave.subscriptions
    requests = [_request(key, wave, id, now) for id in ids]
    requests += random.sample(requests, wave.repeated)
    requests += [_request(bytes(32), wave, id, now) for id in random.sample(ids, wave.forged)]
    if wave.repeated or wave.forged:
        random.shuffle(requests)
    return requests


def _request(key: bytes, wave: Wave, subscription_id: int, now: int) -> bytes:
    token = issue_event_token(key, wave.site_id, wave.message_id, subscription_id, 0, now)
    body = f'[{{"token":"{token}","kind":"{wave.kind}","age":0}}]'
    address = ".".join(map(str, [10, *random.randbytes(3)]))
    return (_HEAD.format(length=len(body), address=address) + body).encode()


def _play(wave: Wave, core: int | None) -> Answers:
    if core is not None:
        os.sched_setaffinity(0, {core})
    return uvloop.run(crowd(wave))


async def crowd(wave: Wave) -> Answers:
    """All workers of one process, until everything was answered or they give up."""
    return await _Crowd(wave).run()


def play(waves: Sequence[Wave], core: int | None = None) -> Answers:
    """All waves at once, each in a process of its own; on `core` alone if there is one. Added up."""
    with ProcessPoolExecutor(len(waves), get_context("spawn")) as pool:
        first, *others = [each.result() for each in [pool.submit(_play, wave, core) for wave in waves]]
    for each in others:
        first = first + each
    return first
