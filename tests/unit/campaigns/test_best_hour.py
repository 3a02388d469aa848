from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.best_hour import SLOTS, BestHour, BestTimes, check_best_hour, spans_by_hour
from gateway.campaigns.quiet_hours import Quiet, QuietHours
from gateway.campaigns.zones import HOUR, MINUTE
from storage.activity import HOURS, hour_of_day, pack, unpack

BERLIN, CALCUTTA, NEW_YORK = "Europe/Berlin", "Asia/Kolkata", "America/New_York"
ZONES = st.sampled_from(
    [BERLIN, CALCUTTA, NEW_YORK, "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
     "Pacific/Kiritimati", "Africa/Casablanca"]
)  # fmt: skip
STARTS = st.integers(1_766_000_000_000, 1_800_000_000_000)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1_000)  # type: ignore[misc,arg-type]


def counters(**hours: int) -> bytes:
    """`h9=4`: four at nine o'clock, as it is stored."""
    return pack(bytes([hours.get(f"h{hour}", 0) for hour in range(HOURS)]))


def times(
    start: int | None, within: int = 24, site: bytes = b"", zone: str = "UTC", quiet: Quiet | None = None
) -> BestTimes:
    return BestTimes.of(
        BestHour(within),
        message_id=5,
        started_at=start,
        site_zone=zone,
        site_hours=unpack(site) if site else (),
        quiet=quiet,
    )


def wall(moment: int, zone: str) -> str:
    return datetime.fromtimestamp(moment / 1_000, ZoneInfo(zone)).strftime("%d %H:%M")


def test_it_comes_within_the_hour_at_which_somebody_looked_and_clicked_most() -> None:
    start = at(2026, 6, 1, 6)
    due = times(start).due_at(1, BERLIN, counters(h9=4, h20=16), start)
    assert wall(due, BERLIN)[:5] == "01 20"


def test_those_with_the_same_hour_come_spread_over_it_and_not_all_at_its_beginning() -> None:
    start = at(2026, 6, 1, 6)
    best = times(start)
    minutes = Counter(wall(best.due_at(id, BERLIN, counters(h20=16), start), BERLIN) for id in range(6_000))
    assert sorted(minutes) == [f"01 20:{minute:02}" for minute in range(0, 60, 5)]
    assert all(400 < count < 600 for count in minutes.values()), minutes


def test_an_hour_that_has_begun_is_today_for_some_and_tomorrow_for_the_others() -> None:
    start = at(2026, 6, 1, 9, 45)
    best = times(start)
    days = Counter(wall(best.due_at(id, "UTC", counters(h9=1), start), "UTC")[:2] for id in range(4_000))
    assert set(days) == {"01", "02"}
    assert 800 < days["01"] < 1_200  # a quarter of the hour


def test_a_window_of_some_days_spreads_people_evenly_over_them() -> None:
    start = at(2026, 6, 1)
    best = times(start, 72)
    moments = Counter(best.due_at(id, "UTC", counters(h9=1), start) for id in range(6_000))
    assert len(moments) == SLOTS
    days = Counter(wall(moment, "UTC")[:5] for moment in moments.elements())
    assert set(days) == {"01 09", "02 09", "03 09"}
    assert all(1_800 < count < 2_200 for count in days.values()), days


def test_the_best_of_the_hours_within_a_short_window_counts() -> None:
    start = at(2026, 6, 1, 6)
    due = times(start, 3).due_at(1, "UTC", counters(h8=2, h7=1, h20=200), start)
    assert wall(due, "UTC")[:5] == "01 08"


def test_of_equal_hours_the_next_to_come_is_the_best() -> None:
    start = at(2026, 6, 1, 12)
    due = times(start).due_at(1, "UTC", counters(h8=4, h18=4, h23=4), start)
    assert wall(due, "UTC")[:5] == "01 18"


@pytest.mark.parametrize("activity", [None, bytes(HOURS), counters(h3=9)])
def test_whoever_has_no_history_in_the_window_gets_the_hour_of_the_site_by_their_own_clock(
    activity: bytes | None,
) -> None:
    start = at(2026, 6, 1, 8)
    best = times(start, 12, counters(h19=7, h4=200))
    assert wall(best.due_at(1, BERLIN, activity, start), BERLIN)[:5] == "01 19"
    assert wall(best.due_at(1, CALCUTTA, activity, start), CALCUTTA)[:5] == "01 19"


@pytest.mark.parametrize("timezone", [None, "Atlantis/Poseidonis"])
def test_whose_zone_is_not_known_lives_by_the_clock_of_the_site(timezone: str | None) -> None:
    start = at(2026, 6, 1)
    due = times(start, zone=NEW_YORK).due_at(1, timezone, counters(h9=1), start)
    assert wall(due, NEW_YORK)[3:5] == "09"


def test_on_a_site_without_history_it_comes_at_once() -> None:
    start = at(2026, 6, 1)
    assert times(start).due_at(1, BERLIN, None, start) == start
    assert times(start, site=bytes(HOURS)).due_at(1, BERLIN, None, start) == start
    assert times(None).due_at(1, BERLIN, None, start) == start


