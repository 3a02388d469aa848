"""What became of messages and subscribers, as the API tells it."""

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.context import Context
from gateway.tokens import EVENT_TOKENS, HOUR, issue_event_token
from storage import deliveries, messages
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.ids import Kind, decode_id
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock

DAY = 24 * HOUR
NOTHING = {
    "audience": 0, "accepted": 0, "gone": 0, "failed": 0, "expired": 0, "skipped": 0, "displayed": 0,
    "clicked": 0, "closed": 0, "unsubscribed": 0,
}  # fmt: skip


@pytest.fixture
def page(api: Api, site: str) -> Page:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    return Page(api.with_token(None), site, sent={"User-Agent": agent})


@dataclass
class Sent:
    """A message to some browsers of the page, of which every outcome is told by a test."""

    context: Context
    page: Page
    id: str
    browsers: list[dict[str, Any]]

    @property
    def message_id(self) -> int:
        return decode_id(Kind.MESSAGE, self.id)

    @property
    def site_id(self) -> int:
        return decode_id(Kind.SITE, self.page.site)

    def subscription_id(self, number: int) -> int:
        return decode_id(Kind.SUBSCRIPTION, self.browsers[number]["id"])

    async def ends(self, number: int, outcome: Outcome = Outcome.ACCEPTED, **more: Any) -> None:
        now = self.context.clock.now()
        values = {
            "reason": None,
            "code": 201,
            "variant": 0,
            "provider": "fcm",
            "attempt": 1,
            "at": now,
        } | more
        result = Result(
            site_id=self.site_id,
            message_id=self.message_id,
            subscription_id=self.subscription_id(number),
            outcome=outcome,
            **values,
        )
        await self.context.database.write(lambda tx: deliveries.record(tx, [result]))

    def token(self, number: int) -> str:
        key = self.context.master_key.derive(EVENT_TOKENS, self.site_id)
        now = self.context.clock.now()
        return issue_event_token(key, self.site_id, self.message_id, self.subscription_id(number), 0, now)

    async def report(self, number: int, kind: str, **more: Any) -> None:
        await self.page.report({"token": self.token(number), "kind": kind, **more})

    async def unsubscribe(self, number: int) -> None:
        made = self.browsers[number]
        await self.page.call("DELETE", f"{self.page.subscriptions}/{made['id']}", 204, token=made["token"])


async def send(api: Api, context: Context, page: Page, browsers: int = 3, **changes: Any) -> Sent:
    made = [await page.subscribe(push_subscription()) for _ in range(browsers)]
    return await send_again(api, context, page, made, **changes)


async def send_again(
    api: Api, context: Context, page: Page, made: list[dict[str, Any]], **changes: Any
) -> Sent:
    message = await api.new_message(page.site, **changes)
    sent = Sent(context, page, message["id"], made)
    now = context.clock.now()

    async def start(tx: Transaction) -> None:
        await messages.start(tx, sent.message_id, now, 2**62)
        await messages.frozen(tx, sent.message_id, len(made), None, now)

    await context.database.write(start)
    return sent


@pytest.fixture
async def sent(api: Api, context: Context, page: Page) -> Sent:
    return await send(api, context, page)


async def test_a_site_without_anything_has_thirty_days_of_nothing(api: Api, site: str) -> None:
    found = await api.get(f"/v1/sites/{site}/stats")
    assert (found["step"], found["timezone"]) == ("day", "UTC")
    assert (found["from"], found["to"]) == ("2025-12-03T00:00:00Z", "2026-01-02T00:00:00Z")
    assert len(found["series"]) == 30
    assert found["totals"] == {**NOTHING, "messages": 0}
    assert found["best_hours"] is None
    assert found["by_provider"] == {}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
async def test_thirty_days_are_thirty_days_also_where_clocks_are_set_forward_among_them(
    api: Api, clock: FakeClock, site: str, zone: str
) -> None:
    clock.advance(99.5 * 24 * 3_600)  # at noon of 2026-04-10
    path = f"/v1/sites/{site}/stats?timezone={zone}"
    assert len((await api.get(path))["series"]) == 30
    assert len((await api.get(f"{path}&to=2026-04-10"))["series"]) == 30


