"""Recurring messages through the API."""

from typing import Any

import pytest

from gateway import series
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.starter import Starter
from storage.ids import Kind, encode_id
from tests.api.conftest import NEW_MESSAGE, Api
from tests.fakes.clock import FakeClock

MONDAYS = {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}
STORED = {**MONDAYS, "from": None, "until": None}
TITLE = "Old"
DAYS = 24 * 3_600


async def recur(context: Context) -> None:
    """As the scheduler: make occurrences, then start them."""
    starter = Starter(context, Metrics())
    while await starter.step():
        pass


async def test_a_recurring_message_shows_its_next_occurrences(api: Api, site: str) -> None:
    made = await api.new_message(site, recurrence=MONDAYS)
    assert (made["state"], made["recurrence"]) == ("scheduled", STORED)
    assert made["send_at"] == "2026-01-05T08:00:00Z"
    assert made["next_occurrences"] == [
        "2026-01-05T08:00:00Z",
        "2026-01-12T08:00:00Z",
        "2026-01-19T08:00:00Z",
    ]
    assert await api.get(f"/v1/sites/{site}/messages/{made['id']}") == made


async def test_its_occurrences_are_messages_that_name_their_series(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    series = await api.new_message(site, recurrence=MONDAYS, misfire={"then": "expire"})
    other = await api.new_message(site, recurrence=MONDAYS)
    for _ in range(3):
        clock.advance(7 * DAYS)
        await recur(context)

    path = f"/v1/sites/{site}/messages?series={series['id']}"
    page = await api.get(f"{path}&limit=2")
    rest = await api.get(f"{path}&cursor={page['next']}")
    listed = page["items"] + rest["items"]
    assert [each["send_at"] for each in listed] == [
        "2026-01-19T08:00:00Z",
        "2026-01-12T08:00:00Z",
        "2026-01-05T08:00:00Z",
    ]
    for each in listed:
        assert (each["series"], each["replay_of"]) == (series["id"], None)
        assert (each["recurrence"], each["next_occurrences"]) == (None, None)
        assert (each["state"], each["misfire"]) == ("expired", {"then": "expire", "after": 300})
        assert each["notification"] == series["notification"]
    shown = await api.get(f"/v1/sites/{site}/messages/{series['id']}")
    assert (shown["state"], shown["series"], shown["send_at"]) == ("scheduled", None, "2026-01-26T08:00:00Z")
    assert len((await api.get(f"/v1/sites/{site}/messages?series={other['id']}"))["items"]) == 3
    stranger = encode_id(Kind.MESSAGE, 7)
    assert (await api.get(f"/v1/sites/{site}/messages?series={stranger}"))["items"] == []
    await api.get(f"/v1/sites/{site}/messages?series=mon", 400)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"recurrence": {**MONDAYS, "cron": "every monday"}}, "recurrence.cron"),
        ({"recurrence": {**MONDAYS, "cron": "0 9 30 2 *"}}, "recurrence.cron"),
        ({"recurrence": {**MONDAYS, "cron": "*/2 * * * *"}}, "recurrence.cron"),
        ({"recurrence": {**MONDAYS, "timezone": "Mars/Base"}}, "recurrence.timezone"),
        ({"recurrence": {**MONDAYS, "timezone": "localtime"}}, "recurrence.timezone"),
        ({"recurrence": {**MONDAYS, "until": "2025-12-31T00:00:00Z"}}, "recurrence.until"),
        ({"recurrence": {**MONDAYS, "until": "2026-12-31T00:00:00"}}, "recurrence.until"),
        ({"recurrence": MONDAYS, "send_at": "2026-12-01T09:00:00Z"}, "send_at"),
        ({"recurrence": MONDAYS, "expires_at": "2026-12-01T09:00:00Z"}, "expires_at"),
        ({"recurrence": MONDAYS, "local_time": {"at": "2026-12-01T09:00"}}, "local_time"),
        ({"recurrence": {"cron": "0 9 * * 1"}}, "recurrence.timezone"),
        ({"misfire": {"then": "forget"}}, "misfire.then"),
        ({"misfire": {"then": "expire", "after": 1}}, "misfire.after"),
        ({"misfire": {"then": "expire"}, "send_at": "2025-12-01T09:00:00Z"}, "misfire.after"),
    ],
)
async def test_a_wrong_rule_is_named_and_nothing_is_stored(
    api: Api, site: str, change: dict[str, Any], path: str
) -> None:
    problem = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **change}, 400)
    assert [each["path"] for each in problem["errors"]] == [path]
    assert (await api.get(f"/v1/sites/{site}/messages"))["items"] == []


