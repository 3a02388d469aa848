"""Subscriptions as admins see, change and erase them."""

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.page import Page, push_subscription


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


@pytest.fixture
def path(site: str) -> str:
    return f"/v1/sites/{site}/subscriptions"


async def test_subscriptions_are_listed_page_by_page(api: Api, page: Page, path: str) -> None:
    made = [(await page.subscribe())["id"] for _ in range(5)]
    first = await api.get(f"{path}?limit=2")
    second = await api.get(f"{path}?limit=2&cursor={first['next']}")
    third = await api.get(f"{path}?limit=2&cursor={second['next']}")
    assert [each["id"] for one in (first, second, third) for each in one["items"]] == made
    assert third["next"] is None


async def test_subscriptions_are_found_by_external_id_tag_and_state(api: Api, path: str) -> None:
    site = await api.new_site(identity="unsigned")
    page, path = Page(api.with_token(None), site), f"/v1/sites/{site}/subscriptions"
    anna = await page.subscribe(external_id="anna", tags=["news"])
    tablet = await page.subscribe(external_id="anna", tags=["sport"])
    left = await page.subscribe(tags=["news"])
    await page.call("DELETE", f"{page.subscriptions}/{left['id']}", 204, token=left["token"])

    async def found(query: str) -> list[str]:
        return [each["id"] for each in (await api.get(f"{path}?{query}"))["items"]]

    assert await found("external_id=anna") == [anna["id"], tablet["id"]]
    assert await found("external_id=anna&tag=news") == [anna["id"]]
    assert await found("tag=news") == [anna["id"], left["id"]]
    assert await found("tag=news&state=active") == [anna["id"]]
    assert await found("state=unsubscribed") == [left["id"]]
    assert await found("external_id=nobody") == []
    for wrong in ("state=asleep", "colour=red", "limit=0", "limit=501", "cursor=x", "tag="):
        assert (await api.get(f"{path}?{wrong}", 400))["code"] == "invalid_request"


async def test_an_admin_changes_a_subscription(api: Api, page: Page, path: str) -> None:
    made = await page.subscribe(tags=["a", "b"], attributes={"plan": "gold"})
    one = f"{path}/{made['id']}"
    change: dict[str, Any] = {"add_tags": ["c"], "remove_tags": ["a"], "attributes": {"plan": None, "n": 1}}
    changed = await api.patch(one, {**change, "external_id": "anna", "language": "de"})
    assert changed == await api.get(one)
    assert (changed["tags"], changed["attributes"]) == (["b", "c"], {"n": 1})
    assert (changed["external_id"], changed["language"]) == ("anna", "de")
    assert (await api.patch(one, {"external_id": None}))["external_id"] is None
    bad: list[Any] = [
        {"tag": ["x"]},
        {"attributes": {"a": []}},
        {"timezone": "Mars"},
        {"add_tags": ["x"] * 51},
    ]
    for wrong in bad:
        assert (await api.patch(one, wrong, 400))["code"] == "invalid_request"


async def test_what_a_page_and_an_admin_add_at_once_is_all_kept(api: Api, site: str) -> None:
    page, mine = Page(api.with_token(None), site), push_subscription()
    one = f"/v1/sites/{site}/subscriptions/{(await page.subscribe(mine))['id']}"
    for number in range(12):
        said = {f"p{number}", f"q{number}", f"a{number}"}
        await asyncio.gather(
            page.subscribe(mine, 200, tags=[f"p{number}"]),
            api.patch(one, {"add_tags": [f"a{number}"]}),
            page.subscribe(mine, 200, tags=[f"q{number}"]),
        )
        assert said <= set((await api.get(one))["tags"])


async def test_erasing_leaves_nothing_of_the_visitor(api: Api, page: Page, path: str) -> None:
    subscription = push_subscription()
    made = await page.subscribe(subscription, tags=["news"])
    track = f"/v1/public/{page.site}/track"
    await page.call("POST", track, 204, {"name": "bought"}, made["token"])
    one = f"{path}/{made['id']}"
    await api.delete(one)
    await api.get(one, 404)
    await api.delete(one, 404)
    await api.patch(one, {"add_tags": ["x"]}, 404)
    await page.call("PATCH", f"{page.subscriptions}/{made['id']}", 404, {"add_tags": ["x"]}, made["token"])
    await page.call("DELETE", f"{page.subscriptions}/{made['id']}", 404, token=made["token"])
    await page.call("POST", track, 404, {"name": "bought"}, made["token"])
    again = await page.subscribe(subscription)
    assert again["id"] != made["id"]


async def test_changes_by_admins_are_audited_without_personal_data(api: Api, page: Page, path: str) -> None:
    made = await page.subscribe()
    await api.patch(f"{path}/{made['id']}", {"external_id": "anna@example.com", "add_tags": ["vip"]})
    await api.delete(f"{path}/{made['id']}")
    entries = (await api.get("/v1/audit"))["items"]
    assert [each["action"] for each in entries[:2]] == ["subscription.erased", "subscription.changed"]
    assert all(each["target"] == made["id"] for each in entries[:2])
    assert set(entries[1]["detail"]["fields"]) == {"external_id", "add_tags"}
    assert "anna" not in str(entries)


async def test_reading_and_changing_take_their_scopes(api: Api, page: Page, site: str, path: str) -> None:
    made = await page.subscribe()
    one = f"{path}/{made['id']}"
    reader = api.with_token(await api.new_token(site, "read"))
    await reader.get(path)
    await reader.get(one)
    await reader.patch(one, {}, 403)
    await reader.delete(one, 403)
    await reader.get(f"{path}/export", 403)
    await reader.call(
        "POST", f"{path}/import", 403, data=b"", headers={"Content-Type": "application/x-ndjson"}
    )
    nobody = api.with_token(None)
    await nobody.get(path, 401)
    await nobody.get(f"{path}/export", 401)
    other = api.with_token(await api.new_token(await api.new_site(name="Other"), "read", "manage"))
    await other.get(path, 404)
    await other.get(f"{path}/export", 404)


async def test_a_subscription_of_another_site_is_not_found(api: Api, page: Page) -> None:
    made = await page.subscribe()
    other = await api.new_site(name="Other")
    await api.get(f"/v1/sites/{other}/subscriptions/{made['id']}", 404)
    await api.delete(f"/v1/sites/{other}/subscriptions/{made['id']}", 404)
    await api.get("/v1/sites/site_0000000000000/subscriptions", 404)
    await api.get(f"/v1/sites/{other}/subscriptions/nonsense", 404)