async def test_a_site_sees_what_became_of_everything(api: Api, clock: FakeClock, sent: Sent) -> None:
    clock.advance(3_600)
    await sent.ends(0)
    await sent.ends(1, Outcome.GONE, code=410)
    await sent.ends(2, Outcome.REJECTED, code=400)
    await sent.report(0, "displayed")
    await sent.report(0, "clicked", action="buy")
    path = f"/v1/sites/{sent.page.site}/stats?step=hour&from=2026-01-01T00:00:00Z"
    found = await api.get(path)
    counts = {**NOTHING, "audience": 3, "accepted": 1, "gone": 1, "failed": 1, "displayed": 1, "clicked": 1}
    assert found["totals"] == {**counts, "messages": 1}
    nobody = {"subscribed": 0, "resubscribed": 0, "lost": 0}
    first = {"at": "2026-01-01T00:00:00Z", **NOTHING, **nobody, "subscribed": 3}
    assert found["series"] == [first, {"at": "2026-01-01T01:00:00Z", **counts, **nobody}]
    assert (await api.get(f"{path}&to=2026-01-01T01:00:00Z"))["series"] == [first]  # until before it


async def test_what_happens_now_is_in_the_step_that_has_begun(api: Api, clock: FakeClock, sent: Sent) -> None:
    clock.advance(5_400)
    await sent.ends(0)
    found = await api.get(f"/v1/sites/{sent.page.site}/stats?step=hour&from=2026-01-01T00:00:00Z")
    assert [point["accepted"] for point in found["series"]] == [0, 1]
    assert found["by_provider"] == {"fcm": {**NOTHING, "audience": 1, "accepted": 1}}


async def test_days_begin_where_the_site_is(api: Api, clock: FakeClock, sent: Sent) -> None:
    await sent.ends(0)  # at midnight in UTC: half past five in the morning in Calcutta
    clock.advance(18 * 3_600)
    await sent.ends(1)  # in the hour in which the next day begins there: it counts for the day before
    clock.advance(3_600)
    await sent.ends(2)
    path = f"/v1/sites/{sent.page.site}/stats?from=2026-01-01"
    found = await api.get(f"{path}&timezone=Asia/Kolkata")
    assert [(point["at"], point["accepted"]) for point in found["series"]] == [
        ("2025-12-31T18:30:00Z", 2),
        ("2026-01-01T18:30:00Z", 1),
    ]
    await api.patch(f"/v1/sites/{sent.page.site}", {"settings": {"timezone": "America/New_York"}})
    found = await api.get(path)
    assert [(point["at"], point["accepted"]) for point in found["series"]] == [("2026-01-01T05:00:00Z", 2)]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("from=2026-01-01T00:00:00", "from"),
        ("from=2026-02-01", "from"),
        ("from=2000-01-01", "from"),
        ("from=9999-12-30&to=9999-12-31", "to"),
        ("from=1969-12-31", "from"),
        ("from=2025-01-01&step=hour", "step"),
        ("timezone=Middle/Earth", "timezone"),
        ("step=minute", "step"),
        ("format=xml", "format"),
    ],
)
async def test_what_cannot_be_shown_is_refused_by_name(api: Api, site: str, query: str, path: str) -> None:
    problem = await api.get(f"/v1/sites/{site}/stats?{query}", 400)
    assert [each["path"] for each in problem["errors"]] == [path]


@pytest.mark.parametrize(
    ("start", "began"),
    [
        ("2025-12-20", "2025-12-19T23:00:00Z"),
        ("2025-12-20T10:00:00Z", "2025-12-19T23:00:00Z"),
        ("2025-12-20T00:30:00+01:00", "2025-12-19T23:00:00Z"),  # a `+` that nobody has escaped is a blank
        ("2025-12-19T22:30:00Z", "2025-12-18T23:00:00Z"),
    ],
)
async def test_a_time_is_moved_to_the_step_in_which_it_lies(
    api: Api, site: str, start: str, began: str
) -> None:
    found = await api.get(f"/v1/sites/{site}/stats?timezone=Europe/Berlin&from={start}")
    assert found["from"] == found["series"][0]["at"] == began


async def test_growth_and_loss_are_told_with_reasons(api: Api, clock: FakeClock, sent: Sent) -> None:
    clock.advance(60)
    await sent.unsubscribe(0)
    await api.delete(f"/v1/sites/{sent.page.site}/subscriptions/{sent.browsers[1]['id']}")
    found = await api.get(f"/v1/sites/{sent.page.site}/stats")
    assert found["subscribers"] == {
        "active": 1,
        "subscribed": 3,
        "resubscribed": 0,
        "lost": {"gone": 0, "never_worked": 0, "unsubscribed": 1, "expired": 0, "erased": 1},
    }
    assert (found["series"][-1]["subscribed"], found["series"][-1]["lost"]) == (3, 2)


