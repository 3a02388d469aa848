"""What a site may use at most: set by whoever runs the gateway, and refused with one code."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from gateway.context import Context
from gateway.quotas import count_pushes
from gateway.site_settings import read_settings
from storage import quotas, sites, throttles
from storage.batches import Batch
from storage.ids import Kind, decode_id
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.api.test_import_export import imported, line, text_of
from tests.fakes.clock import FakeClock


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def limit(api: Api, site: str, **of_site: int | None) -> None:
    await api.patch(f"/v1/sites/{site}", {"settings": {"quotas": of_site}})


async def send(context: Context, site: str, pushes: int) -> None:
    """As the scheduler counts when an audience is frozen."""
    site_id = decode_id(Kind.SITE, site)
    batch = Batch(1, site_id, 1, "fcm", b"", pushes, None, 1, 0, 0, 1, 0)
    stored = await context.database.read(lambda tx: sites.get(tx, site_id))
    of_site, now = read_settings(stored).quotas, context.clock.now()
    await context.database.write(lambda tx: count_pushes(tx, site_id, of_site, [batch], now))


async def test_only_a_token_for_all_sites_changes_quotas(api: Api, site: str) -> None:
    manager = api.with_token(await api.new_token(site, "read", "manage"))
    change = {"settings": {"quotas": {"subscribers": 10_000}}}
    assert (await manager.patch(f"/v1/sites/{site}", change, 403))["code"] == "forbidden"
    await manager.patch(f"/v1/sites/{site}", {"settings": {"quotas": None}}, 403)
    await api.patch(f"/v1/sites/{site}", change)
    shown = (await manager.get(f"/v1/sites/{site}"))["settings"]["quotas"]
    assert shown == {"subscribers": 10_000, "messages_per_day": None, "rate": None}
    await manager.patch(f"/v1/sites/{site}", {"settings": {"timezone": "Asia/Tokyo"}})
    assert (await manager.get(f"/v1/sites/{site}"))["settings"]["quotas"] == shown
    await api.patch(f"/v1/sites/{site}", {"settings": {"quotas": None}})
    assert set((await api.get(f"/v1/sites/{site}"))["settings"]["quotas"].values()) == {None}


@pytest.mark.parametrize("wrong", [{"subscribers": -1}, {"rate": 0}, {"messages": 1}, {"rate": 1.5}])
async def test_a_quota_that_makes_no_sense_is_refused(api: Api, site: str, wrong: dict[str, Any]) -> None:
    await api.patch(f"/v1/sites/{site}", {"settings": {"quotas": wrong}}, 400)


async def test_a_site_sees_what_it_uses(api: Api, site: str, page: Page, context: Context) -> None:
    await page.subscribe()
    reader = api.with_token(await api.new_token(site, "read"))
    usage = await reader.get(f"/v1/sites/{site}/usage")
    assert usage == {
        "subscribers": {"used": 1, "limit": None},
        "messages_today": {"used": 0, "limit": None, "resets_at": "2026-01-02T00:00:00Z"},
        "rate": {"limit": None},
    }
    await limit(api, site, subscribers=5, messages_per_day=100, rate=50)
    await send(context, site, 30)
    usage = await reader.get(f"/v1/sites/{site}/usage")
    assert usage["subscribers"] == {"used": 1, "limit": 5}
    assert (usage["messages_today"]["used"], usage["messages_today"]["limit"]) == (30, 100)
    assert usage["rate"] == {"limit": 50}


async def test_no_browser_more_than_the_quota_and_known_ones_come_again(
    api: Api, site: str, page: Page
) -> None:
    await limit(api, site, subscribers=2)
    first = push_subscription()
    known = await page.subscribe(first)
    await page.subscribe()
    refused = await page.subscribe(status=403)
    assert (refused["code"], refused["detail"]) == (
        "quota_exceeded",
        "The site has 2 subscribers, as many as it may have.",
    )
    assert (await page.subscribe(first, 200))["id"] == known["id"]
    await page.call("DELETE", f"{page.subscriptions}/{known['id']}", 204, token=known["token"])
    await page.subscribe()
    await page.subscribe(first, 403)  # who comes back is one more, too
    assert (await api.get(f"/v1/sites/{site}/usage"))["subscribers"] == {"used": 2, "limit": 2}


async def test_of_many_browsers_at_once_as_many_come_in_as_may(api: Api, site: str) -> None:
    page = Page(api.with_token(None), site)
    await limit(api, site, subscribers=7)

    async def subscribe() -> int:
        body = {"subscription": push_subscription()}
        answer = await page.api.client.post(
            page.subscriptions, json=body, headers={"Origin": str(page.origin)}
        )
        return answer.status

    answers = Counter(await asyncio.gather(*(subscribe() for _ in range(20))))
    assert answers == {201: 7, 403: 13}
    assert (await api.get(f"/v1/sites/{site}/usage"))["subscribers"]["used"] == 7


async def test_an_import_ends_where_the_quota_does(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/subscriptions"
    await limit(api, site, subscribers=1_234)
    lines = [line() for _ in range(2_000)]
    refused = await imported(api, path, text_of(lines), 403)
    assert refused["code"] == "quota_exceeded"
    assert refused["detail"].endswith("1234 were added before.")
    assert (await api.get(f"/v1/sites/{site}/usage"))["subscribers"]["used"] == 1_234
    again = await imported(api, path, text_of(lines[:1_234]))
    assert (again["added"], again["known"]) == (0, 1_234)  # who is known is not one more
    entries = (await api.get("/v1/audit"))["items"]
    counts = [each["detail"]["added"] for each in entries if each["action"] == "subscriptions.imported"]
    assert counts == [0, 1_234]


async def test_a_message_is_refused_when_the_day_is_used_up(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await limit(api, site, messages_per_day=100)
    await api.new_message(site)
    await send(context, site, 100)
    path = f"/v1/sites/{site}/messages"
    content = {"notification": {"title": "Sale"}, "audience": {"external_ids": ["one"]}}
    refused = await api.post(path, content, 403)
    assert (refused["code"], refused["detail"]) == (
        "quota_exceeded",
        "The site may send 100 pushes a day (UTC), has sent 100, and this message needs 1.",
    )
    draft = (await api.post(path, {**content, "draft": True}, 202))["id"]
    await api.patch(f"{path}/{draft}", {"draft": False}, 403)
    tomorrow = "2026-01-02T09:00:00Z"
    await api.post(path, {**content, "send_at": tomorrow}, 202)
    clock.advance(24 * 3_600)
    await api.post(path, content, 202)
    await api.patch(f"{path}/{draft}", {"draft": False})


async def test_a_message_that_is_known_not_to_fit_is_refused(api: Api, site: str, page: Page) -> None:
    browsers = [(await page.subscribe())["id"] for _ in range(3)]
    await limit(api, site, messages_per_day=2)
    path, content = f"/v1/sites/{site}/messages", {"notification": {"title": "Sale"}}
    await api.post(path, {**content, "audience": {"subscriptions": browsers[:2]}}, 202)
    for audience in ({"subscriptions": browsers}, {"all": True}):
        refused = await api.post(path, {**content, "audience": audience}, 403)
        assert refused["detail"].endswith("this message needs 3.")
    await api.post(path, {**content, "audience": {"all": True}, "send_at": "2026-01-05T09:00:00Z"}, 403)


async def test_the_rate_is_the_slower_of_the_sites_own_and_its_quota(
    api: Api, site: str, context: Context
) -> None:
    site_id = decode_id(Kind.SITE, site)
    manager = api.with_token(await api.new_token(site, "manage"))

    async def rate() -> int | None:
        [row] = await context.database.read(lambda tx: throttles.of_site(tx, site_id))
        return row.rate

    async def own(wanted: int | None) -> int | None:
        path = f"/v1/sites/{site}/rate"
        answer = await manager.call("PUT", path, 200, json={"rate": wanted})
        found: int | None = (await answer.json())["rate"]
        return found

    await limit(api, site, rate=100)
    assert await rate() == 100
    assert [await own(wanted) for wanted in (40, 500, None)] == [40, 100, 100]
    await limit(api, site, rate=200)
    assert await rate() == 200
    assert await own(150) == 150
    await limit(api, site)
    assert await rate() == 150
    assert await own(None) is None


async def test_a_site_without_quotas_has_no_row_and_is_never_counted(
    api: Api, site: str, context: Context, page: Page
) -> None:
    await page.subscribe()
    await api.new_message(site)
    await send(context, site, 1_000)
    assert await context.database.read(lambda tx: quotas.page(tx, 0, 10, 0)) == []
