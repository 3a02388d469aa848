"""A browser's own subscription: made, refreshed, replaced, changed and ended by its page."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from gateway.context import Context
from gateway.enrolment import NO_MESSAGE
from storage import rollups
from storage.database import Transaction
from storage.ids import Kind, decode_id
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock
from tests.fakes.user_agent import UserAgent


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def shown(api: Api, page: Page, id: str) -> dict[str, Any]:
    found: dict[str, Any] = await api.get(f"/v1/sites/{page.site}/subscriptions/{id}")
    return found


async def test_a_browser_subscribes_with_what_its_page_knows(api: Api, page: Page) -> None:
    made = await page.subscribe(
        tags=["news", "sport", "news"],
        attributes={"plan": "gold", "visits": 3, "rate": 1.5, "member": True},
        language="de-AT",
        timezone="Europe/Vienna",
    )
    assert made["id"].startswith("sub_")
    found = await shown(api, page, made["id"])
    assert found["state"] == "active"
    assert found["provider"] == "fcm"
    assert found["tags"] == ["news", "sport"]
    assert found["attributes"] == {"plan": "gold", "visits": 3, "rate": 1.5, "member": True}
    assert (found["language"], found["timezone"]) == ("de-AT", "Europe/Vienna")
    assert (found["created_at"], found["accepted_at"]) == ("2026-01-01T00:00:00Z", None)
    assert "endpoint" not in found
    assert "keys" not in found


async def test_application_json_is_taken_as_well_as_text(page: Page) -> None:
    body = {"subscription": push_subscription()}
    headers = {"Origin": "https://example.com"}
    await page.api.post(page.subscriptions, body, 201, headers=headers)


async def test_a_known_endpoint_with_the_same_keys_is_the_same_subscription(
    api: Api, page: Page, clock: FakeClock
) -> None:
    subscription = push_subscription()
    made = await page.subscribe(subscription, tags=["a"], attributes={"plan": "gold", "n": 1})
    clock.advance(3_600)
    again = await page.subscribe(subscription, 200, tags=["b"], attributes={"n": 2})
    assert again == made
    found = await shown(api, page, made["id"])
    assert found["tags"] == ["a", "b"]
    assert found["attributes"] == {"plan": "gold", "n": 2}
    assert (found["created_at"], found["seen_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")


async def test_a_known_endpoint_with_other_keys_is_refused_and_stays_as_it_was(api: Api, page: Page) -> None:
    subscription = push_subscription()
    made = await page.subscribe(subscription, tags=["mine"])
    stranger = push_subscription(endpoint=subscription["endpoint"])
    problem = await page.subscribe(stranger, 409, tags=["stolen"])
    assert problem["code"] == "known_with_other_keys"
    assert "token" not in problem
    only_auth = {**subscription, "keys": {**subscription["keys"], "auth": UserAgent().auth}}
    await page.subscribe(only_auth, 409)
    assert (await shown(api, page, made["id"]))["tags"] == ["mine"]


async def test_the_same_endpoint_may_subscribe_to_two_sites(api: Api, page: Page) -> None:
    other = Page(page.api, await api.new_site(name="Other"))
    subscription = push_subscription()
    one, two = await page.subscribe(subscription), await other.subscribe(subscription)
    assert one["id"] != two["id"]


async def test_a_browser_that_unsubscribed_may_come_back_under_its_id(api: Api, page: Page) -> None:
    subscription = push_subscription()
    made = await page.subscribe(subscription, tags=["news"])
    path = f"{page.subscriptions}/{made['id']}"
    await page.call("DELETE", path, 204, token=made["token"])
    assert (await shown(api, page, made["id"]))["state"] == "unsubscribed"
    await page.call("DELETE", path, 204, token=made["token"])
    assert await page.subscribe(subscription, 200) == made
    found = await shown(api, page, made["id"])
    assert (found["state"], found["ended_at"], found["tags"]) == ("active", None, ["news"])


async def test_a_new_endpoint_replaces_the_old_one_under_the_same_id(api: Api, page: Page) -> None:
    made = await page.subscribe(tags=["news"])
    moved = push_subscription()
    again = await page.subscribe(moved, 200, replaces=made)
    assert again == made
    found = await shown(api, page, made["id"])
    assert (found["state"], found["tags"]) == ("active", ["news"])
    assert await page.subscribe(moved, 200) == made


async def test_replacing_by_an_endpoint_that_is_known_ends_the_old_one(api: Api, page: Page) -> None:
    old, known = await page.subscribe(), push_subscription()
    new = await page.subscribe(known)
    assert await page.subscribe(known, 200, replaces=old) == new
    assert (await shown(api, page, old["id"]))["state"] == "gone"


async def test_replacing_takes_the_proof_of_the_old_one(api: Api, page: Page) -> None:
    victim, mine = await page.subscribe(), await page.subscribe()
    for token in (mine["token"], "x" * 32, ""):
        problem = await page.subscribe(status=403, replaces={"id": victim["id"], "token": token})
        assert problem["code"] == "forbidden"
    problem = await page.subscribe(status=400, replaces={"id": "nonsense", "token": victim["token"]})
    assert problem["errors"][0]["path"] == "replaces.id"


async def test_replacing_an_erased_one_makes_a_new_one(api: Api, page: Page) -> None:
    old = await page.subscribe()
    await api.delete(f"/v1/sites/{page.site}/subscriptions/{old['id']}")
    new = await page.subscribe(replaces=old)
    assert new["id"] != old["id"]


async def test_a_browser_changes_its_own_record(api: Api, page: Page) -> None:
    made = await page.subscribe(tags=["a", "b"], attributes={"plan": "gold", "n": 1})
    change = {
        "add_tags": ["c", "a"],
        "remove_tags": ["b"],
        "attributes": {"plan": None, "n": 2},
        "language": "fr",
        "timezone": "Africa/Tunis",
    }
    await page.call("PATCH", f"{page.subscriptions}/{made['id']}", 204, change, made["token"])
    found = await shown(api, page, made["id"])
    assert found["tags"] == ["a", "c"]
    assert found["attributes"] == {"n": 2}
    assert (found["language"], found["timezone"]) == ("fr", "Africa/Tunis")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_strangers_token_changes_nothing(api: Api, page: Page, method: str) -> None:
    victim, stranger = await page.subscribe(), await page.subscribe()
    path = f"{page.subscriptions}/{victim['id']}"
    body = {"add_tags": ["stolen"]} if method == "PATCH" else None
    for token in (stranger["token"], "nonsense", api.token):
        problem = await (await page.call(method, path, 403, body, token)).json(content_type=None)
        assert problem["code"] == "forbidden"
    problem = await (await page.call(method, path, 401, body)).json(content_type=None)
    assert problem["code"] == "unauthenticated"
    found = await shown(api, page, victim["id"])
    assert (found["state"], found["tags"]) == ("active", [])


async def test_a_token_of_another_site_changes_nothing(api: Api, page: Page) -> None:
    other = Page(page.api, await api.new_site(name="Other"))
    made = await page.subscribe()
    await other.call("DELETE", f"{other.subscriptions}/{made['id']}", 403, token=made["token"])


async def test_a_signed_external_id_is_believed_in_hex_and_base64url(api: Api, page: Page) -> None:
    key = (await api.get(f"/v1/sites/{page.site}"))["identity_key"]
    mac = hmac.digest(key.encode(), b"visitor-7", hashlib.sha256)
    spellings = [mac.hex(), mac.hex().upper(), base64.urlsafe_b64encode(mac).decode().rstrip("=")]
    for signature in spellings:
        made = await page.subscribe(external_id="visitor-7", external_id_signature=signature)
        assert (await shown(api, page, made["id"]))["external_id"] == "visitor-7"
    path = f"{page.subscriptions}/{made['id']}"
    await page.call("PATCH", path, 204, {"external_id": None}, made["token"])
    assert (await shown(api, page, made["id"]))["external_id"] is None
    change = {"external_id": "visitor-7", "external_id_signature": mac.hex()}
    await page.call("PATCH", path, 204, change, made["token"])
    assert (await shown(api, page, made["id"]))["external_id"] == "visitor-7"


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "not hex, nor base64url", "a" * 43])
async def test_an_unsigned_external_id_is_refused(api: Api, page: Page, signature: str | None) -> None:
    more: dict[str, Any] = {"external_id": "visitor-7", "external_id_signature": signature}
    problem = await page.subscribe(status=400, **more)
    assert problem["errors"][0]["path"] == "external_id_signature"
    made = await page.subscribe()
    await page.call("PATCH", f"{page.subscriptions}/{made['id']}", 400, more, made["token"])
    assert (await shown(api, page, made["id"]))["external_id"] is None


async def test_a_site_may_take_external_ids_without_a_signature(api: Api) -> None:
    site = await api.new_site(identity="unsigned")
    page = Page(api.with_token(None), site)
    made = await page.subscribe(external_id="visitor-7")
    assert (await shown(api, page, made["id"]))["external_id"] == "visitor-7"


async def test_a_subscription_is_bound_to_the_key_it_was_made_with(api: Api, page: Page) -> None:
    keys = f"/v1/sites/{page.site}/keys"
    (old,) = (await api.get(keys))["items"]
    new = await api.post(keys, {})
    default = await page.subscribe()
    assert (await shown(api, page, default["id"]))["key_id"] == new["id"]
    subscription = push_subscription()
    of_old = await page.subscribe(subscription, application_server_key=old["application_server_key"])
    assert (await shown(api, page, of_old["id"]))["key_id"] == old["id"]
    # A refresh that does not say which key leaves the subscription with its own.
    await page.subscribe(subscription, 200)
    assert (await shown(api, page, of_old["id"]))["key_id"] == old["id"]


async def test_a_key_of_nobody_or_a_retired_one_is_refused(api: Api, page: Page) -> None:
    keys = f"/v1/sites/{page.site}/keys"
    (old,) = (await api.get(keys))["items"]
    await api.post(keys, {})
    await api.delete(f"{keys}/{old['id']}")
    for key in (old["application_server_key"], UserAgent().p256dh, "nonsense"):
        problem = await page.subscribe(status=400, application_server_key=key)
        assert problem["errors"][0]["path"] == "application_server_key"


async def test_a_site_tracks_its_own_events(api: Api, page: Page) -> None:
    made = await page.subscribe()
    track = f"/v1/public/{page.site}/track"
    await page.call("POST", track, 204, {"name": "bought", "data": {"price": 7}}, made["token"])
    await page.call("POST", track, 204, {"name": "came back"}, made["token"])
    await page.call("POST", track, 401, {"name": "bought"})
    await page.call("POST", track, 403, {"name": "bought"}, "x" * 32)
    await page.call("POST", track, 400, {"name": ""}, made["token"])
    await page.call("POST", track, 413, {"name": "n", "data": {"x": "y" * 9_000}}, made["token"])


async def test_who_unsubscribes_is_counted_once(context: Context, page: Page) -> None:
    made = await page.subscribe()
    for _ in range(2):
        await page.call("DELETE", f"{page.subscriptions}/{made['id']}", 204, token=made["token"])

    async def body(tx: Transaction) -> list[tuple[str, str, int]]:
        found = await rollups.of_message(tx, decode_id(Kind.SITE, page.site), NO_MESSAGE)
        return [(each.kind, each.provider, each.n) for each in found]

    assert await context.database.read(body) == [("unsubscribed", "fcm", 1)]
