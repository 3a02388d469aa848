"""The transport against nginx with HTTP/2."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pycurl
import pytest
import uvloop

from gateway.webpush import CurlTransport, ProxySettings, Reply, TransportLimits
from gateway.webpush.transfer import AGAIN_TOGETHER, Peer, Transfer
from loadtest.delay import far_away
from loadtest.sink import Sink
from tests.unit.webpush.conftest import StartNginx, make_request, post_all, post_one

DIRECT = ProxySettings()


def connections(replies: list[Reply]) -> set[str | None]:
    return {reply.header("X-Connection") for reply in replies}


def transport_to(sink: Sink, limits: TransportLimits | None = None) -> CurlTransport:
    return CurlTransport(ca_file=sink.ca_file, proxy=DIRECT, limits=limits)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_many_requests_share_few_connections(
    nginx: Sink, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def blast() -> list[Reply]:
        transport = transport_to(nginx)
        replies = await post_all(transport, [make_request(f"{nginx.url}/{number}") for number in range(350)])
        transport.close()
        return replies

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        replies = runner.run(blast())
    assert [reply.status for reply in replies] == [201] * 350
    assert {reply.header("X-Protocol") for reply in replies} == {"HTTP/2.0"}
    assert len(connections(replies)) <= 4


async def test_connections_grow_with_what_is_in_flight_up_to_the_cap(nginx: Sink) -> None:
    transport = transport_to(nginx, TransportLimits(connections_per_origin=1))
    replies = await post_all(transport, [make_request(f"{nginx.url}/{number}") for number in range(350)])
    transport.close()
    assert [reply.status for reply in replies] == [201] * 350
    assert len(connections(replies)) == 1


async def test_a_connection_is_kept_for_later_requests(nginx: Sink) -> None:
    transport = transport_to(nginx)
    replies = [await post_one(transport, make_request(f"{nginx.url}/{number}")) for number in range(3)]
    transport.close()
    assert len(connections(replies)) == 1


async def test_a_server_that_ends_its_connections_again_and_again_costs_no_error(
    start_nginx: StartNginx, tmp_path: Path
) -> None:
    with start_nginx(tmp_path, requests_per_connection=300) as sink:
        transport = transport_to(sink)
        replies = []
        for _ in range(20):
            requests = [make_request(f"{sink.url}/{number}") for number in range(150)]
            replies += await post_all(transport, requests)
        transport.close()
    assert [reply.status for reply in replies] == [201] * 3000


async def test_a_server_that_goes_away_leaves_nothing_unanswered(
    start_nginx: StartNginx, tmp_path: Path
) -> None:
    with start_nginx(tmp_path) as sink:
        transport = transport_to(sink)
        assert (await post_one(transport, make_request(f"{sink.url}/x"))).status == 201
    reply = await post_one(transport, make_request(f"{sink.url}/x"))
    transport.close()
    assert reply.status == 0
    assert reply.error


async def test_connections_that_end_far_away_with_requests_on_their_way_cost_no_error(
    start_nginx: StartNginx, tmp_path: Path
) -> None:
    with start_nginx(tmp_path, requests_per_connection=500) as sink, far_away(sink.port, 0.01) as port:
        transport = transport_to(sink)
        request = make_request(f"https://localhost:{port}/x")
        replies: list[Reply] = []
        left = 8_000

        def post() -> None:
            nonlocal left
            left -= 1
            transport.post(request, on_reply)

        def on_reply(_request: object, reply: Reply) -> None:
            replies.append(reply)
            if left:
                post()

        for _ in range(600):
            post()
        assert await transport.drain(30)
        transport.close()
    assert len(replies) == 8_000
    assert {(reply.status, reply.error) for reply in replies} == {(201, "")}


def test_only_what_answers_is_sent_again_to_and_one_for_five_answers() -> None:
    peer = Peer(private_allowed=True, proxy="")
    assert not peer.take_again()
    for _ in range(12):
        peer.answered()
    assert [peer.take_again() for _ in range(3)] == [True, True, False]
    for _ in range(100_000):
        peer.answered()
    assert sum(peer.take_again() for _ in range(1_000)) == AGAIN_TOGETHER


class Dawdler(Transfer):
    """Takes its time with the answer of /second, while more answers arrive."""

    def prepare(self, request: Any, *args: Any, **options: Any) -> None:
        super().prepare(request, *args, **options)
        self.awake = False
        if request.url.endswith("/second"):
            self.curl.setopt(pycurl.NOPROGRESS, 0)
            self.curl.setopt(pycurl.XFERINFOFUNCTION, self._dawdle)

    def _dawdle(self, *_progress: int) -> None:
        if self._lines and not self.awake:
            self.awake = True
            time.sleep(0.8)


async def test_an_answer_that_was_read_together_with_another_is_not_left_lying(
    start_nginx: StartNginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.webpush.curl.Transfer", Dawdler)
    rates = {"first": 2, "second": 10, "third": 4}  # a second: so late is the answer to the second request
    http = "".join(
        f"limit_req_zone $server_port zone={path}:64k rate={rate}r/s;" for path, rate in rates.items()
    )
    root = "".join(
        f"location /{path} {{ limit_req zone={path} burst=9; error_page 404 405 = @taken; }}"
        for path in rates
    )
    with start_nginx(tmp_path, http=http, root=root + "location @taken { return 201; }") as sink:
        transport = transport_to(sink)
        requests = [make_request(f"{sink.url}/{path}") for path in rates]
        await post_all(transport, [make_request(f"{request.url}/ahead") for request in requests])
        replies: list[str] = []
        for request in requests:
            transport.post(request, lambda request, _reply: replies.append(request.url.rpartition("/")[2]))
        in_time = await transport.drain(3)
        transport.close()
    assert replies == ["second", "third", "first"]
    assert in_time, "the first waited for a time-out of libcurl's"
