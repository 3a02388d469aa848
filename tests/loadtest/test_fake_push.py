"""The load tests' push service as a process, asked by the gateway's own transport."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway.webpush import (
    ApplicationServerKey,
    CurlTransport,
    ProxySettings,
    PushHosts,
    PushRequest,
    Reply,
    RequestHeaders,
    encrypt,
)
from gateway.webpush.keys import decode_auth, decode_p256dh
from loadtest.fake_push import Addresses, running_push_service
from loadtest.sink import find_nginx
from loadtest.visitor_browser import Browser


@pytest.fixture(scope="module", params=["HTTP/1.1", "HTTP/2"])
def push(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    http1 = request.param == "HTTP/1.1"
    if not http1 and find_nginx() is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    with running_push_service(tmp_path_factory.mktemp("push"), http1=http1) as addresses:
        yield addresses


class Sender:
    """Pushes one after another, through the proxy where the endpoint is a provider's."""

    def __init__(self, push: Addresses) -> None:
        proxy = ProxySettings.from_environment({"HTTPS_PROXY": push.proxy, "NO_PROXY": "localhost"})
        self._transport = CurlTransport(ca_file=Path(push.ca_file), proxy=proxy)
        self._hosts = PushHosts.parse(f"localhost:{push.port}")
        self._headers = RequestHeaders(lambda: time.time_ns() // 1_000_000)
        self._key = ApplicationServerKey.generate()

    async def push(self, url: str, body: bytes = b"x" * 100, topic: str | None = None) -> Reply:
        origin = self._hosts.origin(url)
        lines = list(self._headers.get(self._key, "mailto:ops@example.com", origin, 60))
        if topic is not None:
            lines.append(f"Topic: {topic}")
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        request = PushRequest(url, origin, lines, body, None)
        self._transport.post(request, lambda _, reply: answered.set_result(reply))
        return await asyncio.wait_for(answered, 10)

    def close(self) -> None:
        self._transport.close()


@pytest.fixture
async def sender(push: Addresses) -> AsyncIterator[Sender]:
    sender = Sender(push)
    yield sender
    sender.close()


@pytest.fixture
async def control(push: Addresses) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(push.control) as session:
        yield session
        async with session.put("/scenarios", data="healthy") as answer:
            assert answer.ok


async def test_a_push_is_taken_kept_decrypted_and_handed_out_once(
    sender: Sender, control: aiohttp.ClientSession
) -> None:
    browser = Browser()
    shown = browser.to_json()
    keys, endpoint = shown["keys"], shown["endpoint"]
    assert isinstance(keys, dict)
    assert isinstance(endpoint, str)
    body = encrypt(b'{"m":"msg_1"}', decode_p256dh(keys["p256dh"]), decode_auth(keys["auth"]))
    assert (await sender.push(endpoint, body)).status == 201
    async with control.get(f"/kept/{browser.token}") as answer:
        [[_, kept]] = await answer.json()
    assert browser.read(kept) == {"m": "msg_1"}
    async with control.get(f"/kept/{browser.token}") as answer:
        assert await answer.json() == []


async def test_the_arrival_of_a_topic_is_timed(
    push: Addresses, sender: Sender, control: aiohttp.ClientSession
) -> None:
    before = time.time()
    assert (await sender.push(f"{push.url}/fcm/a", topic="order4711")).status == 201
    async with control.get("/arrivals/order4711", params={"wait": "5"}) as answer:
        [at] = await answer.json()
    assert before <= at <= time.time()


async def test_a_scenario_changes_while_it_runs_for_one_provider_only(
    push: Addresses, sender: Sender, control: aiohttp.ClientSession
) -> None:
    async with control.put("/scenarios", data="fcm=wrong-key,mozilla=proxy-404") as answer:
        assert answer.ok
    assert (await sender.push("https://fcm.googleapis.com/fcm/send/a")).status == 403
    assert (await sender.push(f"{push.url}/mozilla/a")).status == 404
    assert (await sender.push("https://web.push.apple.com/a")).status == 201
    async with control.put("/scenarios", data="sunny") as answer:
        assert answer.status == 400


async def test_a_request_that_no_provider_would_take_is_refused(push: Addresses, sender: Sender) -> None:
    assert (await sender.push(f"{push.url}/apple/a", b"x" * 4_097)).status == 413
    assert (await sender.push(f"{push.url}/wns/a", b"x" * 4_097)).status == 201
    assert (await sender.push(f"{push.url}/fcm/a", b"x" * 4_097)).status == 400
