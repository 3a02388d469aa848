"""Wall clocks and moments, held against a walk over every minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.zones import DAY, HOUR, MINUTE, moment_of, offset_at, wall_of, zone_exists

# Clocks that are set forward and back, on both halves of the world and by half an hour; half and quarter
# hours; both ends of the world; one that never changes.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "UTC",
]
CHANGES = {  # of 2026: days on which, and around which, some of those clocks are set
    "forward": datetime(2026, 3, 29),
    "back": datetime(2026, 10, 25),
    "American forward": datetime(2026, 3, 8),
    "American back": datetime(2026, 11, 1),
    "southern forward": datetime(2026, 10, 4),
    "southern back": datetime(2026, 4, 5),
    "Chatham forward": datetime(2026, 9, 27),
    "none": datetime(2026, 7, 1),
}


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def utc(*parts: int) -> int:
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    return ms(datetime(year, month, day, hour, minute, tzinfo=UTC))


def shown(zone: str, at: int) -> datetime:
    """What a clock shows, found out in another way than in the code."""
    return datetime.fromtimestamp(at // 1_000, ZoneInfo(zone)).replace(tzinfo=None)


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(list(CHANGES.values())),
    minutes=st.integers(-1_440, 2_880),
)
@settings(max_examples=300, deadline=None)
def test_the_moment_of_a_time_is_the_first_minute_at_which_the_clock_shows_it_or_a_later_one(
    zone: str, day: datetime, minutes: int
) -> None:
    wall = day + timedelta(minutes=minutes)
    at = utc(wall.year, wall.month, wall.day, wall.hour, wall.minute) - 15 * HOUR
    # By the minute, as a clock goes: it may jump over `wall`, and may come past it twice.
    before = shown(zone, at)
    assert before < wall
    while not (before < wall <= shown(zone, at)):
        before = shown(zone, at)
        at += MINUTE
    assert moment_of(zone, wall) == at


def test_a_time_that_does_not_exist_is_the_first_minute_behind_the_gap() -> None:
    expected = utc(2026, 3, 29, 1, 0)
    for minute in (0, 30, 59):
        assert moment_of("Europe/Berlin", datetime(2026, 3, 29, 2, minute)) == expected
    assert wall_of("Europe/Berlin", expected) == datetime(2026, 3, 29, 3, 0)
    # By half an hour, and by a whole day: Samoa had no 30 December 2011.
    assert moment_of("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15)) == utc(2026, 10, 3, 15, 30)
    assert moment_of("Pacific/Apia", datetime(2011, 12, 30, 12, 0)) == utc(2011, 12, 30, 10, 0)


def test_a_time_that_comes_twice_is_the_first_of_both() -> None:
    assert moment_of("Europe/Berlin", datetime(2026, 10, 25, 2, 30)) == utc(2026, 10, 25, 0, 30)
    assert moment_of("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 45)) == utc(2026, 4, 4, 14, 45)


@given(
    zone=st.sampled_from(ZONES), day=st.sampled_from(list(CHANGES.values())), minutes=st.integers(0, 2_880)
)
@settings(max_examples=200, deadline=None)
def test_an_offset_holds_until_the_moment_that_is_told(zone: str, day: datetime, minutes: int) -> None:
    at = ms(day.replace(tzinfo=UTC)) - DAY + minutes * MINUTE
    offset, until = offset_at(zone, at)
    assert at < until <= at + DAY
    for each in (at, until - 1, (at + until) // 2):
        found = datetime.fromtimestamp(each / 1_000, ZoneInfo(zone)).utcoffset()
        assert found == timedelta(milliseconds=offset)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Atlantis", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 300]
)
def test_what_is_no_zone_is_found_out_without_an_error(name: str) -> None:
    assert not zone_exists(name)
    assert zone_exists("Europe/Berlin")
