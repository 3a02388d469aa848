"""The same time on everybody's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.local_time import (
    FIRST_ZONE,
    GRACE,
    Late,
    LocalTime,
    WallClock,
    check_local_time,
    first_moment,
)
from gateway.campaigns.zones import DAY, HOUR, MINUTE
from tests.unit.campaigns.test_zones import CHANGES, ZONES, ms, shown, utc

NINE = LocalTime("2026-12-01T09:00")
ITS_START = utc(2026, 11, 30, 19, 0)


def clock(rule: LocalTime = NINE, site_zone: str = "UTC") -> WallClock:
    return WallClock.of(rule, site_zone)


def test_it_starts_when_the_first_zone_of_the_world_has_it() -> None:
    assert first_moment(NINE) == ITS_START
    assert clock().due_at("Pacific/Kiritimati", ITS_START) == ITS_START
    assert clock().due_at("Etc/GMT+12", ITS_START) == ITS_START + 26 * HOUR


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(list(CHANGES.values())),
    minutes=st.integers(0, 1_439),
    late=st.sampled_from(Late),
    hours_late=st.integers(-1, 80),
)
@settings(max_examples=300, deadline=None)
def test_everybody_s_turn_is_when_a_clock_that_goes_by_the_minute_gets_there(
    zone: str, day: datetime, minutes: int, late: Late, hours_late: int
) -> None:
    wall = day + timedelta(minutes=minutes)
    rule = LocalTime(wall.strftime("%Y-%m-%dT%H:%M"), late)
    now = ms(wall.replace(tzinfo=UTC)) - FIRST_ZONE + hours_late * HOUR

    def first_at(wall: datetime) -> int:
        at = ms(wall.replace(tzinfo=UTC)) - 15 * HOUR
        before = shown(zone, at)
        while not (before < wall <= shown(zone, at)):
            before = shown(zone, at)
            at += MINUTE
        return at

    at: int | None = first_at(wall)
    assert at is not None
    if at < now - GRACE and late is Late.SKIP:
        at = None
    elif at < now - GRACE and late is Late.NEXT_DAY:
        while at < now:
            wall += timedelta(days=1)
            at = first_at(wall)
    elif at < now:
        at = now
    assert clock(rule).due_at(zone, now) == at


def test_whoever_s_time_came_while_others_were_judged_is_not_late() -> None:
    skip = clock(LocalTime("2026-12-01T09:00", Late.SKIP))
    for_them = utc(2026, 12, 1, 8, 0)
    assert skip.due_at("Europe/Berlin", for_them + GRACE) == for_them + GRACE
    assert skip.due_at("Europe/Berlin", for_them + GRACE + 1) is None


@pytest.mark.parametrize("timezone", [None, "", "Europe/Atlantis"])
def test_who_has_no_zone_or_one_that_does_not_exist_lives_by_the_clock_of_the_site(
    timezone: str | None,
) -> None:
    assert clock(site_zone="Asia/Kolkata").due_at(timezone, ITS_START) == utc(2026, 12, 1, 3, 30)


def test_what_makes_sense_is_no_error() -> None:
    assert check_local_time(None, 1, 2, 3) == []
    assert check_local_time(NINE, None, None, ITS_START - DAY) == []
    assert check_local_time(NINE, None, ITS_START + 1, ITS_START - DAY) == []
    assert check_local_time(NINE, None, None, ITS_START + 9 * DAY) == []  # late: send


@pytest.mark.parametrize(
    ("rule", "send_at", "expires_at", "now", "path"),
    [
        (NINE, 5, None, 0, "send_at"),
        (LocalTime("2026-02-29T09:00"), None, None, 0, "local_time.at"),
        (LocalTime("2026-12-01T24:00"), None, None, 0, "local_time.at"),
        (LocalTime("0001-01-01T00:00"), None, None, 0, "local_time.at"),
        (LocalTime("9999-12-31T23:00"), None, None, 0, "local_time.at"),
        (LocalTime("2026-12-01T09:00", Late.SKIP), None, None, ITS_START + 26 * HOUR + 1, "local_time.at"),
        (NINE, None, ITS_START, ITS_START - DAY, "expires_at"),
    ],
)
def test_what_nobody_would_get_is_an_error_that_names_its_field(
    rule: LocalTime, send_at: int | None, expires_at: int | None, now: int, path: str
) -> None:
    assert [error.path for error in check_local_time(rule, send_at, expires_at, now)] == [path]
