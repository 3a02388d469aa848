"""The fakes are our reading of the protocols: pywebpush, which is not ours, sends to them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests
from py_vapid import Vapid02

from loadtest.connect_proxy import ConnectProxy
from tests.fakes.certificates import Authority
from tests.fakes.push_service import HOSTS, PushService, Subscription
from tests.fakes.reference_sender import ReferenceSender, public_key
from tests.fakes.rules import Reply

NOW = 1_800_000_000
FCM, MOZILLA = "fcm.googleapis.com", "updates.push.services.mozilla.com"
APPLE, WNS = "web.push.apple.com", "wns2-par02p.notify.windows.com"
DAY = 24 * 3600


class Stand:
    def __init__(self, directory: Path) -> None:
        authority = Authority(directory)
        self.service_ca = authority.ca_file
        self.service = PushService(authority, clock=lambda: NOW)
        self.proxy = ConnectProxy({})
        self.sender = ReferenceSender(authority.ca_file)

    async def start(self) -> None:
        await self.service.start()
        self.proxy.routes = {f"{host}:443": self.service.port for host in HOSTS}
        await self.proxy.start()
        self.sender.proxy = self.proxy.url

    async def close(self) -> None:
        self.sender.close()
        await self.proxy.close()
        await self.service.close()

    def subscribe(self, host: str | None) -> Subscription:
        return self.service.subscribe(host, public_key(self.sender.vapid))

    async def send(
        self, subscription: Subscription, data: str | None = "hello", **mistakes: Any
    ) -> requests.Response:
        headers = {"TTL": "60", "Content-Type": "application/octet-stream", "X-WNS-Cache-Policy": "cache"}
        options = {"exp": NOW + 3600, **mistakes, "headers": headers | mistakes.get("headers", {})}
        return await asyncio.to_thread(self.sender.send, subscription.to_json(), data, **options)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(tmp_path)
    await stand.start()
    yield stand
    await stand.close()


@pytest.mark.parametrize("host", [None, *HOSTS])
async def test_every_provider_takes_a_correct_message_and_the_browser_reads_it(
    stand: Stand, host: str | None
) -> None:
    subscription = stand.subscribe(host)
    answer = await stand.send(subscription, "grüß dich")
    assert answer.status_code == 201, answer.text
    assert subscription.plaintexts == ["grüß dich".encode()]
    assert answer.headers["Location"].startswith(subscription.origin)
    assert subscription.arrivals[0].push.header("Content-Encoding") == "aes128gcm"


REFUSALS = [
    (FCM, {"exp": NOW + DAY + 60}, 403, "exp claim MUST NOT be more than 24 hours"),
    (FCM, {"exp": NOW - 1}, 403, "token has expired"),
    (FCM, {"aud": "https://example.com"}, 403, "aud claim in the token MUST include"),
    (FCM, {"vapid": Vapid02}, 403, "do not correspond to the credentials used"),
    (FCM, {"headers": {"TTL": ""}}, 400, "InvalidTtlParameter"),
    (FCM, {"headers": {"Topic": "a b"}}, 400, "topic"),
    (FCM, {"data": "x" * 3994}, 400, "must be less than 4096 bytes"),
    (MOZILLA, {"exp": NOW + DAY + 60}, 401, '"errno": 109'),
    (MOZILLA, {"exp": NOW - 1}, 401, '"errno": 109'),
    (MOZILLA, {"aud": "https://example.com"}, 401, '"errno": 109'),
    (MOZILLA, {"vapid": Vapid02}, 401, "VAPID public key mismatch"),
    (MOZILLA, {"headers": {"TTL": "soon"}}, 400, '"errno": 111'),
    (MOZILLA, {"headers": {"TTL": "-1"}}, 400, '"errno": 114'),
    (MOZILLA, {"headers": {"Topic": "x" * 33}}, 400, '"errno": 113'),
    (MOZILLA, {"headers": {"Crypto-Key": "dh=BPx"}}, 400, '"errno": 110'),
    (MOZILLA, {"data": "x" * 3994}, 413, '"errno": 104'),
    (APPLE, {"headers": {"TTL": "0"}}, 400, "BadTtl"),
    (APPLE, {"headers": {"Urgency": "asap"}}, 400, "BadUrgency"),
    (APPLE, {"headers": {"Topic": "abcde"}}, 400, "BadWebPushTopic"),
    (APPLE, {"sub": "mailto:ops@localhost"}, 403, "BadJwtToken"),
    (APPLE, {"vapid": Vapid02}, 400, "VapidPkHashMismatch"),
    (APPLE, {"data": "x" * 3994}, 413, "PayloadTooLarge"),
]


@pytest.mark.parametrize(("host", "mistake", "status", "words"), REFUSALS)
async def test_each_provider_refuses_in_its_own_words(
    stand: Stand, host: str, mistake: dict[str, Any], status: int, words: str
) -> None:
    if mistake.get("vapid") is Vapid02:
        mistake = {"vapid": stand.sender.new_key()}
    subscription = stand.subscribe(host)
    answer = await stand.send(subscription, **mistake)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert subscription.plaintexts == []


WNS_REFUSALS = [
    ({"headers": {"TTL": "0"}}, 400, "Ttl value conflicts with X-WNS-Cache-Policy."),
    ({"exp": NOW + DAY + 60}, 401, "JWT Authentication Failed"),
    ({"data": "x" * 5000}, 413, "5000 byte"),
]


@pytest.mark.parametrize(("mistake", "status", "words"), WNS_REFUSALS)
async def test_windows_says_why_in_a_header_and_nothing_in_the_body(
    stand: Stand, mistake: dict[str, Any], status: int, words: str
) -> None:
    answer = await stand.send(stand.subscribe(WNS), **mistake)
    assert (answer.status_code, answer.text) == (status, "")
    assert words in answer.headers["X-WNS-Error-Description"]
    assert answer.headers["X-WNS-NotificationStatus"] == "dropped"


@pytest.mark.parametrize("host", HOSTS)
async def test_a_gone_subscription_answers_410_and_an_unknown_one_404(stand: Stand, host: str) -> None:
    subscription = stand.subscribe(host)
    subscription.gone = True
    assert (await stand.send(subscription)).status_code == 410
    stranger = stand.subscribe(host)
    stranger.endpoint += "x"
    assert (await stand.send(stranger)).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"), [(None, 403), (FCM, 401), (MOZILLA, 401), (APPLE, 403), (WNS, 401)]
)
async def test_a_request_without_vapid_is_refused(stand: Stand, host: str | None, status: int) -> None:
    answer = await stand.send(stand.subscribe(host), headers={"Authorization": None})
    assert answer.status_code == status


async def test_the_longest_message_that_fits_in_4096_bytes_is_taken(stand: Stand) -> None:
    subscription = stand.subscribe(FCM)
    assert (await stand.send(subscription, "x" * 3993)).status_code == 201
    assert len(subscription.arrivals[0].push.body) == 4096


async def test_scripted_answers_come_first_and_then_the_rules_hold_again(stand: Stand) -> None:
    subscription = stand.subscribe(FCM)
    subscription.answer(Reply(429, {"Retry-After": "7"}, b"slow down"), Reply(503))
    answers = [await stand.send(subscription) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 503, 201]
    assert answers[0].headers["Retry-After"] == "7"
    assert len(subscription.accepted) == len(subscription.plaintexts) == 1


async def test_a_hang_up_closes_the_connection_without_an_answer(stand: Stand) -> None:
    subscription = stand.subscribe(None)
    subscription.answer(Reply(201, hang_up=True))
    with pytest.raises(requests.ConnectionError):
        await stand.send(subscription)
    assert subscription.plaintexts == []


async def test_a_message_encrypted_for_another_browser_is_taken_and_dropped(stand: Stand) -> None:
    mine, theirs = stand.subscribe(None), stand.subscribe(None)
    theirs.endpoint = mine.endpoint
    assert (await stand.send(theirs)).status_code == 201
    assert mine.plaintexts == []
    assert len(mine.user_agent.dropped) == 1


async def test_the_proxy_leads_nowhere_but_to_its_routes(stand: Stand) -> None:
    subscription = stand.subscribe(FCM)
    subscription.endpoint = subscription.endpoint.replace("fcm.googleapis.com", "example.com")
    with pytest.raises(requests.exceptions.ProxyError):
        await stand.send(subscription)
    assert stand.proxy.refused == ["example.com:443"]


async def test_mozilla_deletes_what_it_keeps_and_others_delete_nothing(stand: Stand) -> None:
    for host, expected in ((MOZILLA, 204), (FCM, 405), (APPLE, 405), (WNS, 405)):
        subscription = stand.subscribe(host)
        taken_back: list[str] = []
        subscription.take_back = taken_back.append
        location = (await stand.send(subscription)).headers["Location"]
        answer = await asyncio.to_thread(
            requests.delete,
            location,
            verify=str(stand.service_ca),
            proxies={"https": stand.proxy.url},
            timeout=10,
        )
        assert answer.status_code == expected
        assert taken_back == ([location.rpartition("/")[2]] if expected == 204 else [])
