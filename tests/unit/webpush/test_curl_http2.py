"""The transport against nginx with HTTP/2."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from gateway.webpush import CurlTransport, ProxySettings, Reply, TransportLimits
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