def test_nine_in_the_morning_stays_nine_in_the_morning_on_the_days_the_clocks_change() -> None:
    for start in (at(2026, 3, 28, 12), at(2026, 10, 24, 12)):  # in the night that follows they do
        due = times(start, 24).due_at(1, BERLIN, counters(h9=1), start)
        assert wall(due, BERLIN)[3:5] == "09"
        due = times(start, 23).due_at(1, NEW_YORK, counters(h9=1), start)
        assert wall(due, NEW_YORK)[3:5] == "09"


def test_an_hour_that_the_clocks_skip_is_no_candidate() -> None:
    start = at(2026, 3, 29, 0)  # 01:00 in Berlin; at 02:00 it is 03:00
    assert list(spans_by_hour(BERLIN, start, start + 3 * HOUR)) == [1, 3, 4]
    due = times(start, 3).due_at(1, BERLIN, counters(h2=100, h3=1), start)
    assert wall(due, BERLIN)[:5] == "29 03"


def test_an_hour_that_comes_twice_is_twice_as_long() -> None:
    start = at(2026, 10, 25, 0)  # 02:00 in Berlin, an hour before it is 02:00 again
    spans = spans_by_hour(BERLIN, start, start + 3 * HOUR)
    assert {hour: sum(span.end - span.start for span in found) for hour, found in spans.items()} == {
        2: 2 * HOUR,
        3: HOUR,
    }


def test_quiet_hours_are_left_out() -> None:
    start = at(2026, 6, 1, 12)
    quiet = Quiet.of(QuietHours("20:30", "07:00"), "UTC")
    best = times(start, quiet=quiet)
    due = {best.due_at(id, "UTC", counters(h20=9, h22=200, h8=3), start) for id in range(200)}
    assert len(due) == SLOTS
    assert all(at(2026, 6, 1, 20) <= moment < at(2026, 6, 1, 20, 30) for moment in due)
    nothing = times(at(2026, 6, 1, 22), 5, counters(h22=1), quiet=quiet)
    assert nothing.due_at(1, "UTC", counters(h23=1), at(2026, 6, 1, 22)) == at(2026, 6, 1, 22)


def test_who_is_judged_late_is_never_planned_for_the_past() -> None:
    start, now = at(2026, 6, 1, 6), at(2026, 6, 1, 10)
    assert times(start).due_at(1, "UTC", counters(h7=1), now) == now


@settings(max_examples=150, deadline=None)
@given(ZONES, STARTS, st.integers(1, 168), st.binary(min_size=HOURS, max_size=HOURS), st.integers(0, 2**62))
def test_it_is_one_of_the_best_hours_of_a_simple_model(
    zone: str, start: int, within: int, activity: bytes, id: int
) -> None:
    quarters = range(start - start % (15 * MINUTE), start + within * HOUR, 15 * MINUTE)
    reachable = {hour_of_day(max(quarter, start), zone) for quarter in quarters}
    most = max(activity[hour] for hour in reachable)
    due = times(start, within).due_at(id, zone, pack(activity), start)
    assert start <= due < start + within * HOUR
    if most:
        assert activity[hour_of_day(due, zone)] == most
    else:
        assert due == start
    # Judged again in the middle of the window, after a crash: the same moment.
    again = min(due, start + within * HOUR // 2)
    assert times(start, within).due_at(id, zone, pack(activity), again) == (due if most else again)


@settings(max_examples=100, deadline=None)
@given(ZONES, STARTS, st.integers(1, 168))
def test_the_hours_of_a_window_fill_it_without_gap_or_overlap(zone: str, start: int, within: int) -> None:
    found = spans_by_hour(zone, start, start + within * HOUR)
    spans = sorted((span, hour) for hour, spans in found.items() for span in spans)
    assert (spans[0][0].start, spans[-1][0].end) == (start, start + within * HOUR)
    assert all(before.end == after.start for (before, _), (after, _) in pairwise(spans))
    for span, hour in spans:
        assert hour_of_day(span.start, zone) == hour_of_day(span.end - 1, zone) == hour
    first = [spans[0].start for spans in found.values()]
    assert first == sorted(first)


def test_what_makes_no_sense_together_is_said_at_creation() -> None:
    rule, now = BestHour(24), at(2026, 6, 1)

    def check(expires_at: int | None = None, *, local_time: bool = False, holds: bool = False) -> list[str]:
        found = check_best_hour(rule, now, expires_at, local_time=local_time, holds_the_rest=holds)
        return [error.path for error in found]

    assert check() == []
    assert check(now + 24 * HOUR) == []
    assert check(now + 24 * HOUR - 1) == ["best_hour.within_hours"]
    assert check(local_time=True) == ["best_hour"]
    assert check(holds=True) == ["best_hour"]
    assert check_best_hour(None, now, now + 1, local_time=True, holds_the_rest=True) == []
