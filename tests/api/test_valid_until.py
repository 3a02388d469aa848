"""Messages that are true until a moment."""

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.api.moments import to_moment
from gateway.context import Context
from tests.api.conftest import NEW_MESSAGE, Api
from tests.api.failing import end, send
from tests.fakes.clock import FakeClock


def moment(clock: FakeClock, **later: int) -> str:
    return (to_moment(clock.now()) + timedelta(**later)).isoformat().replace("+00:00", "Z")


async def refused(api: Api, site: str, **fields: Any) -> list[str]:
    answer = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **fields}, 400)
    return [error["path"] for error in answer["errors"]]


async def test_it_is_shown_and_nobody_is_sent_the_message_afterwards(
    api: Api, site: str, clock: FakeClock
) -> None:
    until = moment(clock, hours=2)
    made = await api.new_message(site, valid_until=until, fallback={"title": "More offers"})
    assert (made["valid_until"], made["expires_at"]) == (until, until)
    assert await api.get(f"/v1/sites/{site}/messages/{made['id']}") == made
    early = await api.new_message(site, valid_until=until, expires_at=moment(clock, hours=1))
    assert (early["valid_until"], early["expires_at"]) == (until, moment(clock, hours=1))
    late = await api.new_message(site, valid_until=until, expires_at=moment(clock, hours=3))
    assert (late["valid_until"], late["expires_at"]) == (until, until)
    plain = await api.new_message(site)
    assert (plain["valid_until"], plain["expires_at"]) == (None, None)


async def test_the_browser_is_told_of_it_with_the_fallback(
    api: Api, context: Context, site: str, clock: FakeClock
) -> None:
    fallback = {"title": "More offers", "url": "https://example.com/offers"}
    message, [who, *_] = await send(api, context, site, valid_until=moment(clock, hours=2), fallback=fallback)
    path = f"/v1/sites/{site}/messages/{message}/preview"
    payload = (await api.post(path, {"subscription": who}, 200))["payload"]
    payload = json.loads(payload) if isinstance(payload, str) else payload
    assert (payload["u"], payload["f"]) == (clock.now() + 2 * 3_600_000, fallback)
    assert payload["n"]["title"] == "Sale"


async def test_a_message_and_its_fallback_have_to_fit_together(api: Api, site: str, clock: FakeClock) -> None:
    half = {"title": "Hi", "data": {"x": "y" * 2_000}}
    both = {"notification": half, "fallback": half}
    await api.new_message(site, **both)
    body = {**NEW_MESSAGE, **both, "valid_until": moment(clock, hours=2)}
    answer = await api.post(f"/v1/sites/{site}/messages", body, 413)
    assert "with the fallback" in answer["detail"]
    assert answer["bytes_over"] > 0


async def test_times_that_contradict_each_other_are_refused(api: Api, site: str, clock: FakeClock) -> None:
    soon, later = moment(clock, hours=1), moment(clock, hours=2)
    assert await refused(api, site, valid_until=moment(clock)) == ["valid_until"]
    assert await refused(api, site, valid_until=soon, send_at=soon) == ["valid_until"]
    assert await refused(api, site, valid_until=soon, send_at=later) == ["valid_until"]
    at = (to_moment(clock.now()) + timedelta(days=3)).strftime("%Y-%m-%dT09:00")
    assert await refused(api, site, valid_until=later, local_time={"at": at}) == ["valid_until"]
    weekly = {"cron": "0 9 * * 1", "timezone": "UTC"}
    assert await refused(api, site, valid_until=later, recurrence=weekly) == ["valid_until"]
    assert await refused(api, site, valid_until=later, best_hour={"within_hours": 24}) == [
        "best_hour.within_hours"
    ]


@pytest.mark.parametrize("draft", [False, True])
async def test_a_change_moves_it_or_takes_it_away(api: Api, site: str, clock: FakeClock, draft: bool) -> None:
    start, until = moment(clock, hours=1), moment(clock, hours=2)
    made = await api.new_message(site, send_at=start, valid_until=until, draft=draft)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    assert await api.patch(path, {"rate": 5}) == {**made, "rate": 5}
    later = moment(clock, hours=5)
    moved = await api.patch(path, {"valid_until": later})
    assert (moved["valid_until"], moved["expires_at"]) == (later, later)
    cut = await api.patch(path, {"expires_at": until})
    assert (cut["valid_until"], cut["expires_at"]) == (later, until)
    gone = await api.patch(path, {"valid_until": None})
    assert (gone["valid_until"], gone["expires_at"]) == (None, until)
    problem = await api.patch(path, {"valid_until": start}, 400)
    assert [error["path"] for error in problem["errors"]] == ["valid_until"]


async def test_an_end_that_was_asked_for_is_kept_behind_it(api: Api, site: str, clock: FakeClock) -> None:
    until, end = moment(clock, hours=2), moment(clock, hours=3)
    for expires_at in (until, end):
        made = await api.new_message(site, draft=True, valid_until=until, expires_at=expires_at)
        path = f"/v1/sites/{site}/messages/{made['id']}"
        assert made["expires_at"] == until
        assert (await api.patch(path, {"rate": 5}))["expires_at"] == until
        copy = await api.post(f"{path}/duplicate", status=200)
        for shown in (path, f"/v1/sites/{site}/messages/{copy['id']}"):
            later = await api.patch(shown, {"valid_until": moment(clock, hours=9)})
            assert later["expires_at"] == expires_at
            gone = await api.patch(shown, {"valid_until": None})
            assert (gone["valid_until"], gone["expires_at"]) == (None, expires_at)


async def test_a_duplicate_has_it_unless_it_has_passed(api: Api, site: str, clock: FakeClock) -> None:
    until = moment(clock, hours=2)
    message = await api.new_message(site, valid_until=until, fallback={"title": "More offers"})
    path = f"/v1/sites/{site}/messages/{message['id']}/duplicate"
    early = await api.post(path, status=200)
    assert (early["valid_until"], early["expires_at"]) == (until, until)
    clock.advance(2 * 3_600)
    late = await api.post(path, status=200)
    assert (late["valid_until"], late["expires_at"]) == (None, None)
    assert late["fallback"] == {"title": "More offers"}


async def test_what_is_over_is_not_replayed(api: Api, context: Context, site: str, clock: FakeClock) -> None:
    message, _ = await send(api, context, site, valid_until=moment(clock, hours=2))
    await end(context, message)
    path = f"/v1/sites/{site}/messages/{message}/replay"
    again = await api.post(path, {}, 202)
    assert again["valid_until"] == moment(clock, hours=2)
    clock.advance(2 * 3_600)
    problem = await api.post(path, {"expires_at": None}, 400)
    assert [error["path"] for error in problem["errors"]] == ["valid_until"]


async def test_a_message_of_a_template_has_it(api: Api, site: str, clock: FakeClock) -> None:
    template = await api.post(
        f"/v1/sites/{site}/templates", {"name": "Sale", "notification": {"title": "{{ variables.x }}"}}
    )
    body = {
        "template": template["id"],
        "variables": {"x": "Hats"},
        "valid_until": moment(clock, hours=2),
        "audience": {"all": True},
    }
    made = await api.post(f"/v1/sites/{site}/messages", body, 202)
    assert (made["notification"]["title"], made["valid_until"]) == ("Hats", body["valid_until"])