async def test_a_message_has_a_funnel_a_curve_and_what_is_known_of_who_saw_it(
    api: Api, clock: FakeClock, sent: Sent
) -> None:
    await sent.ends(0)
    await sent.ends(1)
    clock.advance(7_200)
    await sent.report(0, "displayed")
    await sent.report(0, "clicked", action="buy")
    await sent.report(1, "displayed")
    found = await api.get(f"/v1/sites/{sent.page.site}/messages/{sent.id}/stats")
    counts = {**NOTHING, "audience": 3, "accepted": 2, "displayed": 2, "clicked": 1}
    assert found["funnel"] == counts
    assert found["step"] == "hour"
    assert [(point["accepted"], point["displayed"]) for point in found["series"]] == [(2, 0), (0, 0), (0, 2)]
    assert found["by_provider"] == {"fcm": {**counts, "audience": 2}}
    assert found["by_browser"] == {"firefox": {"displayed": 2, "clicked": 1, "closed": 0}}
    assert found["by_country"] == {"unknown": {"displayed": 2, "clicked": 1, "closed": 0}}
    assert found["actions"] == {"buy": 1}
    assert found["by_variant"] == []
    site = await api.get(f"/v1/sites/{sent.page.site}/stats?to=2026-01-02")
    assert site["by_browser"] == found["by_browser"]


async def test_a_message_that_nothing_became_of_has_no_curve(api: Api, sent: Sent) -> None:
    found = await api.get(f"/v1/sites/{sent.page.site}/messages/{sent.id}/stats")
    assert found["funnel"] == {**NOTHING, "audience": 3}
    assert (found["series"], found["step"]) == ([], None)


async def test_variants_are_told_apart(api: Api, context: Context, page: Page) -> None:
    options = [{"name": "red", "weight": 50}, {"name": "blue", "weight": 50}]
    sent = await send(api, context, page, variants={"options": options, "holdout": 10})
    await sent.ends(0, variant=0)
    await sent.ends(1, variant=1)
    await sent.ends(2, Outcome.SKIPPED, reason="holdout")
    found = await api.get(f"/v1/sites/{page.site}/messages/{sent.id}/stats")
    one = {**NOTHING, "audience": 1, "accepted": 1}
    assert found["by_variant"] == [{"name": "red", **one}, {"name": "blue", **one}]


async def test_who_leaves_within_a_day_of_a_display_leaves_over_that_message(
    api: Api, clock: FakeClock, context: Context, sent: Sent
) -> None:
    await sent.report(0, "displayed")
    await sent.report(1, "displayed")
    clock.advance(3_600)
    later = await send_again(api, context, sent.page, sent.browsers)
    await later.report(0, "displayed")
    clock.advance(3_600)
    await later.unsubscribe(0)
    clock.advance(DAY / 1_000)
    await sent.unsubscribe(1)  # too late to say over what
    path = f"/v1/sites/{sent.page.site}"
    of_first = await api.get(f"{path}/messages/{sent.id}/stats")
    of_later = await api.get(f"{path}/messages/{later.id}/stats")
    assert (of_first["funnel"]["unsubscribed"], of_later["funnel"]["unsubscribed"]) == (0, 1)
    of_site = await api.get(f"{path}/stats")
    assert of_site["totals"]["unsubscribed"] == of_site["subscribers"]["lost"]["unsubscribed"] == 2


async def test_leaving_again_over_the_same_message_is_counted_all_the_same(api: Api, sent: Sent) -> None:
    await sent.report(0, "displayed")
    known = push_subscription()
    made = await sent.page.subscribe(known)
    sent.browsers.append(made)
    await sent.report(3, "displayed")
    for _ in range(2):
        await sent.unsubscribe(3)
        await sent.page.subscribe(known, 200)
    await sent.unsubscribe(3)
    of_message = await api.get(f"/v1/sites/{sent.page.site}/messages/{sent.id}/stats")
    assert of_message["funnel"]["unsubscribed"] == 1
    of_site = await api.get(f"/v1/sites/{sent.page.site}/stats?to=2026-01-02")
    assert of_site["totals"]["unsubscribed"] == 3
    assert of_site["subscribers"]["resubscribed"] == 2


