"""Requests to addresses that strangers name: what is asked, and what never is."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gateway.outbound import (
    Answer,
    InvalidTarget,
    Outbound,
    OutboundFailed,
    OutboundLimits,
    Target,
    Trouble,
    parse_target,
)
from gateway.setting_values import HostPort, parse_hosts
from tests.eventually import eventually
from tests.fakes.certificates import Authority
from tests.fakes.names import FakeNames

HOST = "hooks.example"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """A web server on https://hooks.example:PORT, by `names` on loopback."""

    port: int
    names: FakeNames
    outbound: Outbound
    handler: Handler | None = None
    requests: list[web.Request] = field(default_factory=list)

    def target(self, path: str = "/") -> Target:
        return parse_target(f"https://{HOST}:{self.port}{path}", [HostPort(HOST, self.port)])

    async def ask(self, path: str = "/") -> Answer:
        return await self.outbound.request("GET", self.target(path))


@pytest.fixture
def names() -> FakeNames:
    return FakeNames()


@pytest.fixture
async def receiver(authority: Authority, names: FakeNames) -> AsyncIterator[Receiver]:
    async def answer(request: web.Request) -> web.StreamResponse:
        made.requests.append(request)
        return await made.handler(request) if made.handler else web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.issue(HOST).server_context()).start()
    names.say(HOST, ["127.0.0.1"])
    tls = ssl.create_default_context(cafile=authority.ca_file)
    outbound = Outbound(resolver=names, tls=tls, limits=OutboundLimits(seconds=1.0, answer=1_000))
    made = Receiver(runner.addresses[0][1], names, outbound)
    yield made
    await outbound.close()
    await runner.cleanup()


async def failure(outbound: Outbound, target: Target) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as failed:
        await outbound.request("GET", target)
    return failed.value


async def test_a_listed_host_may_be_private_and_is_asked(receiver: Receiver) -> None:
    answer = await receiver.ask("/path?x=%2F")
    assert (answer.status, answer.body, answer.whole) == (200, b"hello", True)
    [asked] = receiver.requests
    assert (asked.raw_path, asked.host) == ("/path?x=%2F", f"{HOST}:{receiver.port}")
    assert asked.headers["User-Agent"].startswith("webpush-gateway/")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
    ],
)
async def test_a_name_that_resolves_to_an_address_of_the_inside_is_not_connected_to(
    names: FakeNames, address: str
) -> None:
    outbound = Outbound(resolver=names)
    names.say(HOST, [address])
    failed = await failure(outbound, parse_target(f"https://{HOST}/"))
    assert failed.trouble is Trouble.REFUSED
    assert address not in failed.sentence
    await outbound.close()


async def test_a_name_with_several_addresses_is_refused_when_all_are_inside(names: FakeNames) -> None:
    outbound = Outbound(resolver=names)
    names.say(HOST, ["10.0.0.1", "::1", "127.0.0.1"])
    assert (await failure(outbound, parse_target(f"https://{HOST}/"))).trouble is Trouble.REFUSED
    await outbound.close()


async def test_a_name_that_means_another_address_when_it_is_connected_to_gains_nothing(
    names: FakeNames,
) -> None:
    outbound = Outbound(resolver=names)
    names.say(HOST, ["93.184.216.34"], ["127.0.0.1"])
    assert (await names.resolve(HOST))[0]["host"] == "93.184.216.34"  # whoever looks first sees this
    assert (await failure(outbound, parse_target(f"https://{HOST}/"))).trouble is Trouble.REFUSED
    assert names.asked == [HOST, HOST]
    await outbound.close()


async def test_an_address_in_a_url_that_got_past_the_parser_is_judged_all_the_same(
    receiver: Receiver,
) -> None:
    target = Target(receiver.target().url.with_host("127.0.0.1"), listed=False)
    assert (await failure(receiver.outbound, target)).trouble is Trouble.REFUSED
    assert receiver.requests == []


async def test_a_redirect_is_the_answer_and_is_not_followed(receiver: Receiver) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    receiver.handler = redirect
    answer = await receiver.ask()
    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
    assert len(receiver.requests) == 1


async def test_of_a_long_answer_so_much_is_read_and_no_more(receiver: Receiver) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 500)
            await asyncio.sleep(0)

    receiver.handler = endless
    answer = await receiver.ask()
    assert (len(answer.body), answer.whole) == (1_000, False)


async def test_an_answer_that_trickles_is_given_up_in_time(receiver: Receiver) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    receiver.handler = trickle
    receiver.outbound._limits = OutboundLimits(seconds=0.2)
    assert (await failure(receiver.outbound, receiver.target())).trouble is Trouble.TIMEOUT


