"""The fake push service's HTTP/1.1 side: a protocol that reads only what it needs, and the ledger.

One request at a time on a connection, as libcurl and nginx send them; HTTP/2 is spoken by nginx in front.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from functools import lru_cache
from http import HTTPStatus
from typing import cast

from gateway.webpush.endpoint import Provider
from loadtest.push_rules import Answer, Fault, Head, accepted, provider_of, read_head, refusal, too_large
from loadtest.scenarios import Arrived, Scenario

KEPT = "kept-"  # a token that begins like this has a mailbox: its pushes wait to be fetched
MOST_MAILBOXES = 100_000
MOST_LETTERS = 32
MOST_TOPICS = 200_000
MOST_HEADS = 4_096
MOST_HEAD_BYTES = 32_768


class Ledger:
    """What arrived, what it was answered, and the pushes that are kept for those who decrypt them."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()  # (provider, status)
        self.by_topic: OrderedDict[str, list[float]] = OrderedDict()  # seconds since the epoch
        self.mailboxes: OrderedDict[str, deque[tuple[float, bytes]]] = OrderedDict()
        self.in_flight = 0
        self.most_in_flight = 0

    def arrived(self, topic: str) -> None:
        self.by_topic.setdefault(topic, []).append(time.time())
        if len(self.by_topic) > MOST_TOPICS:
            self.by_topic.popitem(last=False)

    def keep(self, path: str, body: bytes) -> None:
        token = KEPT + path.rpartition(KEPT)[2]
        mailbox = self.mailboxes.get(token)
        if mailbox is None:
            mailbox = self.mailboxes[token] = deque(maxlen=MOST_LETTERS)
            if len(self.mailboxes) > MOST_MAILBOXES:
                self.mailboxes.popitem(last=False)
        mailbox.append((time.time(), body))

    def fetch(self, token: str) -> list[tuple[float, bytes]]:
        """(arrived, body), oldest first; each once."""
        return list(self.mailboxes.pop(token, ()))


class PushService:
    """Judges pushes: first the provider's rules, then the scenario that the provider plays."""

    def __init__(self, plays: dict[Provider, Scenario]) -> None:
        self.plays = plays
        self.ledger = Ledger()
        self._heads: dict[bytes, Head] = {}

    def head(self, lines: bytes) -> Head:
        """A sender repeats its header lines, to the byte, for everybody at one origin: read them once."""
        found = self._heads.get(lines)
        if found is None:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            found = self._heads[lines] = read_head(lines, time.time())
        return found

    def judge(
        self, method: bytes, path: str, head: Head, body: bytes
    ) -> tuple[Provider, Answer, float | None]:
        """Whose push it was, its answer and after how many seconds it is due; None for never."""
        ledger = self.ledger
        if head.topic:
            ledger.arrived(head.topic)
        provider = provider_of(head.host, path)
        fault = Fault.METHOD if method != b"POST" else head.fault
        if fault is None and too_large(provider, len(body)):
            fault = Fault.TOO_LARGE
        if fault is not None:
            return provider, refusal(provider, fault), 0.0
        fate = self.plays[provider](Arrived(provider, path, head.key, time.monotonic()))
        if fate.answer is not None:
            return provider, fate.answer, fate.delay
        if fate.delay is not None and KEPT in path:
            ledger.keep(path, body)
        return provider, accepted(provider), fate.delay


class PushProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: PushService) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        start = 0
        while (end := buffer.find(b"\r\n\r\n", start)) >= 0:
            line_end = buffer.find(b"\r\n", start)
            head = self._service.head(buffer[line_end:end])
            stop = end + 4 + (head.length or 0)
            if len(buffer) < stop:
                break
            self._serve(buffer[start:line_end], head, buffer[end + 4 : stop])
            start = stop
        self._buffer = buffer[start:]
        if len(self._buffer) > MOST_HEAD_BYTES and self._transport is not None:
            self._transport.abort()

    def _serve(self, request_line: bytes, head: Head, body: bytes) -> None:
        method, _, rest = request_line.partition(b" ")
        path = rest.partition(b" ")[0].decode("latin-1")
        provider, answer, delay = self._service.judge(method, path, head, body)
        ledger = self._service.ledger
        ledger.in_flight += 1
        ledger.most_in_flight = max(ledger.most_in_flight, ledger.in_flight)
        if delay == 0:
            self._answer(provider, answer)
        elif delay is not None:
            self._loop.call_later(delay, self._answer, provider, answer)

    def _answer(self, provider: Provider, answer: Answer) -> None:
        ledger = self._service.ledger
        ledger.in_flight -= 1
        if self._transport is not None:  # the sender may have given up meanwhile
            ledger.answers[provider.value, answer.status] += 1
            self._transport.write(_written(answer))


@lru_cache(maxsize=512)
def _written(answer: Answer) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    phrase = HTTPStatus(answer.status).phrase
    head = f"HTTP/1.1 {answer.status} {phrase}\r\n{fields}Content-Length: {len(answer.body)}\r\n\r\n"
    return head.encode("latin-1") + answer.body
