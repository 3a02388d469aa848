"""What strangers send instead of a subscription: each is refused with a sentence, and nothing is stored."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.api.browser import BROWSERS
from gateway.ceiling import HourlyCeiling
from gateway.context import Context
from gateway.settings import Settings
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock
from tests.fakes.user_agent import UserAgent, decode, encode

FCM = "https://fcm.googleapis.com"


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def stored(api: Api, site: str) -> list[Any]:
    found: list[Any] = (await api.get(f"/v1/sites/{site}/subscriptions"))["items"]
    return found


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/push",
        "https://evil.example?.notify.windows.com/",
        "https://evil.example/a.google.com/",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evilfcm.googleapis.com.example/x",
        "https://user@fcm.googleapis.com/x",
        "https://user:secret@fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:80/x",
        "https://fcm.googleapis.com\\@evil.example/x",
        "https://fcm.googleapis.com#@evil.example/x",
        "http://fcm.googleapis.com/x",
        "ftp://fcm.googleapis.com/x",
        "javascript:alert(1)",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/\u00fc",
        "https://",
        "",
        f"{FCM}/{'x' * 2_030}",
    ],
)
async def test_an_endpoint_that_is_no_push_service_is_refused(api: Api, page: Page, endpoint: str) -> None:
    problem = await page.subscribe(push_subscription(endpoint=endpoint or " "), 400)
    assert problem["code"] == "invalid_request"
    assert problem["errors"][0]["path"] == "subscription.endpoint"
    assert endpoint not in problem["errors"][0]["message"] or not endpoint
    assert await stored(api, page.site) == []


OFF_CURVE = bytearray(decode(UserAgent().p256dh))
OFF_CURVE[-1] ^= 1


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"p256dh": encode(bytes(OFF_CURVE))}, "subscription.keys.p256dh"),
        ({"p256dh": encode(b"\x04" + bytes(64))}, "subscription.keys.p256dh"),
        ({"p256dh": encode(b"\x02" + bytes(32))}, "subscription.keys.p256dh"),
        ({"p256dh": "!!!"}, "subscription.keys.p256dh"),
        ({"p256dh": ""}, "subscription.keys.p256dh"),
        ({"p256dh": 7}, "subscription.keys.p256dh"),
        ({"auth": encode(bytes(15))}, "subscription.keys.auth"),
        ({"auth": encode(bytes(17))}, "subscription.keys.auth"),
        ({"auth": ""}, "subscription.keys.auth"),
    ],
)
async def test_keys_that_cannot_be_encrypted_for_are_refused(
    api: Api, page: Page, keys: dict[str, Any], path: str
) -> None:
    subscription = push_subscription()
    subscription["keys"] |= keys
    problem = await page.subscribe(subscription, 400)
    assert problem["errors"][0]["path"] == path
    assert await stored(api, page.site) == []


async def test_everything_wrong_with_a_subscription_is_named_at_once(page: Page) -> None:
    subscription = push_subscription(endpoint="https://evil.example/x")
    subscription["keys"] = {"p256dh": "x", "auth": "y"}
    subscription["expirationTime"] = 1_000
    problem = await page.subscribe(subscription, 400)
    assert [each["path"].rpartition(".")[2] for each in problem["errors"]] == [
        "endpoint",
        "p256dh",
        "auth",
        "expirationTime",
    ]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"tags": [f"tag {n}" for n in range(51)]}, "tags"),
        ({"tags": ["x" * 65]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": ["line\nbreak"]}, "tags"),
        ({"tags": [7]}, "tags"),
        ({"attributes": {f"a{n}": n for n in range(51)}}, "attributes"),
        ({"attributes": {"x" * 65: 1}}, "attributes"),
        ({"attributes": {"a": "x" * 257}}, "attributes"),
        ({"attributes": {"a": "\u00fc" * 129}}, "attributes.a"),
        ({"attributes": {"a": ["x"]}}, "attributes"),
        ({"attributes": {"a": None}}, "attributes"),
        ({"attributes": {"a": "\u0000"}}, "attributes"),
        ({"attributes": {"a": 2**60}}, "attributes"),
        ({"language": "german, please"}, "language"),
        ({"language": "de\n"}, "language"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "x" * 257}, "external_id"),
        ({"external_id": "a\u0000b"}, "external_id"),
    ],
)
async def test_each_field_has_its_limit(api: Api, page: Page, more: dict[str, Any], path: str) -> None:
    problem = await page.subscribe(status=400, **more)
    assert problem["errors"][0]["path"].startswith(path)
    assert await stored(api, page.site) == []


async def test_tags_do_not_grow_beyond_fifty_by_and_by(api: Api, page: Page) -> None:
    subscription = push_subscription()
    made = await page.subscribe(subscription, tags=[f"a{n}" for n in range(50)])
    problem = await page.subscribe(subscription, 400, tags=["one more"])
    assert problem["errors"][0]["path"] == "tags"
    path = f"{page.subscriptions}/{made['id']}"
    await page.call("PATCH", path, 400, {"add_tags": ["one more"]}, made["token"])
    await page.call("PATCH", path, 204, {"add_tags": ["one more"], "remove_tags": ["a0"]}, made["token"])
    await page.call("PATCH", path, 204, {"attributes": {f"a{n}": n for n in range(50)}}, made["token"])
    await page.call("PATCH", path, 400, {"attributes": {"b": 1}}, made["token"])
    await page.call("PATCH", path, 400, {"timezone": "Mars/Olympus"}, made["token"])


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://example.com"])
async def test_only_the_sites_own_pages_may_ask(api: Api, page: Page, origin: str | None) -> None:
    made = await page.subscribe()
    stranger = Page(page.api, page.site, origin)
    problem = await stranger.subscribe(status=403)
    assert problem["code"] == "origin_not_allowed"
    path = f"{page.subscriptions}/{made['id']}"
    await stranger.call("PATCH", path, 403, {"add_tags": ["x"]}, made["token"])
    await stranger.call("DELETE", path, 403, token=made["token"])
    await stranger.call("POST", f"/v1/public/{page.site}/track", 403, {"name": "x"}, made["token"])
    assert len(await stored(api, page.site)) == 1


async def test_a_refusal_too_can_be_read_by_the_page(page: Page) -> None:
    response = await page.call("POST", page.subscriptions, 400, {"subscription": {}})
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert response.headers["Vary"] == "Origin"
    assert response.content_type == "application/problem+json"


async def test_a_preflight_allows_what_the_sdk_sends(page: Page) -> None:
    response = await page.call("OPTIONS", f"{page.subscriptions}/sub_0000000000000", 204)
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert {"PATCH", "DELETE"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"\xff"', 400),
        (b'{"subscription": ' * 20_000, 413),
        (b'{"subscription": {"x":' + b"[" * 60_000, 400),
        (b'{"subscription": {}, "tags": ' + b"[" * 60_000, 400),
        (b'{"x": "' + b"y" * 1_000_000 + b'"}', 413),
    ],
)
async def test_a_body_that_is_no_subscription_is_refused(page: Page, body: bytes, status: int) -> None:
    response = await page.call("POST", page.subscriptions, status, body)
    assert response.content_type == "application/problem+json"


async def test_other_content_types_are_refused(page: Page) -> None:
    headers = {"Origin": "https://example.com", "Content-Type": "application/x-www-form-urlencoded"}
    await page.api.call("POST", page.subscriptions, 415, headers=headers, data=b"{}")


async def test_an_unknown_site_is_not_found(page: Page) -> None:
    for site in ("site_0000000000000", "nonsense", "sub_0000000000000"):
        problem = await Page(page.api, site).subscribe(status=404)
        assert problem["code"] == "not_found"


async def test_fields_of_later_releases_are_left_alone(page: Page) -> None:
    subscription = {**push_subscription(), "options": {"userVisibleOnly": True}}
    await page.subscribe(subscription, mood="cheerful")


async def test_one_address_is_slowed_down_and_another_is_not(
    context: Context, settings: Settings, serve: Any, clock: FakeClock
) -> None:
    behind_proxy = replace(context, settings=replace(settings, trusted_proxies=(ip_network("127.0.0.0/8"),)))
    api = await serve(behind_proxy)
    page = Page(api.with_token(None), await api.new_site(), sent={"X-Forwarded-For": "198.51.100.7"})
    path = f"{page.subscriptions}/sub_0000000000000"
    refused = 0
    for _ in range(301):
        response = await page.api.client.delete(
            path, headers={"Origin": "https://example.com", "Authorization": "Bearer x", **page.sent}
        )
        refused += response.status == 429
    assert refused == 1
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.com"
    other = Page(page.api, page.site, sent={"X-Forwarded-For": "198.51.100.7, 198.51.100.8"})
    await other.subscribe()
    clock.advance(1)
    await page.subscribe()


async def test_new_subscriptions_meet_a_ceiling_and_known_ones_do_not(
    api: Api, page: Page, clock: FakeClock
) -> None:
    app = api.client.app
    assert app is not None
    ceiling = app[BROWSERS].ceiling
    assert isinstance(ceiling, HourlyCeiling)
    ceiling._limit = 3
    known = push_subscription()
    made = await page.subscribe(known)
    await asyncio.gather(page.subscribe(), page.subscribe())
    problem = await page.subscribe(status=429)
    assert problem["code"] == "too_many_requests"
    assert len(await stored(api, page.site)) == 3
    assert await page.subscribe(known, 200) == made
    await page.subscribe(push_subscription(), 200, replaces=made)
    clock.advance(3_600)
    await page.subscribe()
