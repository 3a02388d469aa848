"""Servers on loopback that play a push service: one speaks HTTP/1.1 by script, the other is nginx with
HTTP/2.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

import pytest

from gateway.webpush import PushHosts, PushRequest, Reply, Transport
from loadtest.sink import Sink, find_nginx, running_nginx
from tests.fakes.certificates import Authority, Certificate

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
HANG_UP = b""


@dataclass
class Http1Server:
    """Answers with `answers` in turn, then with `CREATED`; HANG_UP closes the connection instead."""

    certificate: Certificate
    answers: deque[bytes] = field(default_factory=deque)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    silent: bool = False
    port: int = 0
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        context = self.certificate.server_context()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task, writer in self._serving.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving[task] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                answer = await self._read_and_choose(reader)
                writer.write(answer)
                await writer.drain()
                if answer == HANG_UP or b"Connection: close" in answer:
                    break
        writer.close()

    async def _read_and_choose(self, reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        headers[""] = head[0]
        body = await reader.readexactly(int(headers["Content-Length"]))
        self.requests.append((headers, body))
        if self.silent:
            await asyncio.Event().wait()
        return self.answers.popleft() if self.answers else CREATED


@pytest.fixture
async def http1(authority: Authority) -> AsyncIterator[Http1Server]:
    """A server that speaks HTTP/1.1 only, under the names of localhost and FCM."""
    server = Http1Server(authority.issue("localhost", "127.0.0.1", "fcm.googleapis.com"))
    await server.start()
    yield server
    await server.close()


StartNginx = Callable[..., AbstractContextManager[Sink]]


@pytest.fixture(scope="session")
def start_nginx() -> StartNginx:
    """`running_nginx`, or a skip where there is none."""
    if find_nginx() is None:
        pytest.skip("nginx, the only HTTP/2 server at hand, is not installed: apt-get install nginx-light")
    return running_nginx


@pytest.fixture(scope="session")
def nginx(start_nginx: StartNginx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """nginx with HTTP/2 that says which connection and protocol a request came by."""
    headers = "add_header X-Connection $connection; add_header X-Protocol $server_protocol;"
    with start_nginx(
        tmp_path_factory.mktemp("nginx"), root=f"location / {{ {headers} return 201; }}"
    ) as sink:
        yield sink


def make_request(url: str, body: bytes = b"sealed", headers: list[str] | None = None) -> PushRequest:
    """A request to a loopback URL that the operator has listed."""
    hosts = PushHosts.parse(url.removeprefix("https://").partition("/")[0])
    return PushRequest(url, hosts.origin(url), ["TTL: 60"] if headers is None else headers, body)


async def post_all(transport: Transport, requests: list[PushRequest]) -> list[Reply]:
    """Post all at once and wait for the replies, in order of arrival."""
    replies: list[Reply] = []
    for request in requests:
        transport.post(request, lambda _request, reply: replies.append(reply))
    assert await transport.drain(20), f"{transport.in_flight} requests were never answered"
    return replies


async def post_one(transport: Transport, request: PushRequest) -> Reply:
    """Post one and return its reply."""
    return (await post_all(transport, [request]))[0]
