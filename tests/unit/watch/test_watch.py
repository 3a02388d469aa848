"""The watch over a real database and a clock that the test moves: what is raised, told, and ended."""

import json
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby

import pytest
from msgspec.structs import replace

from gateway.scrape import render_metrics
from gateway.watch.bands import DAY, HOUR
from gateway.watch.vitals import Answered, Facts, encode, report_vitals
from gateway.watch.watch import Watch
from storage import alerts, messages, outbox, quotas, rollups, vitals, watched, webhook_deliveries, webhooks
from storage.alerts import Alert
from storage.database import Transaction
from storage.rollups import Rollup
from storage.vitals import Vitals
from storage.watched import Totals
from storage.webhook_deliveries import Delivery, DeliveryState
from storage.webhooks import Webhook, WebhookState
from tests.unit.installation import Installation

MINUTE = 60.0


class Drill:
    """An installation that is watched, and has a past."""

    def __init__(self, there: Installation) -> None:
        self.there = there
        self.watch = Watch(there.context)

    @property
    def now(self) -> int:
        return self.there.clock.now()

    async def past(self, counts: Mapping[str, Mapping[str, int]], days: int = 28, site_id: int = 0) -> None:
        """At this hour of each of the last days, and an hour later what browsers report."""
        for day in range(days, 0, -1):
            await self.send(self.now - day * DAY, counts, site_id)

    async def send(self, at: int, counts: Mapping[str, Mapping[str, int]], site_id: int = 0) -> None:
        rows = [
            Rollup(
                site_id or self.there.site.id,
                1,
                0,
                provider,
                at + (HOUR if kind == "displayed" else 0),
                kind,
                n,
            )
            for provider, of in counts.items()
            for kind, n in of.items()
        ]
        await self.there.database.write(lambda tx: rollups.add_many(tx, rows))

    async def look(self, times: int = 1, every: float = MINUTE) -> None:
        for _ in range(times):
            await self.watch.look()
            self.there.clock.advance(every)

    async def raised(self) -> Sequence[Alert]:
        return await self.there.database.read(alerts.raised)

    async def names(self) -> list[tuple[str, str]]:
        return [(each.name, each.provider) for each in await self.raised()]

    async def report(self, facts: Facts, owner: str = "one", role: str = "serve") -> None:
        told = Vitals(owner, role, "machine", 1, self.now, encode(facts).decode())
        await self.there.database.write(lambda tx: vitals.report(tx, told))


@pytest.fixture
def drill(installation: Installation) -> Drill:
    installation.clock.advance(9 * 24 * 3_600 + 12 * 3_600)  # a Saturday at noon: weekends have a past, too
    return Drill(installation)


GOOD = {"fcm": {"accepted": 4_000, "displayed": 2_000}, "mozilla": {"accepted": 900, "displayed": 600}}
DROPPING = {"fcm": GOOD["fcm"], "mozilla": {"accepted": 900, "displayed": 20}}


async def test_a_provider_that_silently_drops_raises_display_rate_for_that_provider_only(
    drill: Drill,
) -> None:
    await drill.past(GOOD)
    await drill.send(drill.now, DROPPING)
    drill.there.clock.advance(2 * 3_600 + 10 * MINUTE)
    await drill.look()
    drill.there.clock.advance(3_600)
    await drill.look()

    [alert] = await drill.raised()
    assert (alert.name, alert.provider, alert.site_id) == ("display_rate", "mozilla", drill.there.site.id)
    assert alert.summary == (
        "Only 2.2 % of this site's pushes accepted by mozilla were displayed, usually 67 %."
    )
    assert alert.value == pytest.approx(20 / 900)
    assert alert.low == pytest.approx(0.75 * 600 / 900)
    assert alert.look_at[0].startswith("Whether it is this push service only")


async def test_it_ends_with_the_next_message_that_is_displayed_as_usual(drill: Drill) -> None:
    await drill.past(GOOD)
    await drill.send(drill.now, DROPPING)
    drill.there.clock.advance(2 * 3_600 + 10 * MINUTE)
    await drill.look(2, 3_600)
    assert await drill.names() == [("display_rate", "mozilla")]
    await drill.look(6, 3_600)  # nothing is sent: nothing is known
    assert await drill.names() == [("display_rate", "mozilla")]
    await drill.send(drill.now, GOOD)
    drill.there.clock.advance(2 * 3_600 + 10 * MINUTE)
    await drill.look()
    assert await drill.names() == []
    [ended] = await drill.there.database.read(lambda tx: alerts.page(tx, raised=False))
    assert ended.ended_at is not None


