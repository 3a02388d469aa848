"""What workers report back: counted once, at the time it happened, and only with a genuine token."""

import asyncio
import dataclasses
import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from gateway.context import Context
from gateway.ingest import MAX_TOKEN_AGE
from gateway.tokens import EVENT_TOKENS, HOUR, issue_event_token
from storage import events, rollups
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.rollups import Rollup
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock

DAY = 24 * HOUR


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


@dataclasses.dataclass
class Sent:
    """A message that a subscription of the page was sent."""

    context: Context
    site_id: int
    message_id: int
    subscription_id: int

    def token(self, **changes: int) -> str:
        facts = {
            "site_id": self.site_id,
            "message_id": self.message_id,
            "subscription_id": self.subscription_id,
            "variant": 0,
            "issued_at": self.context.clock.now(),
        } | changes
        return issue_event_token(self.context.master_key.derive(EVENT_TOKENS, self.site_id), **facts)

    async def counted(self) -> list[Rollup]:
        async def body(tx: Transaction) -> list[Rollup]:
            return list(await rollups.of_message(tx, self.site_id, self.message_id))

        return await self.context.database.read(body)

    async def kinds(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in await self.counted():
            found[each.kind] = found.get(each.kind, 0) + each.n
        return found


@pytest.fixture
async def sent(api: Api, context: Context, page: Page) -> Sent:
    made = await page.subscribe(push_subscription())
    message = await api.new_message(page.site, audience={"subscriptions": [made["id"]]})
    return Sent(
        context,
        decode_id(Kind.SITE, page.site),
        decode_id(Kind.MESSAGE, message["id"]),
        decode_id(Kind.SUBSCRIPTION, made["id"]),
    )


async def test_events_show_in_the_messages_results(api: Api, page: Page, sent: Sent) -> None:
    await page.report({"token": sent.token(), "kind": "displayed"})
    clicked = {"token": sent.token(), "kind": "clicked", "action": "buy", "age": 3}
    await page.report([clicked, {"token": sent.token(), "kind": "closed"}])
    messages = await api.get(f"/v1/sites/{page.site}/messages")
    results = messages["items"][0]["results"]
    assert (results["displayed"], results["clicked"], results["closed"]) == (1, 1, 1)
    assert {(each.kind, each.provider) for each in await sent.counted()} == {
        ("displayed", "fcm"),
        ("clicked", "fcm"),
        ("closed", "fcm"),
    }


async def test_a_repeated_event_counts_once(page: Page, sent: Sent) -> None:
    event = {"token": sent.token(), "kind": "displayed"}
    later = {"token": sent.token(issued_at=sent.context.clock.now() - DAY), "kind": "displayed"}
    await page.report(event)
    await page.report([event, event, later])
    await asyncio.gather(*(page.report(event) for _ in range(20)))
    assert await sent.kinds() == {"displayed": 1}


async def test_an_event_counts_in_the_hour_it_happened(page: Page, sent: Sent) -> None:
    now = sent.context.clock.now()
    old = sent.token(issued_at=now - 3 * DAY)
    await page.report({"token": old, "kind": "displayed", "age": 7_200})
    await page.report({"token": old, "kind": "clicked", "age": 1e300})
    await page.report({"token": old, "kind": "closed", "age": -5})
    hours = {each.kind: each.at for each in await sent.counted()}
    assert hours == {"displayed": now - 2 * HOUR, "clicked": now - 2 * DAY, "closed": now}


async def test_nothing_happened_before_it_was_sent(page: Page, sent: Sent) -> None:
    now = sent.context.clock.now()
    await page.report({"token": sent.token(), "kind": "displayed", "age": 7_200})
    assert [each.at for each in await sent.counted()] == [now]


async def test_good_events_count_beside_bad_ones(page: Page, sent: Sent) -> None:
    forged = ("A" if sent.token()[-1] != "A" else "B").join([sent.token()[:-1], ""])
    events = [
        {"token": forged, "kind": "displayed"},
        {"token": "nonsense", "kind": "displayed"},
        {"token": sent.token(), "kind": "exploded"},
        {"token": sent.token(), "kind": "clicked", "action": "x" * 1_000},
        {"token": sent.token(), "kind": "displayed", "mood": "cheerful"},
    ]
    await page.report(events)
    assert await sent.kinds() == {"clicked": 1, "displayed": 1}


async def test_metrics_tell_what_became_of_reports(api: Api, page: Page, sent: Sent) -> None:
    good = {"token": sent.token(), "kind": "displayed"}
    old = {**good, "token": sent.token(issued_at=sent.context.clock.now() - MAX_TOKEN_AGE - HOUR)}
    await page.report([good, {**good, "kind": "exploded"}, {**good, "token": "nonsense"}, old])
    metrics = await (await api.call("GET", "/metrics", 200)).text()
    lines = [line for line in metrics.splitlines() if line.startswith("gateway_events")]
    assert lines == [
        "gateway_events_waiting 0.0",
        "gateway_events_recorded_total 1.0",
        "gateway_events_counted_total 1.0",
        "gateway_events_repeated_total 0.0",
        'gateway_events_refused_total{reason="malformed"} 1.0',
        'gateway_events_refused_total{reason="too_old"} 1.0',
        'gateway_events_refused_total{reason="unknown_kind"} 1.0',
    ]


async def test_nothing_but_bad_events_is_refused_so_that_the_worker_drops_them(
    page: Page, sent: Sent
) -> None:
    now = sent.context.clock.now()
    tokens = {
        "not one of ours": sent.token()[:-1] + "!",
        "too old": sent.token(issued_at=now - MAX_TOKEN_AGE - HOUR),
        "from the future": sent.token(issued_at=now + 3 * HOUR),
    }
    for reason, token in tokens.items():
        response = await page.report([{"token": token, "kind": "displayed"}], 400)
        problem = await response.json(content_type=None)
        assert problem["code"] == "invalid_request"
        assert reason in problem["errors"][0]["message"]
        assert response.headers["Access-Control-Allow-Origin"] == page.origin
    assert await sent.kinds() == {}


async def test_a_token_changed_in_any_place_is_forged(page: Page, sent: Sent) -> None:
    token = sent.token()
    swapped = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))]
    for start in range(0, len(swapped), 30):
        await page.report([{"token": each, "kind": "displayed"} for each in swapped[start : start + 30]], 400)
    other_site = sent.token(site_id=sent.site_id + 1)
    await page.report({"token": other_site, "kind": "displayed"}, 400)
    assert await sent.kinds() == {}


