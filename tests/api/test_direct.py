"""Events that are answered without aiohttp get the answers, and are counted, as on the ordinary way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.api.browser import BROWSERS
from gateway.api.direct import DIRECT
from gateway.api.server import build_application, make_runner
from gateway.context import Context
from gateway.openfiles import Acceptor, listen
from gateway.openfiles.direct import Answering, Direct, is_whole
from gateway.tokens import EVENT_TOKENS, issue_event_token
from storage import rollups
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.ids import Kind, decode_id
from tests.api.conftest import Api
from tests.eventually import eventually

HEADERS = {
    "Host": "push.example.net",
    "Content-Type": "text/plain;charset=UTF-8",
    "Accept": "*/*",
    "Origin": "https://example.com",
    "Sec-Fetch-Mode": "cors",
    "X-Forwarded-For": "10.1.2.3",
}
MESSAGE = 77


@dataclass
class Watched:
    """Notes what was taken."""

    direct: Direct
    taken: list[bool] = field(default_factory=list)

    def take(self, connection: Answering, data: bytes) -> bool:
        self.taken.append(self.direct.take(connection, data))
        return self.taken[-1]


@dataclass
class Gateway:
    context: Context
    site_id: int
    watched: Watched
    app: Any
    runner: web.AppRunner
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def event(self, subscription_id: int = 1) -> dict[str, Any]:
        key = self.context.master_key.derive(EVENT_TOKENS, self.site_id)
        now = self.context.clock.now()
        return {
            "token": issue_event_token(key, self.site_id, MESSAGE, subscription_id, 0, now),
            "kind": "displayed",
        }

    async def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer, without what differs each time."""
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> tuple[bytes, bytes]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1]) if length else 0)
        head = re.sub(rb"(X-Request-Id|Date): [^\r]+", rb"\1", head)
        return head, re.sub(rb'"request_id":"\w+"', b"", body)

    async def displayed(self) -> int:
        async def body(tx: Transaction) -> int:
            return sum(each.n for each in await rollups.of_message(tx, self.site_id, MESSAGE))

        return await self.context.database.read(body)

    def requests(self) -> dict[str, float]:
        return {
            sample.labels["status"]: sample.value
            for metric in self.context.registry.collect()
            for sample in metric.samples
            if sample.name == "gateway_requests_total" and sample.labels["route"] == "/v1/public/events"
        }


def request(body: object, line: str = "POST /v1/public/events HTTP/1.1", **changes: str | None) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {**HEADERS, "Content-Length": str(len(raw)), **named}
    lines = [line, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode() + raw


@pytest.fixture
async def gateway(context: Context, api: Api) -> AsyncIterator[Gateway]:
    site_id = decode_id(Kind.SITE, await api.new_site())
    for collector in list(context.registry._collector_to_names):  # those of the fixture's own application
        context.registry.unregister(collector)
    app = build_application(context)
    runner = make_runner(app, shutdown_timeout=5)
    await runner.setup()
    assert runner.server is not None
    watched = Watched(app[DIRECT])
    listeners = listen("127.0.0.1", 0)
    accepting = asyncio.create_task(Acceptor(listeners, runner.server, 100, direct=watched).run())
    streams = await asyncio.open_connection(*listeners[0].getsockname())
    made = Gateway(context, site_id, watched, app, runner, *streams)
    await app[BROWSERS].sites.get(site_id)
    yield made
    streams[1].close()
    accepting.cancel()
    await asyncio.wait([accepting])
    await runner.cleanup()


@pytest.mark.parametrize("origin", ["https://example.com", None])
async def test_an_event_is_answered_as_on_the_ordinary_way(gateway: Gateway, origin: str | None) -> None:
    direct = await gateway.ask(request([gateway.event(1)], Origin=origin))
    ordinary = await gateway.ask(request([gateway.event(2)], Origin=origin, Connection="keep-alive"))
    again = await gateway.ask(request(gateway.event(3), Origin=origin, Content_Type="application/json"))
    assert gateway.watched.taken == [True, False, True]
    assert direct == ordinary == again
    assert direct[0].startswith(b"HTTP/1.1 204 No Content\r\n")
    assert await gateway.displayed() == 3
    assert gateway.requests() == {"204": 3}


ODD: dict[str, tuple[int, dict[str, Any]]] = {
    "another type": (415, {"Content_Type": "image/png"}),
    "no type": (415, {"Content_Type": None}),
    "another charset": (415, {"Content_Type": "text/plain;charset=latin-1"}),
    "compressed": (415, {"Content_Encoding": "gzip"}),
    "an odd origin": (204, {"Origin": "https://caf\xe9.example"}),
    "a tab": (204, {"Accept": "a\tb"}),
    "an old protocol": (204, {"line": "POST /v1/public/events HTTP/1.0", "Connection": "keep-alive"}),
    "a query": (204, {"line": "POST /v1/public/events?a=1 HTTP/1.1"}),
    "another method": (405, {"line": "PUT /v1/public/events HTTP/1.1"}),
}


@pytest.mark.parametrize("case", ODD)
async def test_what_is_not_plain_goes_the_ordinary_way(gateway: Gateway, case: str) -> None:
    status, changes = ODD[case]
    head, _ = await gateway.ask(request([gateway.event()], **changes))
    assert int(head.split()[1]) == status
    assert gateway.watched.taken == [False]


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b"[]"), (400, b"{"), (400, [{"token": "guess", "kind": "displayed"}]), (413, b" " * 33_000)],
)
async def test_what_is_refused_is_refused_by_its_route_and_the_next_event_is_taken(
    gateway: Gateway, status: int, body: object
) -> None:
    head, text = await gateway.ask(request(body))
    assert (
        int(head.split()[1]) == status == json.loads(text.replace(b",,", b",").replace(b",}", b"}"))["status"]
    )
    assert gateway.requests() == {str(status): 1}
    if status == 400:
        await gateway.ask(request([gateway.event()]))
        assert gateway.watched.taken == [False, True]


