"""Series make their occurrences at their times, one each, whatever happened meanwhile."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import structs

from gateway.campaigns.recurrence import Misfire, Recurrence, TooLate, next_time
from gateway.campaigns.rules import Rules, read_rules, write_rules
from gateway.messages import cancel_message, pause_message, resume_message
from gateway.metrics import Metrics
from gateway.scheduler.starter import Starter
from gateway.series import OVER, OVERTAKEN
from storage import messages
from storage.messages import Message, MessageKind, MessageState
from tests.unit.installation import Installation
from tests.unit.sending import start_due

DAILY = Recurrence(cron="0 9 * * *", timezone="Europe/Berlin")
UNTIL_FRIDAY = structs.replace(DAILY, until=datetime(2026, 1, 2, 8, tzinfo=UTC))
HOUR = 3_600_000
EXPIRES = Misfire(then=TooLate.EXPIRE, after=3_600)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


async def add_series(
    installation: Installation, rule: Recurrence = DAILY, misfire: Misfire | None = None
) -> Message:
    send_at = next_time(rule, installation.clock.now())
    assert send_at is not None
    rules = write_rules(Rules(recurrence=rule, misfire=misfire))
    return await installation.add_message(kind=MessageKind.SERIES, send_at=send_at, rules=rules)


async def occurrences(installation: Installation, series: Message) -> list[Message]:
    """The oldest first."""
    found = await installation.database.read(
        lambda tx: messages.page_of_series(tx, installation.site.id, series.id)
    )
    return [*reversed(found)]


async def run_at(installation: Installation, now: int) -> None:
    """Twice: the first makes an occurrence, the second starts it."""
    installation.clock.set_now(now)
    await start_due(installation)
    await start_due(installation)


async def test_an_occurrence_is_a_message_of_its_own_with_the_audience_of_its_start(
    installation: Installation,
) -> None:
    await installation.subscribe(2)
    series = await add_series(installation)
    await installation.subscribe(1)

    await run_at(installation, series.send_at)

    [made] = await occurrences(installation, series)
    assert (made.kind, made.parent_id, made.send_at) == (MessageKind.OCCURRENCE, series.id, series.send_at)
    assert (made.state, made.content, made.audience) == (MessageState.SENDING, series.content, 3)
    assert read_rules(made) == Rules()
    moved = await installation.message(series.id)
    assert (moved.state, moved.send_at) == (MessageState.SCHEDULED, series.send_at + 24 * HOUR)


@pytest.mark.parametrize(
    ("start", "times"),
    [
        ("2026-03-27T12:00Z", ["2026-03-28T08:00Z", "2026-03-29T07:00Z", "2026-03-30T07:00Z"]),
        ("2026-10-23T12:00Z", ["2026-10-24T07:00Z", "2026-10-25T08:00Z", "2026-10-26T08:00Z"]),
    ],
)
async def test_nine_oclock_is_kept_across_a_change_of_the_clocks(
    installation: Installation, start: str, times: list[str]
) -> None:
    installation.clock.set_now(at(start))
    series = await add_series(installation)
    for hour in range(0, 72):
        await run_at(installation, at(start) + hour * HOUR)
    assert [each.send_at for each in await occurrences(installation, series)] == [at(each) for each in times]


async def test_before_its_time_nothing_happens_and_two_looks_make_one_occurrence(
    installation: Installation,
) -> None:
    series = await add_series(installation)
    await run_at(installation, series.send_at - 1)
    assert await occurrences(installation, series) == []
    for _ in range(3):
        await run_at(installation, series.send_at)
    assert len(await occurrences(installation, series)) == 1


async def test_two_schedulers_that_race_make_one_occurrence(installation: Installation) -> None:
    several = [await add_series(installation) for _ in range(10)]
    installation.clock.set_now(several[0].send_at)
    starters = [Starter(installation.context, Metrics()) for _ in range(4)]

    await asyncio.gather(*(starter.step() for starter in starters))

    for series in several:
        assert len(await occurrences(installation, series)) == 1


async def test_after_a_downtime_of_days_the_latest_occurrence_is_sent_late_and_no_other(
    installation: Installation,
) -> None:
    series = await add_series(installation)
    now = series.send_at + 5 * 24 * HOUR + HOUR
    await run_at(installation, now)

    [made] = await occurrences(installation, series)
    assert (made.send_at, made.state) == (now - HOUR, MessageState.SENDING)
    assert (await installation.message(series.id)).send_at == made.send_at + 24 * HOUR


@pytest.mark.parametrize(("late", "state"), [(HOUR, MessageState.SENDING), (HOUR + 1, MessageState.EXPIRED)])
async def test_the_misfire_of_a_series_decides_whether_the_late_occurrence_is_sent(
    installation: Installation, late: int, state: MessageState
) -> None:
    series = await add_series(installation, misfire=EXPIRES)
    await run_at(installation, series.send_at + 3 * 24 * HOUR + late)

    [made] = await occurrences(installation, series)
    assert made.state is state
    assert (made.state_reason is not None) is (state is MessageState.EXPIRED)
    assert (await installation.message(series.id)).state is MessageState.SCHEDULED


async def test_an_occurrence_that_never_started_gives_way_to_the_next(installation: Installation) -> None:
    series = await add_series(installation)
    installation.clock.set_now(series.send_at)
    await Starter(installation.context, Metrics()).step()  # and killed before the next step
    await run_at(installation, series.send_at + 2 * 24 * HOUR)

    first, second = await occurrences(installation, series)
    assert (first.state, first.state_reason) == (MessageState.EXPIRED, OVERTAKEN)
    assert first.ended_at is not None
    assert second.state is MessageState.SENDING


async def test_after_its_last_occurrence_a_series_is_over(installation: Installation) -> None:
    series = await add_series(installation, UNTIL_FRIDAY)
    for day in range(4):
        await run_at(installation, series.send_at + day * 24 * HOUR)
    ended = await installation.message(series.id)
    assert (ended.state, ended.state_reason) == (MessageState.SENT, OVER)
    assert ended.ended_at == at("2026-01-02T08:00Z")
    assert len(await occurrences(installation, series)) == 2


async def test_what_a_pause_has_skipped_does_not_come_after_it(installation: Installation) -> None:
    context, site_id = installation.context, installation.site.id
    series = await add_series(installation)
    await pause_message(context, "admin", site_id, series.id)
    now = series.send_at + 36 * HOUR
    await run_at(installation, now)
    assert await occurrences(installation, series) == []

    await resume_message(context, "admin", site_id, series.id)
    await run_at(installation, now)
    assert await occurrences(installation, series) == []
    await run_at(installation, series.send_at + 48 * HOUR)
    assert [each.send_at for each in await occurrences(installation, series)] == [series.send_at + 48 * HOUR]


async def test_a_series_that_is_resumed_when_it_is_over_ends(installation: Installation) -> None:
    context, site_id = installation.context, installation.site.id
    series = await add_series(installation, UNTIL_FRIDAY)
    await pause_message(context, "admin", site_id, series.id)
    installation.clock.set_now(at("2026-02-01T00:00Z"))
    resumed = await resume_message(context, "admin", site_id, series.id)
    assert (resumed.message.state, resumed.message.state_reason) == (MessageState.SENT, OVER)


async def test_cancelling_a_series_leaves_its_running_occurrence_alone(installation: Installation) -> None:
    await installation.subscribe(1)
    series = await add_series(installation)
    await run_at(installation, series.send_at)
    await cancel_message(installation.context, "admin", installation.site.id, series.id)
    await run_at(installation, series.send_at + 48 * HOUR)
    [made] = await occurrences(installation, series)
    assert made.state is MessageState.SENDING


@pytest.mark.parametrize(
    ("misfire", "late", "state"),
    [
        (None, 10**9, MessageState.SENDING),
        (Misfire(then=TooLate.SEND, after=300), 10**9, MessageState.SENDING),
        (Misfire(then=TooLate.EXPIRE, after=300), 300_000, MessageState.SENDING),
        (Misfire(then=TooLate.EXPIRE, after=300), 300_001, MessageState.EXPIRED),
    ],
)
async def test_a_message_that_could_not_start_in_time_does_as_it_says(
    installation: Installation, misfire: Misfire | None, late: int, state: MessageState
) -> None:
    message = await installation.add_message(rules=write_rules(Rules(misfire=misfire)))
    await run_at(installation, message.send_at + late)
    stored = await installation.message(message.id)
    assert stored.state is state
    if state is MessageState.EXPIRED:
        assert stored.state_reason == "misfired: it had not started 300 s after its time"
        assert stored.ended_at == message.send_at + late


async def test_a_message_that_is_resumed_too_late_expires_if_it_says_so(installation: Installation) -> None:
    context, site_id = installation.context, installation.site.id
    message = await installation.add_message(rules=write_rules(Rules(misfire=EXPIRES)))
    await pause_message(context, "admin", site_id, message.id)
    await run_at(installation, message.send_at + 2 * HOUR)
    assert (await installation.message(message.id)).state is MessageState.PAUSED
    await resume_message(context, "admin", site_id, message.id)
    await run_at(installation, message.send_at + 2 * HOUR)
    assert (await installation.message(message.id)).state is MessageState.EXPIRED


async def test_rules_of_a_series_survive_their_storage(installation: Installation) -> None:
    series = await add_series(installation, misfire=EXPIRES)
    stored = read_rules(await installation.message(series.id))
    assert (stored.recurrence, stored.misfire) == (DAILY, EXPIRES)
    assert msgspec.json.decode(series.rules)["recurrence"]["cron"] == "0 9 * * *"