async def test_events_of_a_deleted_site_are_refused(api: Api, page: Page, sent: Sent) -> None:
    await api.delete(f"/v1/sites/{page.site}")
    await page.report({"token": sent.token(), "kind": "displayed"}, 400)


async def test_an_event_of_an_erased_subscription_still_counts(api: Api, page: Page, sent: Sent) -> None:
    (subscription,) = (await api.get(f"/v1/sites/{page.site}/subscriptions"))["items"]
    await api.delete(f"/v1/sites/{page.site}/subscriptions/{subscription['id']}")
    await page.report({"token": sent.token(), "kind": "displayed"})
    assert await sent.kinds() == {"displayed": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"7", b'[{"token": 7, "kind": "displayed"}]', b"[" * 20_000, b'{"kind": "clicked"}'],
)
async def test_a_body_that_is_no_event_is_refused(page: Page, body: bytes) -> None:
    await page.report(body, 400)


async def test_more_than_fifty_events_at_once_are_refused(page: Page, sent: Sent) -> None:
    event = {"token": sent.token(), "kind": "displayed"}
    await page.report([event] * 51, 400)
    await page.report([event] * 50)
    await page.report([{**event, "action": "x" * 40_000}], 413)


async def test_a_worker_may_read_the_answer_wherever_it_runs(page: Page, sent: Sent) -> None:
    event: Any = {"token": sent.token(), "kind": "displayed"}
    answer = await page.report(event)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert answer.headers["Vary"] == "Origin"
    elsewhere = Page(page.api, page.site, None)
    assert (await elsewhere.report(event)).headers["Access-Control-Allow-Origin"] == "*"


async def test_the_prepared_answer_is_the_one_that_the_framework_would_give(page: Page, sent: Sent) -> None:
    event = {"token": sent.token(), "kind": "displayed"}
    for asking in (
        page,
        Page(page.api, page.site, None),
        Page(page.api, page.site, "https://caf\xe9.example"),
    ):
        prepared = await asking.report(event)
        origin = {} if asking.origin is None else {"Origin": asking.origin}
        ordinary = await page.api.call(
            "POST",
            "/v1/public/events",
            204,
            data=json.dumps(event),
            headers={**origin, "Connection": "close"},
        )
        assert await prepared.read() == b""
        headers = [
            {name.lower(): value for name, value in each.headers.items()} for each in (prepared, ordinary)
        ]
        assert headers[1].pop("connection") == "close"
        assert len({each.pop("x-request-id") for each in headers}) == 2
        assert all(parsedate_to_datetime(each.pop("date")) for each in headers)
        assert headers[0] == headers[1]


async def test_guessing_tokens_is_slowed_down_and_a_blast_is_not(
    page: Page, sent: Sent, clock: FakeClock
) -> None:
    for _ in range(100):
        await page.report({"token": "guess", "kind": "displayed"}, 400)
    refused = await page.report({"token": "guess", "kind": "displayed"}, 429)
    assert refused.headers["Retry-After"]
    for _ in range(10):
        await page.report({"token": sent.token(), "kind": "displayed"})
    clock.advance(60)
    await page.report({"token": "guess", "kind": "displayed"}, 400)


async def test_a_thousand_events_at_once_are_each_counted(context: Context, page: Page, sent: Sent) -> None:
    reports = [
        {"token": sent.token(subscription_id=sent.subscription_id + n), "kind": "displayed"}
        for n in range(1_000)
    ]
    await asyncio.gather(*(page.report(reports[start : start + 25]) for start in range(0, 1_000, 25)))
    assert await sent.kinds() == {"displayed": 1_000}

    async def again(tx: Transaction) -> int:
        first = events.Event(
            sent.site_id, sent.message_id, sent.subscription_id, 0, events.EventKind.DISPLAYED, None, 0
        )
        return await events.record(tx, [first])

    assert await context.database.write(again) == 0
