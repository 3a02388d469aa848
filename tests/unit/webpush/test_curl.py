"""The transport against a scripted HTTP/1.1 server: what is sent, what is read, and what goes wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.webpush import (
    Answer,
    ApplicationServerKey,
    CurlTransport,
    InvalidEndpoint,
    NoCertificates,
    Origin,
    Provider,
    ProxySettings,
    PushHosts,
    PushRequest,
    Reply,
    RequestHeaders,
    TransportLimits,
    classify,
    parse_endpoint,
)
from loadtest.connect_proxy import ConnectProxy
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock
from tests.unit.webpush.conftest import HANG_UP, Http1Server, make_request, post_all, post_one

DIRECT = ProxySettings()
MakeTransport = Callable[..., CurlTransport]
SHORT = TransportLimits(connect=0.3, total=0.3)


@pytest.fixture
def make_transport(authority: Authority, request: pytest.FixtureRequest) -> MakeTransport:
    """Makes transports that trust the test authority, and closes them."""

    def make(**options: Any) -> CurlTransport:
        given: dict[str, Any] = {"ca_file": authority.ca_file, "proxy": DIRECT} | options
        made = CurlTransport(**given)
        request.addfinalizer(made.close)
        return made

    return make


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
async def transport(make_transport: MakeTransport) -> CurlTransport:
    return make_transport()


async def test_headers_and_body_arrive_as_prepared(transport: CurlTransport, http1: Http1Server) -> None:
    hosts = PushHosts.parse(f"localhost:{http1.port}")
    origin = hosts.origin(f"{http1.url}/x")
    key = ApplicationServerKey.generate()
    lines = RequestHeaders(FakeClock().now).get(key, "mailto:ops@example.com", origin, 60, topic="sale")
    reply = await post_one(transport, PushRequest(f"{http1.url}/x?y", origin, lines, b"\x00\xffsealed"))
    headers, body = http1.requests[0]
    assert reply.status == 201
    assert headers.pop("") == "POST /x?y HTTP/1.1"
    assert body == b"\x00\xffsealed"
    assert [f"{name}: {headers[name]}" for name in headers if f"{name}: {headers[name]}" in lines] == lines
    assert headers["Content-Length"] == "8"
    assert "Transfer-Encoding" not in headers
    assert "Expect" not in headers


async def test_a_handle_used_again_sends_the_next_requests_own_parts(
    transport: CurlTransport, http1: Http1Server
) -> None:
    for number in range(3):
        await post_one(
            transport, make_request(f"{http1.url}/{number}", b"x" * number, [f"TTL: {number + 1}"])
        )
    assert [headers[""].split()[1] for headers, _ in http1.requests] == ["/0", "/1", "/2"]
    assert [headers["TTL"] for headers, _ in http1.requests] == ["1", "2", "3"]
    assert [len(body) for _, body in http1.requests] == [0, 1, 2]
    assert http1.connections == 1


async def test_a_delete_goes_without_a_body_and_the_next_request_is_a_post_again(
    transport: CurlTransport, http1: Http1Server
) -> None:
    http1.answers.append(b"HTTP/1.1 204 No Content\r\n\r\n")
    url = f"{http1.url}/m/1"
    deletion = PushRequest(url, make_request(url).origin, ["Content-Type:"], b"", method="DELETE")
    for request in (deletion, make_request(f"{http1.url}/2"), deletion):
        await post_one(transport, request)
    asked = [(headers[""].split()[0], body) for headers, body in http1.requests]
    assert asked == [("DELETE", b""), ("POST", b"sealed"), ("DELETE", b"")]
    assert "Content-Type" not in http1.requests[0][0]
    assert http1.connections == 1


async def test_http_1_1_uses_connections_up_to_the_cap(
    make_transport: MakeTransport, http1: Http1Server
) -> None:
    transport = make_transport(limits=TransportLimits(connections_per_origin=4))
    replies = await post_all(transport, [make_request(f"{http1.url}/{number}") for number in range(40)])
    assert [reply.status for reply in replies] == [201] * 40
    assert 1 < http1.connections <= 4


async def test_an_answer_is_read_with_headers_and_body(transport: CurlTransport, http1: Http1Server) -> None:
    http1.answers.append(
        b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nslow"
    )
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    assert (reply.status, reply.body, reply.header("retry-after")) == (429, b"slow", "30")
    again = await post_one(transport, make_request(f"{http1.url}/x"))
    assert (again.status, again.body, again.header("retry-after")) == (201, b"", None)


@pytest.mark.parametrize("size", [2048, 50_000, 3_000_000])
async def test_a_long_body_is_cut_and_its_status_kept(
    transport: CurlTransport, http1: Http1Server, size: int
) -> None:
    http1.answers.append(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    assert reply.status == 413
    assert reply.body == b"x" * 2048


async def test_an_answer_whose_body_breaks_off_is_still_an_answer(
    transport: CurlTransport, http1: Http1Server
) -> None:
    http1.answers.append(b"HTTP/1.1 410 Gone\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf")
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    assert (reply.status, reply.body) == (410, b"half")


async def test_a_redirect_is_not_followed(
    transport: CurlTransport, http1: Http1Server, authority: Authority
) -> None:
    other = Http1Server(authority.issue("localhost"))
    await other.start()
    location = f"Location: {other.url}/secret".encode()
    http1.answers.append(b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n" + location + b"\r\n\r\n")
    request = make_request(f"{http1.url}/x")
    reply = await post_one(transport, request)
    await other.close()
    assert other.connections == 0
    assert classify(Provider.OTHER, reply, 0).answer is Answer.REJECTED


async def test_a_connection_closed_without_an_answer_is_unavailable(
    transport: CurlTransport, http1: Http1Server
) -> None:
    http1.answers.append(HANG_UP)
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    verdict = classify(Provider.OTHER, reply, 0)
    assert (verdict.answer, verdict.status) == (Answer.UNAVAILABLE, 0)
    assert "curl 52" in verdict.reason


async def test_what_is_in_flight_when_connections_break_is_unavailable(
    transport: CurlTransport, http1: Http1Server
) -> None:
    http1.silent = True
    replies: list[Reply] = []
    for number in range(3):
        request = make_request(f"{http1.url}/{number}")
        transport.post(request, lambda _request, reply: replies.append(reply))
    assert not await transport.drain(0.2)
    await http1.close()
    assert await transport.drain(10)
    assert [reply.status for reply in replies] == [0, 0, 0]


async def test_a_silent_push_service_is_given_up(make_transport: MakeTransport, http1: Http1Server) -> None:
    http1.silent = True
    reply = await post_one(make_transport(limits=SHORT), make_request(f"{http1.url}/x"))
    assert reply.status == 0
    assert "timed out" in reply.error


async def test_a_closed_port_is_unavailable(make_transport: MakeTransport, http1: Http1Server) -> None:
    await http1.close()
    reply = await post_one(make_transport(), make_request(f"{http1.url}/x"))
    assert classify(Provider.OTHER, reply, 0).answer is Answer.UNAVAILABLE
    assert "curl 7" in reply.error


async def test_a_certificate_of_a_strange_authority_is_refused(
    make_transport: MakeTransport, http1: Http1Server, tmp_path: Path
) -> None:
    transport = make_transport(ca_file=Authority(tmp_path).ca_file)
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    assert reply.status == 0
    assert "certificate" in reply.error
    assert http1.requests == []
    assert transport.observed.certificate_errors == 1
    assert "certificate" in transport.observed.certificate_error


async def test_whoever_asks_is_told_how_far_a_push_services_clock_is_away(
    transport: CurlTransport, http1: Http1Server
) -> None:
    hour_ago = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True).encode()
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"
    http1.answers += [answer + b"Date: yesterday\r\n\r\n", answer + b"Date: " + hour_ago + b"\r\n\r\n"]
    observed = transport.observed
    await post_one(transport, make_request(f"{http1.url}/1"))
    assert (observed.ahead_ms, observed.wants_date) == (None, False)
    observed.wants_date = True
    await post_one(transport, make_request(f"{http1.url}/2"))
    assert observed.ahead_ms == pytest.approx(3_600_000, abs=5_000)
    assert (observed.ahead_of, observed.certificate_errors) == ("localhost", 0)
    await post_one(transport, make_request(f"{http1.url}/3"))  # nobody has asked again
    assert observed.ahead_ms == pytest.approx(3_600_000, abs=5_000)


async def test_a_certificate_for_another_name_is_refused(
    make_transport: MakeTransport, authority: Authority
) -> None:
    server = Http1Server(authority.issue("other.example"))
    await server.start()
    reply = await post_one(make_transport(), make_request(f"{server.url}/x"))
    await server.close()
    assert reply.status == 0
    assert server.requests == []


async def test_a_push_host_that_resolves_to_a_private_address_is_never_connected_to(
    transport: CurlTransport, http1: Http1Server
) -> None:
    # As if DNS led a known push service to loopback: parse_endpoint cannot see that, the socket can.
    origin = Origin(http1.url, "localhost", http1.port, Provider.FCM, configured=False)
    reply = await post_one(transport, PushRequest(f"{http1.url}/x", origin, ["TTL: 1"], b"sealed"))
    assert http1.connections == 0
    assert reply.status == 0
    assert "not a public address" in reply.error
    assert classify(Provider.FCM, reply, 0).answer is Answer.UNAVAILABLE


async def test_a_refusal_is_forgotten_with_its_request(transport: CurlTransport, http1: Http1Server) -> None:
    origin = Origin(http1.url, "localhost", http1.port, Provider.FCM, configured=False)
    await post_one(transport, PushRequest(f"{http1.url}/x", origin, ["TTL: 1"], b"sealed"))
    other = Origin(http1.url + "/", "localhost", http1.port, Provider.OTHER, configured=True)
    reply = await post_one(transport, PushRequest(f"{http1.url}/x", other, ["TTL: 1"], b"sealed"))
    assert reply.status == 201


async def test_pushes_go_through_the_proxy_of_the_environment(
    make_transport: MakeTransport, http1: Http1Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ConnectProxy({"fcm.googleapis.com:443": http1.port})
    await proxy.start()
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    transport = make_transport(proxy=None)
    endpoint = parse_endpoint("https://fcm.googleapis.com/fcm/send/x", PushHosts())
    request = PushRequest(endpoint.url, endpoint.origin, ["TTL: 1"], b"sealed")
    replies = await post_all(transport, [request] * 5)
    transport.close()
    await proxy.close()
    assert [reply.status for reply in replies] == [201] * 5
    assert set(proxy.connected) == {"fcm.googleapis.com:443"}
    with pytest.raises(InvalidEndpoint):
        parse_endpoint(f"{http1.url}/x", PushHosts())


async def test_what_a_proxy_refuses_is_unavailable(make_transport: MakeTransport) -> None:
    proxy = ConnectProxy({})
    await proxy.start()
    transport = make_transport(proxy=ProxySettings(proxy.url))
    endpoint = parse_endpoint("https://web.push.apple.com/x", PushHosts())
    reply = await post_one(transport, PushRequest(endpoint.url, endpoint.origin, ["TTL: 1"], b"sealed"))
    transport.close()
    await proxy.close()
    assert proxy.refused == ["web.push.apple.com:443"]
    assert classify(Provider.APPLE, reply, 0).answer is Answer.UNAVAILABLE


async def test_a_host_of_no_proxy_is_reached_directly(
    make_transport: MakeTransport, http1: Http1Server
) -> None:
    proxy = ConnectProxy({})
    await proxy.start()
    transport = make_transport(proxy=ProxySettings(proxy.url, ("localhost",)))
    reply = await post_one(transport, make_request(f"{http1.url}/x"))
    await proxy.close()
    assert reply.status == 201
    assert proxy.refused == []


async def test_closing_replies_to_what_is_in_flight_and_frees_every_descriptor(
    make_transport: MakeTransport, http1: Http1Server
) -> None:
    before = open_descriptors()
    http1.silent = True
    transport = make_transport()
    replies: list[Reply] = []
    for number in range(5):
        transport.post(make_request(f"{http1.url}/{number}"), lambda _request, reply: replies.append(reply))
    assert not await transport.drain(0.2)
    assert transport.in_flight == 5
    transport.close()
    transport.close()
    assert [reply.error for reply in replies] == ["the gateway is stopping"] * 5
    assert transport.in_flight == 0
    with pytest.raises(RuntimeError, match="closed"):
        transport.post(make_request(f"{http1.url}/x"), lambda _request, _reply: None)
    http1.silent = False
    await http1.close()
    await asyncio.sleep(0)
    assert open_descriptors() <= before


async def test_draining_an_idle_transport_returns_at_once(transport: CurlTransport) -> None:
    assert await transport.drain(0)


async def test_a_reply_may_post_again_and_the_context_comes_back(
    transport: CurlTransport, http1: Http1Server
) -> None:
    seen: list[object] = []

    def on_reply(request: PushRequest, _reply: Reply) -> None:
        seen.append(request.context)
        if len(seen) < 5:
            transport.post(
                PushRequest(request.url, request.origin, request.headers, b"", len(seen)), on_reply
            )

    first = make_request(f"{http1.url}/x")
    transport.post(PushRequest(first.url, first.origin, first.headers, b"", 0), on_reply)
    assert seen == []
    assert await transport.drain(10)
    assert seen == [0, 1, 2, 3, 4]


async def test_a_reply_may_close_the_transport(make_transport: MakeTransport, http1: Http1Server) -> None:
    transport = make_transport()
    replies: list[Reply] = []

    def on_reply(_request: PushRequest, reply: Reply) -> None:
        replies.append(reply)
        transport.close()

    for number in range(5):
        transport.post(make_request(f"{http1.url}/{number}"), on_reply)
    assert await transport.drain(10)
    assert len(replies) == 5
    assert replies[0].status == 201


async def test_a_failing_callback_is_reported_and_the_others_are_still_called(
    transport: CurlTransport, http1: Http1Server
) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    replies: list[Reply] = []

    def fail(_request: PushRequest, _reply: Reply) -> None:
        raise ZeroDivisionError

    transport.post(make_request(f"{http1.url}/x"), fail)
    transport.post(make_request(f"{http1.url}/x"), lambda _request, reply: replies.append(reply))
    assert await transport.drain(10)
    assert [reply.status for reply in replies] == [201]
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoCertificates, match=r"absent\.pem"):
        CurlTransport(ca_file=tmp_path / "absent.pem")