async def test_of_several_events_a_bad_one_costs_nothing(gateway: Gateway) -> None:
    head, _ = await gateway.ask(request([gateway.event(), {"token": "guess", "kind": "displayed"}]))
    assert head.startswith(b"HTTP/1.1 204")
    assert (gateway.watched.taken, await gateway.displayed()) == ([False], 1)
    assert gateway.app[BROWSERS].ingest.counts.refused == {"malformed": 1}


async def test_a_request_in_pieces_is_the_ordinary_ways(gateway: Gateway) -> None:
    data = request([gateway.event()])
    gateway.writer.write(data[:-10])
    await eventually(lambda: gateway.watched.taken)
    assert (await gateway.ask(data[-10:]))[0].startswith(b"HTTP/1.1 204")
    assert gateway.watched.taken == [False]


async def test_the_body_of_another_request_is_none_of_its_own(gateway: Gateway) -> None:
    hidden = request([gateway.event()])
    data = request(hidden)
    gateway.writer.write(data[: -len(hidden)])
    await eventually(lambda: gateway.watched.taken)
    assert (await gateway.ask(hidden))[0].startswith(b"HTTP/1.1 400")
    assert (gateway.watched.taken, await gateway.displayed()) == ([False], 0)


async def test_requests_that_do_not_wait_for_their_answers_are_answered_in_order(gateway: Gateway) -> None:
    gateway.writer.write(request([gateway.event(1)]))
    await eventually(lambda: gateway.watched.taken)
    gateway.writer.write(request([gateway.event(2)]) + request(b"["))
    statuses = [int((await gateway.answer())[0].split()[1]) for _ in range(3)]
    assert statuses == [204, 204, 400]
    assert await gateway.displayed() == 2


async def test_what_could_not_be_stored_is_answered_by_its_route_and_counted_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise StorageUnavailable("The disk is full.")

    ingest = gateway.app[BROWSERS].ingest
    with monkeypatch.context() as patched:
        patched.setattr(ingest._database, "write", fail)
        direct = await gateway.ask(request([gateway.event()]))
        ordinary = await gateway.ask(request([gateway.event()], Connection="keep-alive"))
    assert gateway.watched.taken == [True, False]
    assert direct == ordinary
    assert direct[0].startswith(b"HTTP/1.1 503")
    assert ingest.counts.refused == {"not_stored": 2}
    assert gateway.requests() == {"503": 2}
    assert (await gateway.ask(request([gateway.event()])))[0].startswith(b"HTTP/1.1 204")
    assert (await gateway.displayed(), gateway.app[BROWSERS].not_stored) == (1, {})


async def test_who_stops_the_gateway_waits_for_the_events_that_were_taken(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest, release = gateway.app[BROWSERS].ingest, asyncio.Event()
    write = ingest._database.write

    async def slowly(body: Any) -> Any:
        await release.wait()
        return await write(body)

    monkeypatch.setattr(ingest._database, "write", slowly)
    asked = asyncio.create_task(gateway.ask(request([gateway.event()])))
    await eventually(lambda: gateway.watched.taken == [True])
    stopping = asyncio.create_task(gateway.runner.cleanup())
    for _ in range(10):  # turns of the loop: by then it waits
        await asyncio.sleep(0)
    release.set()
    assert (await asked)[0].startswith(b"HTTP/1.1 204")
    await stopping


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", False),
        (b"GET / HTTP/1.1\r\nHost", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", False),
    ],
)
def test_a_request_is_whole_or_it_is_not(data: bytes, whole: bool) -> None:
    assert is_whole(data) is whole