async def test_series_are_handed_out_as_lines(api: Api, sent: Sent) -> None:
    await sent.ends(0)
    path = f"/v1/sites/{sent.page.site}/stats?from=2025-12-31&to=2026-01-02"
    points = (await api.get(path))["series"]
    answer = await api.call("GET", f"{path}&format=ndjson", 200)
    assert [json.loads(line) for line in (await answer.text()).splitlines()] == points
    answer = await api.call("GET", f"{path}&format=csv", 200)
    assert answer.content_type == "text/csv"
    assert 'filename="stats.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert rows == [{name: str(value) for name, value in point.items()} for point in points]
    assert next(iter(rows[0])) == "at"
    of_message = f"/v1/sites/{sent.page.site}/messages/{sent.id}/stats?format=csv&step=day"
    lines = (await (await api.call("GET", of_message, 200)).text()).splitlines()
    assert lines[0] == "at,accepted,displayed,clicked,closed,failed,gone"
    assert lines[1] == "2026-01-01T00:00:00Z,1,0,0,0,0,0"


async def test_statistics_are_those_of_a_site_that_one_may_read(api: Api, sent: Sent) -> None:
    other = await api.new_site()
    stranger = api.with_token(await api.new_token(other, "read"))
    await stranger.get(f"/v1/sites/{other}/stats")
    await stranger.get(f"/v1/sites/{sent.page.site}/stats", 404)
    await stranger.get(f"/v1/sites/{other}/messages/{sent.id}/stats", 404)


async def test_a_subscription_has_a_history(api: Api, clock: FakeClock, sent: Sent) -> None:
    clock.advance(10)
    await sent.ends(0)
    clock.advance(10)
    await sent.report(0, "displayed")
    clock.advance(10)
    made = sent.browsers[0]
    await sent.page.call("POST", f"/v1/public/{sent.page.site}/track", 204, {"name": "bought"}, made["token"])
    clock.advance(10)
    await sent.unsubscribe(0)
    path = f"/v1/sites/{sent.page.site}/subscriptions/{made['id']}/history"
    found = (await api.get(path))["items"]
    assert [(each["kind"], each["message"], each["title"], each["detail"]) for each in found] == [
        ("unsubscribed", sent.id, "Sale", None),
        ("event", None, None, "bought"),
        ("displayed", sent.id, "Sale", None),
        ("accepted", sent.id, "Sale", None),
        ("subscribed", None, None, None),
    ]
    assert found[-1]["at"] == "2026-01-01T00:00:00Z"


async def test_a_history_tells_why_something_failed_and_how_it_ended(
    api: Api, clock: FakeClock, context: Context, sent: Sent
) -> None:
    await sent.ends(0, Outcome.REJECTED, reason="bad header", code=400)
    later = await send_again(api, context, sent.page, sent.browsers)
    clock.advance(1)
    await later.ends(0, Outcome.SKIPPED, reason="frequency_cap", code=None)
    clock.advance(1)
    await sent.unsubscribe(0)
    path = f"/v1/sites/{sent.page.site}/subscriptions/{sent.browsers[0]['id']}/history"
    found = (await api.get(path))["items"]
    assert [(each["kind"], each["detail"]) for each in found[:2]] == [
        ("unsubscribed", None),
        ("skipped", "frequency_cap"),
    ]
    assert {(each["kind"], each["detail"]) for each in found[2:]} == {
        ("subscribed", None),
        ("failed", "rejected: bad header"),
    }  # in the same millisecond


async def test_a_history_is_read_page_by_page(api: Api, clock: FakeClock, sent: Sent) -> None:
    made = sent.browsers[0]
    for number in range(7):
        if number % 3:
            clock.advance(1)  # some in the same millisecond
        event = {"name": f"event {number}"}
        await sent.page.call("POST", f"/v1/public/{sent.page.site}/track", 204, event, made["token"])
    path = f"/v1/sites/{sent.page.site}/subscriptions/{made['id']}/history"
    whole = (await api.get(path))["items"]
    assert len(whole) == 8
    pages, cursor = [], ""
    while True:
        answer = await api.get(f"{path}?limit=3{cursor}")
        pages += answer["items"]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert pages == whole


async def test_who_was_erased_has_no_history(api: Api, sent: Sent) -> None:
    path = f"/v1/sites/{sent.page.site}/subscriptions/{sent.browsers[0]['id']}"
    await api.delete(path)
    await api.get(f"{path}/history", 404)
