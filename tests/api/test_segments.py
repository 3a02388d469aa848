"""Segments, audiences by expression, and estimates, as admins meet them."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import ClientTimeout

from gateway.context import Context
from gateway.estimates import MOST_WAITING
from storage import audiences, segments
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.segments import Segment
from tests.api.conftest import Api
from tests.api.page import Page

NOTHING = "msg_0000000000000"
VIPS = {"name": "VIPs", "where": {"all": [{"tag": "vip"}, {"attribute": "n", "op": "gt", "value": 2}]}}


@pytest.fixture
def path(site: str) -> str:
    return f"/v1/sites/{site}/segments"


@pytest.fixture
def estimate(site: str) -> str:
    return f"/v1/sites/{site}/audience/estimate"


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def test_a_segment_is_saved_shown_changed_and_deleted(api: Api, path: str) -> None:
    made = await api.post(path, VIPS)
    assert made["id"].startswith("seg_")
    assert {name: made[name] for name in VIPS} == VIPS
    one = f"{path}/{made['id']}"
    assert await api.get(one) == made
    changed = await api.patch(one, {"name": "Best", "where": {"tag": "best"}})
    assert (changed["name"], changed["where"]) == ("Best", {"tag": "best"})
    assert (await api.patch(one, {}))["name"] == "Best"
    assert (await api.get(path))["items"] == [changed]
    await api.delete(one)
    for call in (api.get(one, 404), api.patch(one, {"name": "x"}, 404), api.delete(one, 404)):
        assert (await call)["code"] == "not_found"


async def test_a_name_and_an_expression_that_change_at_once_both_count(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/segments"
    one = f"{path}/{(await api.post(path, VIPS))['id']}"
    for number in range(5):
        name, where = f"Best {number}", {"tag": f"best{number}"}
        await asyncio.gather(api.patch(one, {"name": name}), api.patch(one, {"where": where}))
        found = await api.get(one)
        assert (found["name"], found["where"]) == (name, where)


async def test_names_are_unique_within_a_site(api: Api, path: str) -> None:
    await api.post(path, VIPS)
    other = await api.post(path, {**VIPS, "name": "Others"})
    assert (await api.post(path, VIPS, 409))["code"] == "conflict"
    refused = await api.patch(f"{path}/{other['id']}", {"name": "VIPs"}, 409)
    assert "another segment of this name" in refused["detail"]
    await api.post(f"/v1/sites/{await api.new_site()}/segments", VIPS)


async def test_changes_are_audited(api: Api, path: str, site: str) -> None:
    made = await api.post(path, VIPS)
    await api.patch(f"{path}/{made['id']}", {"where": {"tag": "x"}})
    await api.delete(f"{path}/{made['id']}")
    found = [entry for entry in (await api.get("/v1/audit"))["items"] if entry["target"] == made["id"]]
    assert [entry["action"] for entry in found] == ["segment.deleted", "segment.changed", "segment.created"]


@pytest.mark.parametrize(
    ("where", "path_of_error"),
    [
        ({}, "where"),
        ({"all": [{"tag": "a"}, {"attribute": "a", "op": "in", "value": 1}]}, "where.all[1].value"),
        ({"not": {"clicked": {"message": NOTHING}}}, "where.not.clicked.message"),
        ({"any": [{"tag": 5}]}, "where.any[0].tag"),
        ({"timezone": "Nowhere"}, "where.timezone"),
    ],
)
async def test_a_wrong_expression_is_refused_with_its_path(
    api: Api, path: str, site: str, estimate: str, where: Any, path_of_error: str
) -> None:
    for url, body, prefix in (
        (path, {"name": "x", "where": where}, ""),
        (estimate, {"audience": {"where": where}}, "audience."),
        (
            f"/v1/sites/{site}/messages",
            {"notification": {"title": "x"}, "audience": {"where": where}},
            "audience.",
        ),
    ):
        refused = await api.post(url, body, 400)
        assert [each["path"] for each in refused["errors"]] == [prefix + path_of_error], refused


async def test_messages_of_other_sites_do_not_exist(api: Api, path: str, site: str) -> None:
    own = await api.new_message(site, send_at="2099-01-01T00:00:00Z")
    foreign = await api.new_message(await api.new_site())
    await api.post(path, {"name": "a", "where": {"received": {"message": own["id"]}}})
    refused = await api.post(path, {"name": "b", "where": {"received": {"message": foreign["id"]}}}, 400)
    assert refused["errors"][0]["message"] == "The site has no such message."


async def test_a_nest_of_thousands_is_refused(api: Api, path: str) -> None:
    deep = '{"name": "x", "where": ' + '{"not":' * 3_000 + '{"tag":"a"}' + "}" * 3_001
    await api.call("POST", path, 400, data=deep, headers={"Content-Type": "application/json"})


async def test_a_message_goes_to_a_segment(api: Api, path: str, site: str) -> None:
    made = await api.post(path, VIPS)
    later = {"send_at": "2099-01-01T00:00:00Z"}
    message = await api.new_message(site, audience={"segment": made["id"]}, **later)
    assert message["audience"] == {"segment": made["id"]}
    assert message["priority"] == "bulk"
    one = f"/v1/sites/{site}/messages/{message['id']}"
    changed = await api.patch(one, {"audience": {"where": {"tag": "a"}}})
    assert changed["audience"] == {"where": {"tag": "a"}}
    for wrong, says in ((NOTHING.replace("msg", "seg"), "no such segment"), ("seg_x", "not the id")):
        for call in (
            api.patch(one, {"audience": {"segment": wrong}}, 400),
            api.post(
                f"/v1/sites/{site}/messages",
                {"notification": {"title": "x"}, "audience": {"segment": wrong}},
                400,
            ),
        ):
            [error] = (await call)["errors"]
            assert error["path"] == "audience.segment"
            assert says in error["message"]


async def test_an_estimate_counts_by_provider(
    api: Api, page: Page, path: str, estimate: str, site: str
) -> None:
    gold = await page.subscribe(tags=["vip"], attributes={"n": 3})
    await page.subscribe(tags=["vip"], attributes={"n": 1}, language="de")
    left = await page.subscribe(tags=["vip"], attributes={"n": 9})
    await page.call("DELETE", f"{page.subscriptions}/{left['id']}", 204, token=left["token"])
    segment = await api.post(path, VIPS)

    async def counted(audience: Any) -> int:
        found = await api.post(estimate, {"audience": audience}, 200)
        assert sum(found["by_provider"].values()) == found["count"]
        return int(found["count"])

    assert await counted({"all": True}) == 2
    assert await counted({"segment": segment["id"]}) == 1
    assert await counted({"where": {"language": "de"}}) == 1
    assert await counted({"where": {"not": {"tag": "vip"}}}) == 0
    assert await counted({"subscriptions": [gold["id"], left["id"]]}) == 1
    assert await counted({"external_ids": ["nobody"]}) == 0
    assert (await api.post(estimate, {"audience": {"all": True}}, 200))["by_provider"] == {"fcm": 2}
    nowhere = f"/v1/sites/{site.replace('site_0', 'site_1')}/audience/estimate"
    assert (await api.post(nowhere, {"audience": {"all": True}}, 404))["code"] == "not_found"


async def test_an_estimate_ends_when_its_caller_leaves(
    api: Api, page: Page, estimate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on for ever, a window at a time."""
    await page.subscribe()
    looks = 0

    async def endless(*args: Any) -> audiences.Window:
        nonlocal looks
        looks += 1
        return audiences.Window((), 0, last=False)

    with monkeypatch.context() as patch:
        patch.setattr(audiences, "count", endless)
        with pytest.raises(TimeoutError):
            await api.post(estimate, {"audience": {"all": True}}, 200, timeout=ClientTimeout(total=0.5))
        assert looks
        for _ in range(100):
            before = looks
            await asyncio.sleep(0.1)
            if looks == before:
                break
        assert looks == before
    assert (await api.post(estimate, {"audience": {"all": True}}, 200))["count"] == 1


