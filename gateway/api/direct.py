"""POST /v1/public/events without aiohttp: its tasks, objects and signals cost more than storing an event.

Only what is plain in every way is taken. Anything else (an odd header, a content type that browsers do not
send, a token that is not genuine, a site that has to be looked up) goes the ordinary way, and so does what
could not be stored: its route fails as the database did. Answers and counts are the same either way.
"""

import random
import re
import time

import msgspec
from aiohttp import web

from gateway.api.browser import BROWSERS, Browsers
from gateway.api.events import Reports, report_events
from gateway.api.no_content import no_content
from gateway.api.requests import RequestCounts
from gateway.openfiles.direct import Answering, Direct

DIRECT = web.AppKey("direct", Direct)

_LINE = b"POST /v1/public/events HTTP/1.1\r\n"
_ROUTE = (report_events.path, report_events.method)
_LONGEST_HEAD = 4_096  # half of what aiohttp takes of one line
_MOST_FAILURES = 20_000
_MOST_HEADERS = 64  # half of what aiohttp takes
_NO_TEXT = bytes(each for each in range(256) if not (32 <= each < 127 or each in b"\r\n"))
_NAME = re.compile(rb"[a-z0-9-]{1,64}")
_ORIGIN = re.compile(rb"https?://[!-~]+")
_READ = frozenset((b"host", b"content-length", b"content-type", b"origin"))
# They change what the bytes mean, or how the connection goes on.
_ODD = frozenset(
    b"connection keep-alive proxy-connection transfer-encoding content-encoding te trailer expect upgrade"
    b" http2-settings".split()
)
_CHARSETS = (b"", b";charset=utf-8", b"; charset=utf-8")
_TYPES = frozenset(each.encode() + charset for each in report_events.takes for charset in _CHARSETS)


class DirectEvents:
    """gateway.openfiles.direct.Direct for the events of browsers."""

    def __init__(self, browsers: Browsers, requests: RequestCounts) -> None:
        self._browsers = browsers
        self._ingest = browsers.ingest
        self._requests = requests
        self._decode = msgspec.json.Decoder(Reports).decode

    def take(self, connection: Answering, data: bytes) -> bool:
        if not data.startswith(_LINE):
            return False
        end = data.find(b"\r\n\r\n", len(_LINE), _LONGEST_HEAD)
        if end < 0:
            return False
        body = data[end + 4 :]
        plain, origin = read_head(data[len(_LINE) : end], len(body))
        if not plain or len(body) > report_events.body_limit:
            return False
        try:
            reports = self._decode(body)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return False
        events = self._ingest.genuine_now(reports if isinstance(reports, list) else [reports])
        if not events or not self._ingest.take(
            events, _Waiting(connection, data, origin, self._requests, self._browsers)
        ):
            return False
        self._requests.in_progress += 1
        return True


def read_head(head: bytes, length: int) -> tuple[bool, str | None]:
    """Whether these header lines are plain and announce a body of `length` bytes; and the page's origin."""
    if head.translate(None, _NO_TEXT) != head:
        return False, None
    lines = head.split(b"\r\n")
    if not head.count(b"\r") == head.count(b"\n") == len(lines) - 1 < _MOST_HEADERS:
        return False, None
    read: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b": ")
        name = name.lower()
        if not colon or name in _ODD or name.startswith(b"sec-websocket") or not _NAME.fullmatch(name):
            return False, None
        if name in _READ:
            if name in read or value != value.strip():
                return False, None
            read[name] = value
    origin = read.get(b"origin")
    plain = (
        b"host" in read
        and read.get(b"content-length") == b"%d" % length
        and read.get(b"content-type", b"").lower() in _TYPES
        and (origin is None or _ORIGIN.fullmatch(origin) is not None)
    )
    return plain, None if origin is None else origin.decode()


class _Waiting:
    """gateway.ingest.Answer: one request that is answered when its events are stored."""

    __slots__ = ("_began_at", "_browsers", "_connection", "_data", "_origin", "_requests")

    def __init__(
        self,
        connection: Answering,
        data: bytes,
        origin: str | None,
        requests: RequestCounts,
        browsers: Browsers,
    ) -> None:
        self._connection = connection
        self._data = data
        self._origin = origin
        self._requests = requests
        self._browsers = browsers
        self._began_at = time.perf_counter()

    def done(self) -> bool:
        return False

    def set_result(self, _: None, /) -> None:
        self._requests.in_progress -= 1
        self._requests.add(_ROUTE, report_events.status, time.perf_counter() - self._began_at)
        text = no_content(f"{random.getrandbits(64):016x}", self._origin)
        self._connection.answer(text.encode())

    def set_exception(self, exception: Exception, /) -> None:
        self._requests.in_progress -= 1
        not_stored, transport = self._browsers.not_stored, self._connection.transport
        if transport is not None:
            if len(not_stored) >= _MOST_FAILURES:  # of callers that have gone meanwhile
                not_stored.clear()
            not_stored[transport] = exception
        self._connection.hand_back(self._data)


def add_direct(app: web.Application, requests: RequestCounts) -> None:
    app[DIRECT] = DirectEvents(app[BROWSERS], requests)