async def test_a_site_without_a_past_is_told_nothing(drill: Drill) -> None:
    await drill.past(GOOD, days=2)
    await drill.send(drill.now, DROPPING)
    drill.there.clock.advance(2 * 3_600 + 10 * MINUTE)
    await drill.look(3, 3_600)
    assert await drill.names() == []


async def test_when_an_hour_is_not_enough_for_all_sites_the_next_goes_on_where_it_ended(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    of_site = watched.of_site

    async def noted(tx: Transaction, site_id: int, *rest: int) -> Sequence[Totals]:
        looked_at.append(site_id)
        return await of_site(tx, site_id, *rest)

    monkeypatch.setattr("gateway.watch.past.ROWS", 1)
    monkeypatch.setattr("storage.watched.of_site", noted)
    for site_id in range(1, 6):
        for hours in range(1, 8):
            await drill.send(drill.now + (hours - 4) * HOUR, GOOD, site_id)
    drill.there.clock.advance(10 * MINUTE)
    await drill.look(3)
    drill.there.clock.advance(3_600)
    await drill.look(4)
    assert [id for id, _ in groupby(looked_at)] == [1, 2, 3, 4, 5, 1, 2]


async def test_pushes_that_fail_are_told_within_minutes_and_end_when_they_do_not_any_more(
    drill: Drill,
) -> None:
    await drill.past({"fcm": {"accepted": 1_000, "rejected": 2}})
    await drill.send(drill.now, {"fcm": {"accepted": 100, "rejected": 80}})
    await drill.look(2)
    assert await drill.names() == []
    await drill.look()
    [alert] = await drill.raised()
    assert (alert.name, alert.summary) == (
        "failure_rate",
        "44 % of this site's pushes to fcm fail, usually 0.2 %.",
    )
    await drill.look(100)
    assert await drill.names() == [("failure_rate", "fcm")]  # still of this hour and the one before
    drill.there.clock.advance(3_600)
    await drill.look(10)
    assert await drill.names() == []


async def test_where_more_fail_than_one_look_takes_nobody_is_said_to_be_well(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drill.past({"fcm": {"accepted": 1_000, "rejected": 2}})
    await drill.send(drill.now, {"fcm": {"accepted": 100, "rejected": 80}})
    await drill.look(3)
    monkeypatch.setattr("gateway.watch.past.MOST_FAILING", 1)
    await drill.send(drill.now, {"fcm": {"accepted": 100, "rejected": 8_000}}, site_id=7)
    await drill.look(15)
    assert await drill.names() == [("failure_rate", "fcm")]


async def test_a_wave_of_ended_subscriptions_is_told(drill: Drill) -> None:
    await drill.past({"apple": {"accepted": 1_000, "gone": 3}})
    await drill.send(drill.now, {"apple": {"accepted": 400, "gone": 300}})
    await drill.look(3)
    assert await drill.names() == [("prune_rate", "apple")]


async def test_refused_connections_raise_open_files_at_the_next_look_and_name_the_process(
    drill: Drill,
) -> None:
    calm = Facts(limit=100, used=60, inbound=40, inbound_used=30)
    await drill.report(calm)
    await drill.look(every=15)
    await drill.report(replace(calm, used=99, inbound_used=40, refused=12))
    await drill.look(every=15)
    [alert] = await drill.raised()
    assert (alert.name, alert.severity) == ("open_files", "critical")
    assert alert.summary.startswith("Open files ran out: process ")
    assert (
        "turned away 12 connections, with 99 of 100 open files and 40 of 40 connections in use"
        in alert.summary
    )
    await drill.report(replace(calm, refused=12))
    await drill.look(7, 5)
    assert await drill.names() == [("open_files", "")]
    await drill.look(1)
    assert await drill.names() == []


async def test_of_several_processes_the_one_in_trouble_is_named(drill: Drill) -> None:
    await drill.report(Facts(limit=100, used=20, inbound=40), "calm")
    await drill.report(Facts(limit=100, used=95, inbound=40), "short", "send")
    await drill.look(3, 10)
    [alert] = await drill.raised()
    assert "(send)" in alert.summary
    assert (alert.severity, alert.value) == ("warning", 0.95)


async def test_a_clock_that_is_wrong_is_told_with_whose_it_is_compared(drill: Drill) -> None:
    await drill.report(Facts(push_clock=-95_000, push_clock_of="fcm.googleapis.com"), "one", "send")
    await drill.look(3, 10)
    [alert] = await drill.raised()
    assert alert.name == "clock"
    assert alert.summary.endswith("is 95 s behind that of fcm.googleapis.com.")


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_a_clock_that_is_not_the_databases_is_told(drill: Drill) -> None:
    for _ in range(3):  # the test's clock is not that of the server
        await report_vitals(drill.there.context, "one", "serve", Facts())
        await drill.look(every=1)
    [alert] = await drill.raised()
    assert alert.name == "clock"
    assert alert.summary.endswith("that of the database.")


async def test_certificate_errors_are_told_while_they_grow(drill: Drill) -> None:
    for errors in (0, 5, 10):
        await drill.report(Facts(certificate_errors=errors, certificate_error="certificate has expired"))
        await drill.look(every=10)
    [alert] = await drill.raised()
    assert alert.summary.endswith("since the look before: certificate has expired.")


async def test_messages_without_any_sender_are_told(drill: Drill) -> None:
    message = await drill.there.add_message()
    await drill.look(4, 15)
    assert await drill.names() == []

    async def start(tx: Transaction) -> None:
        await messages.start(tx, message.id, drill.now, message.id)

    await drill.there.database.write(start)
    await drill.look(3, 15)
    assert await drill.names() == [("senders", "")]
    for _ in range(8):
        await drill.report(Facts(), "sender", "send")
        await drill.look(every=15)
    assert await drill.names() == []


async def test_reports_that_are_turned_away_are_told_and_no_site_beside_them(drill: Drill) -> None:
    for round in range(3):
        await drill.report(Facts(events=1_000 * round, events_refused=500 * round))
        await drill.look(every=15)
    assert await drill.names() == [("beacons_missing", "")]


async def test_when_everybodys_reports_stay_away_one_alert_tells_it(drill: Drill) -> None:
    others = list(range(1, 4))
    for day in range(28, 0, -1):
        at = drill.now - day * DAY
        for site_id in others:
            await drill.send(at, GOOD, site_id)
        drill.there.clock.set_now(at + 3 * HOUR + 10 * 60_000)
        await drill.look(every=0)  # the past of all together is added up as it goes
        drill.there.clock.set_now(at + day * DAY)
    silent = {"fcm": {"accepted": 4_000, "displayed": 10}, "mozilla": {"accepted": 900}}
    for site_id in others:
        await drill.send(drill.now, silent, site_id)
    drill.there.clock.advance(3 * 3_600 + 10 * MINUTE)
    await drill.look(3, 3_600)
    [alert, *more] = await drill.raised()
    assert (alert.name, more) == ("beacons_missing", [])
    assert alert.summary.startswith("Browsers report the display of only")


async def test_a_push_service_that_grows_slow_is_told(drill: Drill) -> None:
    n = 0
    told = Answered()
    for day in range(6, 0, -1):
        at = drill.now - day * DAY
        drill.there.clock.set_now(at)
        for _ in range(2):
            n += 1
            told = Answered(1_000 * n, 100_000 * n)
            await drill.report(Facts(answered={"fcm": told}), "sender", "send")
            await drill.look(every=10)
        drill.there.clock.set_now(at + day * DAY)
    assert await drill.names() == []
    for _ in range(4):
        told = Answered(told.n + 500, told.total + 500 * 2_000)
        await drill.report(Facts(answered={"fcm": told}), "sender", "send")
        await drill.look(every=10)
    [alert] = await drill.raised()
    assert alert.summary == "Pushes take 2 s from the claim to the answer of fcm, usually 0.1 s."


async def test_a_quota_is_told_at_nine_tenths_and_ends_with_the_day(drill: Drill) -> None:
    site_id, database = drill.there.site.id, drill.there.database
    await database.write(lambda tx: quotas.set(tx, site_id, None, 1_000, drill.now))
    await database.write(lambda tx: quotas.count(tx, site_id, 899, drill.now))
    await drill.look()
    assert await drill.names() == []
    await database.write(lambda tx: quotas.count(tx, site_id, 21, drill.now))
    await drill.look()
    [alert] = await drill.raised()
    assert alert.summary == "The site has used 92 % of its quota of pushes of today: 920 of 1000."
    drill.there.clock.advance(12 * 3_600)
    await drill.look()
    assert await drill.names() == []


async def test_a_webhook_that_is_behind_is_told_to_its_site(drill: Drill) -> None:
    site_id, now = drill.there.site.id, drill.now
    hook = Webhook(
        drill.there.context.ids.next(), site_id, "https://shop.example/hook", "", ("alert.raised",),
        WebhookState.PAUSED, b"x", None, None, now, paused_at=now, failing_since=now - DAY, last_error="500",
    )  # fmt: skip
    await drill.there.database.write(lambda tx: webhooks.add(tx, hook))
    await drill.look()
    [alert] = await drill.raised()
    assert alert.name == "webhook_dead"
    [told] = await drill.there.database.read(lambda tx: outbox.waiting(tx, 10))
    assert (told.site_id, told.type) == (site_id, "alert.raised")
    [fact] = json.loads(told.facts)
    assert (fact["name"], fact["summary"]) == (alert.name, alert.summary)


async def test_a_test_that_a_webhook_did_not_take_is_no_alert(drill: Drill) -> None:
    """Whoever sent it has the answer before them; what was to be told and never was is one."""
    site_id, id, now = drill.there.site.id, drill.there.context.ids.next, drill.now

    async def give_up(type: str) -> None:
        dead = Delivery(id(), site_id, id(), DeliveryState.DEAD, (type,), 1, 1, 500, "no", now, now, None)
        await drill.there.database.write(lambda tx: webhook_deliveries.add(tx, dead, "{}"))
        await drill.look()

    await give_up("webhook.test")
    assert await drill.names() == []
    await give_up("message.sent")
    [alert] = await drill.raised()
    assert alert.summary == "A delivery of the site's webhooks was given up in the last quarter of an hour."


async def test_two_leaders_raise_and_end_an_alert_once(
    drill: Drill, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site_id, database = drill.there.site.id, drill.there.database
    await database.write(lambda tx: quotas.set(tx, site_id, None, 10, drill.now))
    await database.write(lambda tx: quotas.count(tx, site_id, 10, drill.now))
    other = Watch(drill.there.context)
    for _ in range(3):
        await other.look()
        await drill.look()
    drill.there.clock.advance(DAY / 1_000)
    for _ in range(3):
        await other.look()
        await drill.look()
    told = [record.message for record in caplog.records if record.message.startswith("alert.")]
    assert told == ["alert.raised", "alert.ended"]


async def test_a_scrape_of_any_process_counts_what_is_raised(drill: Drill) -> None:
    site_id, database = drill.there.site.id, drill.there.database
    await database.write(lambda tx: quotas.set(tx, site_id, None, 10, drill.now))
    await database.write(lambda tx: quotas.count(tx, site_id, 10, drill.now))
    await drill.look()
    shown = (await render_metrics(drill.there.context)).decode().splitlines()
    assert 'gateway_alerts{name="quota",severity="critical"} 1.0' in shown
    assert 'gateway_alerts{name="quota",severity="warning"} 0.0' in shown
    assert 'gateway_alerts{name="open_files",severity="critical"} 0.0' in shown


async def test_a_mistake_of_the_watch_is_told_and_stops_nothing(
    drill: Drill, caplog: pytest.LogCaptureFixture
) -> None:
    async def spoil(tx: Transaction) -> None:
        await vitals.report(tx, Vitals("one", "serve", "h", 1, drill.now, "no JSON"))

    await drill.there.database.write(spoil)
    assert await drill.watch.step() is False
    assert [record.message for record in caplog.records] == ["watch.failed"]