async def test_a_site_has_a_few_estimates_at_once_and_not_more(
    api: Api, estimate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, running, most, go_on = audiences.count, 0, 0, False

    async def slow(tx: Transaction, *args: Any) -> audiences.Window:
        nonlocal running, most
        running += 1
        most = max(most, running)
        found = await count(tx, *args)
        running -= 1
        return found if go_on else audiences.Window((), 0, last=False)

    monkeypatch.setattr(audiences, "count", slow)
    body = {"audience": {"all": True}}
    waiting = [asyncio.create_task(api.post(estimate, body, 200)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0.5)
    refused = await api.call("POST", estimate, 429, json=body)
    assert refused.headers["Retry-After"] == "2"
    go_on = True
    assert [each["count"] for each in await asyncio.gather(*waiting)] == [0] * MOST_WAITING
    assert most == 1


async def test_ten_thousand_segments_are_no_burden(api: Api, context: Context, path: str, site: str) -> None:
    site_id = decode_id(Kind.SITE, site)
    made = [Segment(n, site_id, f"Segment {n}", '{"tag":"a"}', 1, 1) for n in range(1, 10_001)]

    async def fill(tx: Transaction) -> None:
        for each in made:
            await segments.add(tx, each)

    await context.database.write(fill)
    started = time.process_time()
    first = await api.get(f"{path}?limit=500")
    second = await api.get(f"{path}?limit=500&cursor={first['next']}")
    assert [each["name"] for each in second["items"]] == [f"Segment {n}" for n in range(501, 1_001)]
    full = await api.post(path, {**VIPS, "name": "One more"}, 409)
    assert full["detail"] == "The site has 10000 segments: delete one first."
    await api.delete(f"{path}/{first['items'][0]['id']}")
    assert (await api.post(path, {**VIPS, "name": "Segment 9999"}, 409))["code"] == "conflict"
    await api.post(path, {**VIPS, "name": "One more"})
    assert time.process_time() - started < 2
