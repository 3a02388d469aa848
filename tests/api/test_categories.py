"""Categories that visitors leave, and frequency caps, as admins and pages ask for them."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.page import Page

OFFERS = {"name": "offers", "title": "Offers of the week"}


@pytest.fixture
async def offers(api: Api, site: str) -> dict[str, Any]:
    made: dict[str, Any] = await api.post(f"/v1/sites/{site}/categories", OFFERS)
    return made


async def test_a_category_is_made_shown_changed_listed_and_deleted(
    api: Api, site: str, offers: dict[str, Any]
) -> None:
    path = f"/v1/sites/{site}/categories/{offers['id']}"
    assert offers["id"].startswith("cat_")
    assert await api.get(path) == offers
    changed = await api.patch(path, {"title": "Sales"})
    assert (changed["name"], changed["title"]) == ("offers", "Sales")
    assert (await api.get(f"/v1/sites/{site}/categories"))["items"] == [changed]
    await api.delete(path)
    await api.get(path, 404)
    actions = [entry["action"] for entry in (await api.get("/v1/audit"))["items"]]
    assert {"category.created", "category.changed", "category.deleted"} < set(actions)


async def test_a_name_is_taken_once_in_a_site_and_never_changes(
    api: Api, site: str, offers: dict[str, Any]
) -> None:
    await api.post(f"/v1/sites/{site}/categories", OFFERS, 409)
    await api.patch(f"/v1/sites/{site}/categories/{offers['id']}", {"name": "deals"}, 400)
    await api.post(f"/v1/sites/{await api.new_site()}/categories", OFFERS)


@pytest.mark.parametrize("name", ["", "Offers", "a b", "-x", "x" * 65, "a\n"])
async def test_a_name_is_short_and_plain(api: Api, site: str, name: str) -> None:
    await api.post(f"/v1/sites/{site}/categories", {"name": name, "title": "T"}, 400)


async def test_a_site_has_50_categories_at_most(api: Api, site: str) -> None:
    for number in range(50):
        await api.post(f"/v1/sites/{site}/categories", {"name": f"c{number}", "title": "C"})
    await api.post(f"/v1/sites/{site}/categories", {"name": "c50", "title": "C"}, 409)


async def test_categories_need_a_token_that_may_manage(api: Api, site: str) -> None:
    sender = api.with_token(await api.new_token(site, "read", "send"))
    await sender.post(f"/v1/sites/{site}/categories", OFFERS, 403)
    assert (await sender.get(f"/v1/sites/{site}/categories"))["items"] == []


async def test_a_message_of_a_category_that_the_site_has_not_is_refused(
    api: Api, site: str, offers: dict[str, Any]
) -> None:
    made = await api.new_message(site, category="offers", send_at="2100-01-01T00:00:00Z")
    assert made["category"] == "offers"
    path = f"/v1/sites/{site}/messages"
    body = {"notification": {"title": "Sale"}, "audience": {"all": True}, "category": "ofers"}
    for route in (path, f"{path}/preview"):
        asked = body if route == path else {**body, "subscription": "sub_0000000000000"}
        problem = await api.post(route, asked, 400)
        assert [error["path"] for error in problem["errors"]] == ["category"]
    problem = await api.patch(f"{path}/{made['id']}", {"category": "ofers"}, 400)
    assert problem["errors"][0]["message"] == "The site has no category 'ofers'."
    assert (await api.patch(f"{path}/{made['id']}", {"category": None}))["category"] is None


async def test_a_step_of_an_automation_has_a_category_that_exists(
    api: Api, site: str, offers: dict[str, Any]
) -> None:
    step = {"after": 0, "notification": {"title": "Welcome"}}
    steps = [{**step, "category": "offers"}, {**step, "category": "ofers"}]
    body = {"name": "Welcome", "trigger": {"on": "subscribe"}, "steps": steps}
    problem = await api.post(f"/v1/sites/{site}/automations", body, 400)
    assert [error["path"] for error in problem["errors"]] == ["steps[1].category"]
    await api.post(f"/v1/sites/{site}/automations", {**body, "steps": steps[:1]})


async def test_pages_are_told_the_categories(api: Api, site: str, offers: dict[str, Any]) -> None:
    anybody = api.with_token(None)
    before = await anybody.call("GET", f"/v1/public/{site}", 200)
    assert (await before.json())["categories"] == [OFFERS]
    await api.post(f"/v1/sites/{site}/categories", {"name": "news", "title": "News"})
    headers = {"If-None-Match": before.headers["ETag"]}
    after = await anybody.get(f"/v1/public/{site}", headers=headers)
    assert [each["name"] for each in after["categories"]] == ["offers", "news"]


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def change(page: Page, made: dict[str, Any], status: int, **body: Any) -> Any:
    path = f"{page.subscriptions}/{made['id']}"
    return await page.call("PATCH", path, status, body, made["token"])


async def test_a_visitor_leaves_a_category_and_comes_back(
    api: Api, site: str, page: Page, offers: dict[str, Any]
) -> None:
    made = await page.subscribe()
    shown = f"/v1/sites/{site}/subscriptions/{made['id']}"
    assert (await api.get(shown))["opted_out"] == []
    for _ in range(2):
        await change(page, made, 204, opt_out=["offers"])
        assert (await api.get(shown))["opted_out"] == ["offers"]
    await change(page, made, 204, add_tags=["vip"])
    assert (await api.get(shown))["opted_out"] == ["offers"]
    await change(page, made, 204, opt_in=["offers", "whatever"])
    assert (await api.get(shown))["opted_out"] == []


async def test_a_category_that_the_site_has_not_any_more_is_passed_over(
    api: Api, site: str, page: Page, offers: dict[str, Any]
) -> None:
    made = await page.subscribe()
    await change(page, made, 204, opt_out=["offers", "deleted-since"])
    assert (await api.get(f"/v1/sites/{site}/subscriptions/{made['id']}"))["opted_out"] == ["offers"]
    response = await change(page, made, 400, opt_out=["No name"])
    assert [error["path"] for error in (await response.json())["errors"]] == ["opt_out[0]"]


async def test_whoever_left_a_category_stays_out_of_one_that_is_made_again(
    api: Api, site: str, page: Page, offers: dict[str, Any]
) -> None:
    made = await page.subscribe()
    await change(page, made, 204, opt_out=["offers"])
    await api.delete(f"/v1/sites/{site}/categories/{offers['id']}")
    await api.post(f"/v1/sites/{site}/categories", OFFERS)
    assert (await api.get(f"/v1/sites/{site}/subscriptions/{made['id']}"))["opted_out"] == ["offers"]


async def test_an_admin_notes_that_a_visitor_left(
    api: Api, site: str, page: Page, offers: dict[str, Any]
) -> None:
    made = await page.subscribe()
    path = f"/v1/sites/{site}/subscriptions/{made['id']}"
    assert (await api.patch(path, {"opt_out": ["offers"]}))["opted_out"] == ["offers"]
    assert (await api.patch(path, {"opt_in": ["offers"]}))["opted_out"] == []
    await api.patch(path, {"opt_out": ["ofers"]}, 400)


async def test_a_frequency_cap_is_set_shown_and_taken_away(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}"
    cap = {"messages": 3, "hours": 24, "minutes_between": 60}
    assert (await api.patch(path, {"settings": {"frequency_cap": cap}}))["settings"]["frequency_cap"] == cap
    assert (await api.get(path))["settings"]["frequency_cap"] == cap
    less = (await api.patch(path, {"settings": {"frequency_cap": {"messages": 1, "hours": 1}}}))["settings"]
    assert less["frequency_cap"] == {"messages": 1, "hours": 1}
    gone = await api.patch(path, {"settings": {"frequency_cap": None}})
    assert gone["settings"]["frequency_cap"] is None


@pytest.mark.parametrize(
    ("cap", "path"),
    [
        ({"messages": 0, "hours": 24}, "settings.frequency_cap.messages"),
        ({"messages": 1, "hours": 721}, "settings.frequency_cap.hours"),
        ({"messages": 1}, "settings.frequency_cap.hours"),
        ({"messages": 1, "hours": 1, "minutes_between": 61}, "settings.frequency_cap.minutes_between"),
    ],
)
async def test_a_cap_that_makes_no_sense_is_refused(
    api: Api, site: str, cap: dict[str, Any], path: str
) -> None:
    problem = await api.patch(f"/v1/sites/{site}", {"settings": {"frequency_cap": cap}}, 400)
    assert [error["path"] for error in problem["errors"]] == [path]
