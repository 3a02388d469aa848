"""Quiet hours, held against a walk over every minute."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.quiet_hours import ClockOf, Quiet, QuietHours, check_quiet_hours
from gateway.campaigns.zones import MINUTE
from tests.unit.campaigns.test_zones import CHANGES, ZONES, ms, shown, utc

NIGHT = Quiet.of(QuietHours("21:00", "07:00"), "Europe/Berlin")
TIMES = st.integers(0, 1_439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


def is_quiet(hours: QuietHours, zone: str, at: int) -> bool:
    """By what a clock shows at this very minute, and nothing else."""
    start, end, now = time.fromisoformat(hours.start), time.fromisoformat(hours.end), shown(zone, at).time()
    return start <= now < end if start < end else now >= start or now < end


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(list(CHANGES.values())),
    minutes=st.integers(-1_440, 1_440),
    start=TIMES,
    end=TIMES,
)
@settings(max_examples=300, deadline=None)
def test_a_window_begins_and_ends_at_the_very_minutes_at_which_a_clock_says_so(
    zone: str, day: datetime, minutes: int, start: str, end: str
) -> None:
    hours = QuietHours(start, end)
    if check_quiet_hours(hours, "quiet_hours"):
        return
    at = ms(day.replace(tzinfo=UTC)) + minutes * MINUTE
    window = Quiet.of(hours, "UTC").window(zone, at)
    expected = at
    while is_quiet(hours, zone, expected):
        expected += MINUTE
    assert window.due_at == expected
    while not is_quiet(hours, zone, expected):
        expected += MINUTE
    assert window.ends_at == expected


@given(zone=st.sampled_from(ZONES), at=st.integers(1_700_000_000_000, 1_900_000_000_000))
@settings(deadline=None)
def test_between_minutes_the_minute_decides(zone: str, at: int) -> None:
    window, minute = NIGHT.window(zone, at), at - at % MINUTE
    assert window.ends_at == NIGHT.window(zone, minute).ends_at
    assert window.due_at == (at if NIGHT.window(zone, minute).due_at == minute else window.due_at)
    assert not is_quiet(QuietHours("21:00", "07:00"), zone, window.due_at)


def test_the_night_in_which_clocks_are_set_forward_is_an_hour_shorter_by_the_clock_of_the_world() -> None:
    window = NIGHT.window("Europe/Berlin", utc(2026, 3, 28, 22, 0))
    assert window == (utc(2026, 3, 29, 5, 0), utc(2026, 3, 29, 19, 0))


def test_at_the_edges_themselves_the_first_is_quiet_and_the_last_is_not() -> None:
    edge = utc(2026, 7, 1, 19, 0)
    assert NIGHT.window("Europe/Berlin", edge - 1).due_at == edge - 1
    assert NIGHT.window("Europe/Berlin", edge).due_at == utc(2026, 7, 2, 5, 0)
    assert NIGHT.window("Europe/Berlin", utc(2026, 7, 2, 5, 0)).due_at == utc(2026, 7, 2, 5, 0)


@pytest.mark.parametrize("timezone", [None, "", "Europe/Atlantis"])
def test_who_has_no_zone_or_one_that_does_not_exist_lives_by_the_clock_of_the_site(
    timezone: str | None,
) -> None:
    at = utc(2026, 7, 1, 12, 0)
    assert NIGHT.window(timezone, at) == NIGHT.window("Europe/Berlin", at)


def test_a_site_whose_zone_this_machine_does_not_know_any_more_lives_by_utc() -> None:
    quiet = Quiet.of(QuietHours("21:00", "07:00"), "Europe/Atlantis")
    at = utc(2026, 7, 1, 22, 0)
    assert quiet.window(None, at).due_at == utc(2026, 7, 2, 7, 0)


def test_where_the_site_s_clock_decides_nobody_s_zone_matters() -> None:
    quiet = Quiet.of(QuietHours("21:00", "07:00", ClockOf.SITE), "Asia/Tokyo")
    at = utc(2026, 7, 1, 12, 0)  # 21:00 in Tokyo
    assert {quiet.window(zone, at).due_at for zone in [None, *ZONES]} == {utc(2026, 7, 1, 22, 0)}
