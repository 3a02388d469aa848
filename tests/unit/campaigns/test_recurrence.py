"""Occurrences by the clock of a place, through both changes of its clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.recurrence import (
    SHORTEST,
    Misfire,
    Recurrence,
    TooLate,
    check_misfire,
    check_recurrence,
    is_misfired,
    latest_time,
    next_time,
    next_times,
)

EXPRESSIONS = (
    "0 9 * * 1",
    "30 2 * * *",
    "*/5 * * * *",
    "*/30 1-3 * * *",
    "15 */6 * * MON-FRI",
    "0 0 L * *",
    "45 23 29 2 *",
)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def rule(cron: str, timezone: str = "Europe/Berlin", **changes: datetime) -> Recurrence:
    return Recurrence(cron=cron, timezone=timezone, **changes)


def shown(times: list[int] | tuple[int, ...]) -> list[str]:
    return [datetime.fromtimestamp(at / 1_000, UTC).strftime("%d %H:%M") for at in times]


def after(cron: str, start: str, count: int, timezone: str = "Europe/Berlin") -> list[str]:
    return shown(list(next_times(rule(cron, timezone), ms(start), count)))


def test_nine_oclock_stays_nine_oclock_when_the_clocks_change() -> None:
    assert after("0 9 * * *", "2026-03-28T00:00Z", 3) == ["28 08:00", "29 07:00", "30 07:00"]
    assert after("0 9 * * *", "2026-10-24T00:00Z", 3) == ["24 07:00", "25 08:00", "26 08:00"]


def test_a_time_that_the_clocks_leave_out_is_the_first_minute_after_the_gap() -> None:
    assert after("30 2 * * *", "2026-03-28T02:00Z", 2) == ["29 01:00", "30 00:30"]
    # Lord Howe's clocks move by half an hour: 02:00 becomes 02:30.
    assert after("10 2 * * *", "2026-10-03T00:00Z", 2, "Australia/Lord_Howe") == ["03 15:30", "04 15:10"]


def test_several_times_that_the_clocks_leave_out_are_one_occurrence() -> None:
    assert after("*/15 2 * * *", "2026-03-29T00:00Z", 2) == ["29 01:00", "30 00:00"]


def test_a_time_that_comes_twice_counts_once() -> None:
    assert after("30 2 * * *", "2026-10-24T12:00Z", 2) == ["25 00:30", "26 01:30"]
    assert after("30 2 * * *", "2026-10-25T00:30Z", 1) == ["26 01:30"]
    assert after("*/30 * * * *", "2026-10-25T00:00Z", 3) == ["25 00:30", "25 02:00", "25 02:30"]


def test_a_day_of_the_month_or_one_of_the_week_is_enough_unless_one_begins_with_a_star() -> None:
    assert after("0 9 1 * MON", "2026-11-20T00:00Z", 3, "UTC") == ["23 09:00", "30 09:00", "01 09:00"]
    assert after("0 9 */10 * MON", "2026-11-20T00:00Z", 2, "UTC") == ["21 09:00", "11 09:00"]


def test_zones_with_half_hour_offsets_and_without_changes() -> None:
    assert after("0 9 * * 1", "2026-11-20T00:00Z", 1, "Asia/Kolkata") == ["23 03:30"]
    assert after("0 9 * * 1", "2026-11-20T00:00Z", 1, "America/St_Johns") == ["23 12:30"]


def test_in_a_zone_that_this_machine_does_not_know_any_more_it_goes_on_by_utc() -> None:
    gone = rule("0 9 * * *", "Europe/Atlantis")
    assert shown(list(next_times(gone, ms("2026-11-20T00:00Z"), 2))) == ["20 09:00", "21 09:00"]
    assert latest_time(gone, ms("2026-11-20T09:00Z")) == ms("2026-11-20T09:00Z")


def test_no_occurrence_before_from_or_after_until() -> None:
    start, end = datetime.fromisoformat("2026-12-01T08:00Z"), datetime.fromisoformat("2026-12-02T09:00+01:00")
    daily = rule("0 9 * * *", since=start, until=end)
    assert shown(list(next_times(daily, ms("2026-11-01T00:00Z"), 5))) == ["01 08:00", "02 08:00"]
    assert latest_time(daily, ms("2027-01-01T00:00Z")) == ms("2026-12-02T08:00Z")
    assert latest_time(daily, ms("2026-11-30T12:00Z")) is None


def test_the_calendar_ends() -> None:
    assert next_time(rule("0 0 1 1 *", "UTC"), ms("9999-12-30T00:00Z")) is None
    assert latest_time(rule("0 0 1 1 *", "UTC"), ms("0001-01-01T00:00Z")) == ms("0001-01-01T00:00Z")


@settings(deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)),
)
def test_each_occurrence_is_next_to_the_one_before_in_both_directions(
    cron: str, timezone: str, at: datetime
) -> None:
    recurrence, start = rule(cron, timezone), ms(at.isoformat() + "Z")
    first, second = next_times(recurrence, start, 2)
    assert start < first < second
    assert latest_time(recurrence, first) == first
    assert latest_time(recurrence, second - 1) == first
    assert (latest_time(recurrence, first - 1) or 0) <= start


@pytest.mark.parametrize("change", ["2026-03-29T00:30Z", "2026-10-24T23:30Z"])
def test_around_a_change_of_the_clocks_the_latest_is_the_last_of_those_that_came(change: str) -> None:
    recurrence = rule("*/5 * * * *")
    at, end = ms(change), ms(change) + 3 * 3_600_000
    known = next_times(recurrence, at, 60)
    for now in range(known[0], end, 60_000):
        assert latest_time(recurrence, now) == max(each for each in known if each <= now)


def problems(recurrence: Recurrence, **changes: int | bool | None) -> list[str]:
    times = {"send_at": None, "expires_at": None, "local_time": False, **changes}
    return [each.path for each in check_recurrence(recurrence, ms("2026-11-20T00:00Z"), **times)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "9",
        "0 9 * *",
        "0 0 9 * * 1",
        "60 9 * * *",
        "a b c d e",
        "0 9 * * 8",
        "*/0 * * * *",
        "@daily",
        "0 9 ² * *",
    ],
)
def test_what_is_no_expression_of_five_fields_is_named(cron: str) -> None:
    assert problems(rule(cron)) == ["recurrence.cron"]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */31 2 MON#5"])
def test_an_expression_that_never_comes_is_an_error(cron: str) -> None:
    assert problems(rule(cron)) == ["recurrence.cron"]


@pytest.mark.parametrize(
    "cron", ["* * * * *", "*/4 * * * *", "0,58 * * * *", "0,58 0,23 * * *", "10,13 9 1 1 *"]
)
def test_more_often_than_once_in_five_minutes_is_an_error(cron: str) -> None:
    assert problems(rule(cron)) == ["recurrence.cron"]


@pytest.mark.parametrize("cron", [*EXPRESSIONS, "0 9 * * mon", "0,55 9 * * *", "58 23 1 * *"])
def test_what_comes_seldom_enough_is_fine(cron: str) -> None:
    assert problems(rule(cron)) == []


@pytest.mark.parametrize("timezone", ["", "Europe", "Mars/Olympus", "../etc/passwd", "Europe/berlin\u0000"])
def test_an_unknown_zone_is_named(timezone: str) -> None:
    assert problems(rule("0 9 * * *", timezone)) == ["recurrence.timezone"]


def test_a_series_that_ends_before_it_begins_is_an_error() -> None:
    assert problems(rule("0 9 * * *", until=datetime(2026, 11, 20, 1, tzinfo=UTC))) == ["recurrence.until"]


def test_other_times_of_the_message_contradict_a_recurrence() -> None:
    assert problems(rule("0 9 * * *"), send_at=1, expires_at=2, local_time=True) == [
        "local_time",
        "send_at",
        "expires_at",
    ]


@settings(deadline=None)
@given(st.lists(st.text("0123456789*,-/#LWMON ", max_size=8), min_size=5, max_size=5).map(" ".join))
def test_whatever_is_written_is_an_error_or_comes_seldom_enough(cron: str) -> None:
    recurrence = rule(cron, "UTC")
    if not problems(recurrence):
        times = next_times(recurrence, ms("2026-11-20T00:00Z"), 3)
        assert times
        assert all(later - sooner >= SHORTEST * 60_000 for sooner, later in pairwise(times))


def test_moments_of_a_rule_are_kept_in_utc() -> None:
    text = b'{"cron":"0 9 * * *","timezone":"UTC","from":"2026-12-01T10:00:00+01:00"}'
    read = msgspec.json.decode(text, type=Recurrence)
    assert msgspec.json.decode(msgspec.json.encode(read))["from"] == "2026-12-01T09:00:00Z"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text.replace(b"2026-12-01T10", b"0001-01-01T00"), type=Recurrence)


def test_too_late_is_what_the_message_says() -> None:
    expires = Misfire(then=TooLate.EXPIRE, after=300)
    assert not is_misfired(expires, 0, 300_000)
    assert is_misfired(expires, 0, 300_001)
    assert not is_misfired(Misfire(then=TooLate.SEND), 0, 10**12)
    assert not is_misfired(None, 0, 10**12)
    assert [each.path for each in check_misfire(expires, 0, 300_001)] == ["misfire.after"]
    assert timedelta(seconds=Misfire(then=TooLate.EXPIRE).after) == timedelta(minutes=5)