async def test_nothing_is_unpacked(receiver: Receiver) -> None:
    async def packed(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b not really", headers={"Content-Encoding": "gzip"})

    receiver.handler = packed
    assert (await receiver.ask()).body == b"\x1f\x8b not really"
    assert receiver.requests[0].headers["Accept-Encoding"] == "identity"


async def test_no_cookie_is_kept_and_no_proxy_of_the_environment_is_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bake(_: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("known", "yes")
        return response

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver.handler = bake
    await receiver.ask()
    await receiver.ask()
    assert [request.headers.get("Cookie") for request in receiver.requests] == [None, None]


async def test_a_certificate_for_another_name_is_not_trusted(receiver: Receiver) -> None:
    receiver.names.say("other.example", ["127.0.0.1"])
    port = receiver.port
    target = parse_target(f"https://other.example:{port}/", [HostPort("other.example", port)])
    assert (await failure(receiver.outbound, target)).trouble is Trouble.UNTRUSTED


async def test_what_cannot_be_reached_is_told_apart(receiver: Receiver, unused_tcp_port: int) -> None:
    unknown = parse_target("https://unknown.example/")
    assert (await failure(receiver.outbound, unknown)).trouble is Trouble.UNRESOLVED
    shut = parse_target(f"https://{HOST}:{unused_tcp_port}/", [HostPort(HOST, unused_tcp_port)])
    assert (await failure(receiver.outbound, shut)).trouble is Trouble.UNREACHABLE
    plain = parse_target(f"http://{HOST}:{receiver.port}/", [HostPort(HOST, receiver.port)])
    assert (await failure(receiver.outbound, plain)).trouble is Trouble.BROKEN


async def test_names_whose_servers_never_answer_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, asked = threading.Event(), threading.Semaphore(0)

    def never(*_: object, **__: object) -> None:
        asked.release()
        silent.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    outbound = Outbound()
    target = parse_target("https://silent.example/")
    asking = [asyncio.create_task(failure(outbound, target)) for _ in range(40)]
    try:
        await eventually(lambda: asked.acquire(blocking=False))
        async with asyncio.timeout(5):  # the database's name may have to be looked up, and files are read so
            assert await asyncio.to_thread(lambda: True)
    finally:
        silent.set()
    assert {each.trouble for each in await asyncio.gather(*asking)} == {Trouble.UNRESOLVED}
    await outbound.close()


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "hooks.example",
        "//hooks.example/",
        "https://",
        "https:///path",
        "https://hooks.example:8443/",
        "https://hooks.example:0/",
        "https://hooks.example:443x/",
        "https://user@hooks.example/",
        "https://user:password@hooks.example/",
        "https://hooks.example/#fragment",
        "https://hooks.example\\@inside/",
        "https://hooks.example /",
        "https://hooks.example/\n",
        "https://bücher.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://hooks.example./",
        "https://hooks..example/",
        "https://hooks%2eexample/",
        "https://hooks.example/" + "x" * 2048,
    ],
)
def test_what_is_not_plainly_a_public_https_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidTarget, match=r"^The URL.*\.$"):
        parse_target(text, [HostPort("other.internal", None)])


def test_what_is_asked_is_put_together_from_what_was_checked() -> None:
    assert str(parse_target("HTTPS://Hooks.Example:443?x=1")) == "https://hooks.example/?x=1"
    assert str(parse_target("https://xn--bcher-kva.example/a%20b/../c")) == (
        "https://xn--bcher-kva.example/a%20b/../c"
    )


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("http://hooks.internal/", True),
        ("https://hooks.internal/", True),
        ("http://10.0.0.5:8080/", True),
        ("http://[fd00::1]:9000/", True),
        ("https://hooks.internal:8443/", False),
        ("http://10.0.0.5/", False),
        ("http://sub.hooks.internal/", False),
    ],
)
def test_the_operators_own_hosts_are_those_that_are_listed(text: str, listed: bool) -> None:
    private = parse_hosts("hooks.internal, 10.0.0.5:8080, [FD00::1]:9000")
    if listed:
        assert parse_target(text, private).listed
    else:
        with pytest.raises(InvalidTarget):
            parse_target(text, private)


@pytest.mark.parametrize(
    "text", ["127.1", "a b", "a..b", "host:", "host:0", "u@host", "[::1", "host/x", "hö.st"]
)
def test_a_setting_that_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host or host:port"):
        parse_hosts(text)