async def test_a_change_of_a_series_concerns_future_occurrences(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    series = await api.new_message(site, recurrence=MONDAYS, notification={"title": TITLE})
    path = f"/v1/sites/{site}/messages/{series['id']}"
    clock.advance(7 * DAYS)
    await recur(context)
    changed = await api.patch(path, {"notification": {"title": "New"}})
    assert (changed["send_at"], changed["recurrence"]) == ("2026-01-12T08:00:00Z", STORED)
    clock.advance(7 * DAYS)
    await recur(context)
    listed = (await api.get(f"/v1/sites/{site}/messages?series={series['id']}"))["items"]
    assert [each["notification"]["title"] for each in listed] == ["New", TITLE]

    daily = await api.patch(path, {"recurrence": {"cron": "0 9 * * *", "timezone": "UTC"}})
    assert daily["send_at"] == "2026-01-15T09:00:00Z"


async def test_an_occurrence_that_is_due_is_not_lost_by_a_change_of_its_series(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    series = await api.new_message(site, recurrence=MONDAYS)
    clock.advance(4 * DAYS + 8 * 3_600)
    await api.patch(f"/v1/sites/{site}/messages/{series['id']}", {"notification": {"title": "New"}})
    await recur(context)
    [made] = (await api.get(f"/v1/sites/{site}/messages?series={series['id']}"))["items"]
    assert (made["send_at"], made["notification"]["title"]) == ("2026-01-05T08:00:00Z", "New")


async def test_a_series_becomes_one_message_and_one_message_a_series(api: Api, site: str) -> None:
    series = await api.new_message(site, recurrence=MONDAYS)
    path = f"/v1/sites/{site}/messages/{series['id']}"
    once = await api.patch(path, {"recurrence": None})
    assert (once["recurrence"], once["next_occurrences"], once["series"]) == (None, None, None)
    assert once["send_at"] == "2026-01-05T08:00:00Z"
    again = await api.patch(path, {"recurrence": {**MONDAYS, "from": "2026-03-01T00:00:00+01:00"}})
    assert again["next_occurrences"][0] == again["send_at"] == "2026-03-02T08:00:00Z"
    assert again["recurrence"]["from"] == "2026-02-28T23:00:00Z"


async def test_a_draft_that_recurs_waits_until_it_is_none(api: Api, site: str, clock: FakeClock) -> None:
    draft = await api.new_message(site, recurrence=MONDAYS, draft=True)
    assert (draft["state"], len(draft["next_occurrences"])) == ("draft", 3)
    clock.advance(30 * DAYS)
    started = await api.patch(f"/v1/sites/{site}/messages/{draft['id']}", {"draft": False})
    assert (started["state"], started["send_at"]) == ("scheduled", "2026-02-02T08:00:00Z")


async def test_a_site_has_a_number_of_series_that_go_on_and_not_more(
    api: Api, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MOST", 2)
    weekly = {**NEW_MESSAGE, "recurrence": MONDAYS}
    first, _ = [await api.new_message(site, recurrence=MONDAYS) for _ in range(2)]
    once, draft = await api.new_message(site), await api.new_message(site, draft=True, recurrence=MONDAYS)
    path = f"/v1/sites/{site}/messages"
    problem = await api.post(path, weekly, 409)
    assert problem["detail"] == "The site has 2 recurring messages: cancel one first."
    await api.patch(f"{path}/{once['id']}", {"recurrence": MONDAYS}, 409)
    await api.patch(f"{path}/{draft['id']}", {"draft": False}, 409)
    await api.patch(f"{path}/{first['id']}", {"rate": 5})
    await api.post(f"{path}/{first['id']}/pause", status=200)
    await api.post(path, weekly, 409)
    await api.post(f"{path}/{first['id']}/cancel", status=200)
    assert (await api.patch(f"{path}/{draft['id']}", {"draft": False}))["state"] == "scheduled"
    await api.new_message(await api.new_site(), recurrence=MONDAYS)


async def test_the_same_request_makes_one_series(api: Api, site: str) -> None:
    headers = {"Idempotency-Key": "weekly"}
    body = {**NEW_MESSAGE, "recurrence": MONDAYS}
    made = [await api.post(f"/v1/sites/{site}/messages", body, 202, headers=headers) for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]
    assert len((await api.get(f"/v1/sites/{site}/messages"))["items"]) == 1


async def test_a_cancelled_series_has_no_next_occurrence(api: Api, site: str) -> None:
    series = await api.new_message(site, recurrence=MONDAYS)
    cancelled = await api.post(f"/v1/sites/{site}/messages/{series['id']}/cancel", None, 200)
    assert (cancelled["state"], cancelled["next_occurrences"]) == ("cancelled", [])
