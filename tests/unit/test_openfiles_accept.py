import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from gateway.errors import CannotStart
from gateway.openfiles import Acceptor, Budget, OpenFilesCollector, listen
from tests.eventually import eventually

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
# A budget of 8 keeps 2 for callers being refused and 2 for connections being shed: 4 may stay.
BUDGET, STAY = 8, 4


@dataclass
class Running:
    acceptor: Acceptor
    address: tuple[str, int]
    task: asyncio.Task[None]
    release: asyncio.Event
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.clients.append(writer)
        return reader, writer

    async def occupy(self) -> None:
        """Connections that ask nothing, as many as may stay."""
        for _ in range(STAY):
            await self.connect()
        await eventually(lambda: self.acceptor.counts.accepted == STAY)

    async def occupy_rest(self) -> None:
        """As `occupy`, when one is there already."""
        for _ in range(STAY - 1):
            await self.connect()
        await eventually(lambda: self.acceptor.counts.accepted == STAY)

    async def hang_up(self) -> None:
        for writer in self.clients:
            writer.close()
        for writer in self.clients:
            with suppress(ConnectionError):
                await writer.wait_closed()


Serving = Callable[..., Awaitable[Running]]


async def ask(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes = GET
) -> tuple[int, dict[str, str], bytes]:
    reader, writer = streams
    writer.write(request)
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def ended(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    try:
        return await asyncio.wait_for(streams[0].read(), 5) == b""
    except ConnectionResetError:
        return True


@asynccontextmanager
async def serving(budget: int, head_timeout: float, read_timeout: float) -> AsyncIterator[Running]:
    release = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/slow":
            await release.wait()
        return web.Response(body=bytes(16_000_000) if request.path == "/large" else b"here")

    server = web.Server(answer, access_log=None)
    listeners = listen("127.0.0.1", 0, read_timeout=read_timeout)
    acceptor = Acceptor(listeners, server, budget, head_timeout=head_timeout)
    task = asyncio.create_task(acceptor.run())
    running = Running(acceptor, listeners[0].getsockname(), task, release)
    yield running
    release.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await running.hang_up()
    await server.shutdown(1)
    await eventually(lambda: acceptor.open_connections == 0)
    counts = acceptor.counts
    assert counts.attempted == counts.accepted + counts.refused


@pytest.fixture
async def serve() -> AsyncIterator[Serving]:
    async with AsyncExitStack() as stack:

        async def start(
            budget: int = BUDGET, head_timeout: float = 10.0, read_timeout: float = 60.0
        ) -> Running:
            return await stack.enter_async_context(serving(budget, head_timeout, read_timeout))

        yield start


async def test_requests_are_answered_as_by_any_server(serve: Serving) -> None:
    running = await serve()
    async with ClientSession() as session:
        for _ in range(20):
            async with session.get("http://{}:{}/".format(*running.address)) as response:
                assert await response.text() == "here"
    assert (running.acceptor.counts.attempted, running.acceptor.counts.accepted) == (1, 1)


async def test_the_connection_that_is_idle_longest_makes_room_for_a_new_one(serve: Serving) -> None:
    running = await serve()
    idle = [await running.connect() for _ in range(STAY)]
    for each in idle:
        assert (await ask(each))[0] == 200
    assert (await ask(idle[0]))[0] == 200  # now the second has been idle longest
    newcomer = await running.connect()
    assert (await ask(newcomer))[0] == 200
    assert await ended(idle[1])
    for each in (idle[0], idle[2], idle[3]):
        assert (await ask(each))[0] == 200
    assert running.acceptor.counts.shed_idle == 1
    assert running.acceptor.counts.refused == 0


async def test_when_nobody_is_idle_the_caller_is_answered_503_as_a_problem(serve: Serving) -> None:
    running = await serve()
    busy = [await running.connect() for _ in range(STAY)]
    for _, writer in busy:
        writer.write(GET.replace(b"/ ", b"/slow "))
    await eventually(lambda: running.acceptor.counts.accepted == STAY)
    status, headers, body = await ask(
        await running.connect(), b"POST /v1/public/events HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert status == 503
    assert headers["retry-after"] == "5"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body) == {
        "type": "/docs#too_many_connections",
        "title": "The gateway has no connection to spare",
        "status": 503,
        "code": "too_many_connections",
        "detail": "The gateway has no connection to spare.",
    }
    assert running.acceptor.counts.refused == 1


async def test_a_client_library_reads_the_503_although_it_sends_a_body(serve: Serving) -> None:
    running = await serve()
    await running.occupy()
    async with ClientSession() as session:
        for _ in range(5):
            async with session.post(
                "http://{}:{}/".format(*running.address), data=b"x" * 300_000
            ) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "5"


async def test_a_caller_that_sends_everything_before_it_reads_still_gets_its_503(serve: Serving) -> None:
    running = await serve()
    await running.occupy()
    size = 8_000_000  # more than the system keeps for a connection: it must be read, or the caller is stuck
    reader, writer = await running.connect()
    writer.write(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
    await asyncio.wait_for(writer.drain(), 5)
    assert (await ask((reader, writer), b""))[0] == 503


async def test_connections_that_have_asked_nothing_are_not_idle(serve: Serving) -> None:
    running = await serve()
    silent = [await running.connect() for _ in range(STAY)]
    await eventually(lambda: running.acceptor.counts.accepted == STAY)
    assert (await ask(await running.connect()))[0] == 503
    for each in silent:
        assert (await ask(each))[0] == 200


async def test_a_silent_connection_loses_its_place_early_when_others_want_it(serve: Serving) -> None:
    running = await serve(head_timeout=0.5)
    first = await running.connect()
    await eventually(lambda: running.acceptor.counts.accepted == 1)
    await asyncio.wait_for(running.occupy_rest(), 5)

    async def served() -> bool:
        return (await ask(await running.connect()))[0] == 200

    await eventually(served)
    assert await ended(first)
    assert running.acceptor.counts.head_timeouts >= 1


async def test_a_connection_in_the_middle_of_its_next_head_is_not_idle(serve: Serving) -> None:
    running = await serve()
    streams = [await running.connect() for _ in range(STAY)]
    for each in streams:
        await ask(each)
        each[1].write(GET[:9])
    await eventually(lambda: len(running.acceptor._connections._heads_due) == STAY)
    assert (await ask(await running.connect()))[0] == 503
    for each in streams:
        assert (await ask(each, GET[9:]))[0] == 200


async def test_refusing_more_callers_at_once_than_there_is_room_to_refuse_answers_them_all(
    serve: Serving,
) -> None:
    running = await serve()
    await running.occupy()
    waiting = [await running.connect() for _ in range(20)]
    answers = await asyncio.gather(*(ask(each) for each in waiting))
    assert {status for status, _, _ in answers} == {503}
    assert running.acceptor.counts.refused == 20


async def test_refused_callers_that_never_hang_up_do_not_block_the_others(serve: Serving) -> None:
    running = await serve()
    await running.occupy()
    mute = [await running.connect() for _ in range(6)]
    assert (await ask(await running.connect()))[0] == 503
    for reader, _ in mute[:4]:
        assert b"too_many_connections" in await asyncio.wait_for(reader.read(), 5)


async def test_a_head_that_does_not_come_in_time_ends_the_connection(serve: Serving) -> None:
    running = await serve(head_timeout=0.3)
    nothing, drop_by_drop, second_head = [await running.connect() for _ in range(3)]
    assert (await ask(second_head))[0] == 200
    second_head[1].write(b"GET")

    async def drip() -> None:
        for byte in GET * 10:
            drop_by_drop[1].write(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    for each in (nothing, drop_by_drop, second_head):
        assert await ended(each)
    await eventually(lambda: running.acceptor.counts.head_timeouts == 3)
    dripping.cancel()


async def test_a_caller_who_never_reads_its_answer_is_cut_off(serve: Serving) -> None:
    running = await serve(read_timeout=0.5)
    _, writer = await running.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(GET.replace(b"/", b"/large", 1))
    await eventually(lambda: running.acceptor.open_connections == 1)
    await eventually(lambda: running.acceptor.open_connections == 0)


async def test_an_idle_connection_and_a_slow_answer_outlive_the_time_for_a_head(serve: Serving) -> None:
    running = await serve(head_timeout=0.1)
    idle, slow = await running.connect(), await running.connect()
    assert (await ask(idle))[0] == 200
    answer = asyncio.create_task(ask(slow, GET.replace(b"/ ", b"/slow ")))
    await asyncio.sleep(0.3)
    running.release.set()
    assert (await answer)[0] == 200
    assert (await ask(idle))[0] == 200
    assert running.acceptor.counts.head_timeouts == 0


async def test_room_is_found_again_when_connections_end(serve: Serving) -> None:
    running = await serve()
    for _ in range(10):
        streams = [await running.connect() for _ in range(STAY)]
        for each in streams:
            assert (await ask(each))[0] == 200
        await running.hang_up()
        await eventually(lambda: running.acceptor.open_connections == 0)
    assert running.acceptor.counts.accepted == 10 * STAY
    assert running.acceptor.counts.refused == running.acceptor.counts.shed_idle == 0


async def test_no_descriptor_left_is_survived_and_counted(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    accept = loop.sock_accept
    failures = [
        OSError(errno.EMFILE, "Too many open files"),
        ConnectionAbortedError(errno.ECONNABORTED, "gone"),
    ]

    async def failing(listener: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop(0)
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", failing)
    running = await serve()
    assert (await ask(await running.connect()))[0] == 200
    assert running.acceptor.counts.accept_failures == 1


async def test_a_failure_of_our_own_ends_the_loop_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = listen("127.0.0.1", 0)
    acceptor = Acceptor(listeners, web.Server(lambda request: asyncio.sleep(0)), BUDGET)  # type: ignore[arg-type,return-value]

    async def broken(listener: socket.socket) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", broken)
    with pytest.raises(ExceptionGroup) as caught:
        await acceptor.run()
    assert caught.group_contains(OSError, match="Bad file descriptor")
    assert listeners[0].fileno() == -1


async def test_an_address_in_use_is_a_sentence_that_names_the_settings() -> None:
    (first,) = listen("127.0.0.1", 0)
    with first, pytest.raises(CannotStart, match="set GATEWAY_HOST and GATEWAY_PORT"):
        listen("127.0.0.1", first.getsockname()[1])


async def test_metrics_show_budget_use_and_refusals(serve: Serving) -> None:
    running = await serve()
    await running.occupy()
    assert (await ask(await running.connect()))[0] == 503
    registry = CollectorRegistry()
    budget = Budget(limit=1_000, inbound=BUDGET, outbound=3, database=2, reserve=1)
    registry.register(OpenFilesCollector(budget, running.acceptor))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("gateway_connections_attempted_total") == STAY + 1
    assert value("gateway_connections_accepted_total") == STAY
    assert value("gateway_connections_refused_total", reason="over_budget") == 1
    assert value("gateway_connections_closed_total", reason="idle_shed") == 0
    assert value("gateway_connections_closed_total", reason="head_timeout") == 0
    assert value("gateway_accept_failures_total") == 0
    assert value("gateway_connections") == STAY
    assert value("gateway_open_files_limit") == 1_000
    assert value("gateway_open_files_budget", purpose="inbound") == BUDGET
    assert (value("gateway_open_files") or 0) > STAY


def test_an_address_that_this_machine_lacks_is_no_obstacle_while_another_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = socket.create_server

    def without_ipv6(
        address: tuple[str, int], *, family: int, backlog: int, reuse_port: bool
    ) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family, backlog=backlog, reuse_port=reuse_port)

    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    monkeypatch.setattr(socket, "create_server", without_ipv6)
    (only,) = listen("localhost", 0)
    assert only.getsockname()[0] == "127.0.0.1"
    only.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both[:1])
    with pytest.raises(CannotStart, match="Cannot listen on localhost"):
        listen("localhost", 0)
