"""Alerts as admins and their tools ask for them."""

from typing import Any

import pytest

from gateway.context import Context
from storage import alerts
from storage.alerts import Alert
from storage.ids import Kind, decode_id, encode_id
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock


async def add(context: Context, name: str, site: str | None = None, provider: str = "") -> str:
    site_id = 0 if site is None else decode_id(Kind.SITE, site)
    alert = Alert(
        context.ids.next(), site_id, name, provider, "warning", 0.02, 0.5, None, "It fell.",
        ("Look.", "There."), context.clock.now(),
    )  # fmt: skip
    assert await context.database.write(lambda tx: alerts.add(tx, alert))
    return encode_id(Kind.ALERT, alert.id)


async def end(context: Context, alert: str) -> None:
    id, now = decode_id(Kind.ALERT, alert), context.clock.now()
    assert await context.database.write(lambda tx: alerts.end(tx, id, now))


async def listed(api: Api, query: str = "") -> list[Any]:
    return [each["id"] for each in (await api.get(f"/v1/alerts{query}"))["items"]]


async def test_an_alert_says_what_is_wrong_and_what_to_look_at(api: Api, site: str, context: Context) -> None:
    id = await add(context, "display_rate", site, "mozilla")
    assert (await api.get("/v1/alerts"))["items"] == [
        {
            "id": id,
            "name": "display_rate",
            "severity": "warning",
            "site": site,
            "provider": "mozilla",
            "value": 0.02,
            "low": 0.5,
            "high": None,
            "summary": "It fell.",
            "look_at": ["Look.", "There."],
            "runbook": "display_rate",
            "raised_at": "2026-01-01T00:00:00Z",
            "ended_at": None,
            "acknowledged_at": None,
        }
    ]


async def test_those_that_are_raised_are_listed_unless_others_are_asked_for(
    api: Api, site: str, context: Context
) -> None:
    over = await add(context, "quota", site)
    await end(context, over)
    again, clock = await add(context, "quota", site), await add(context, "clock")
    assert await listed(api) == [clock, again]
    assert await listed(api, "?state=ended") == [over]
    assert await listed(api, "?state=all") == [clock, again, over]
    first = await api.get("/v1/alerts?state=all&limit=2")
    assert await listed(api, f"?state=all&limit=2&cursor={first['next']}") == [over]
    await api.get("/v1/alerts?state=gone", 400)


async def test_a_token_of_one_site_sees_its_own_only(api: Api, site: str, context: Context) -> None:
    mine = await add(context, "quota", site)
    others = await add(context, "quota", await api.new_site())
    everybodys = await add(context, "open_files")
    manager = api.with_token(await api.new_token(site, "read", "manage"))
    assert await listed(manager) == [mine]
    for id in (others, everybodys):
        await manager.post(f"/v1/alerts/{id}/acknowledge", status=404)
    await api.post("/v1/alerts/alr_0000000000000/acknowledge", status=404)


async def test_an_alert_is_acknowledged_once_and_stays_raised(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    id = await add(context, "quota", site)
    reader = api.with_token(await api.new_token(site, "read"))
    await reader.post(f"/v1/alerts/{id}/acknowledge", status=403)
    seen = await api.post(f"/v1/alerts/{id}/acknowledge", status=200)
    assert (seen["acknowledged_at"], seen["ended_at"]) == ("2026-01-01T00:00:00Z", None)
    clock.advance(60)
    assert await api.post(f"/v1/alerts/{id}/acknowledge", status=200) == seen
    assert await listed(api) == [id]
    entries = (await api.get("/v1/audit?action=alert"))["items"]
    assert [(each["target"], each["site"], each["detail"]) for each in entries] == [
        (id, site, {"name": "quota"})
    ]


@pytest.mark.parametrize("name", ["quota", "display_rate"])
async def test_there_is_one_of_a_name_site_and_provider_at_a_time(
    api: Api, site: str, context: Context, name: str
) -> None:
    first = await add(context, name, site, "fcm")
    with pytest.raises(AssertionError):
        await add(context, name, site, "fcm")
    await add(context, name, site, "apple")
    await end(context, first)
    await add(context, name, site, "fcm")
