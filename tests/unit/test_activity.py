from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from storage.activity import (
    HALF_LIFE,
    HOURS,
    WEIGHT_OF_CLICK,
    WEIGHT_OF_DISPLAY,
    Habit,
    busiest,
    faded,
    hour_of_day,
    pack,
    unpack,
)

DAY = 24 * 3_600_000
START = HALF_LIFE * 680  # the first moment of a half-life, in 2025


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1_000)  # type: ignore[misc,arg-type]


def test_nine_in_the_morning_stays_nine_in_the_morning_when_the_clocks_change() -> None:
    assert hour_of_day(at(2026, 3, 28, 8, 30), "Europe/Berlin") == 9
    assert hour_of_day(at(2026, 3, 29, 7, 30), "Europe/Berlin") == 9
    assert hour_of_day(at(2026, 10, 24, 7, 59, 59), "Europe/Berlin") == 9
    assert hour_of_day(at(2026, 10, 25, 8, 0), "Europe/Berlin") == 9


def test_the_hour_changes_within_the_hour_of_utc_where_the_offset_is_no_whole_hour() -> None:
    assert hour_of_day(at(2026, 1, 1, 3, 29, 59), "Asia/Kolkata") == 8
    assert hour_of_day(at(2026, 1, 1, 3, 30), "Asia/Kolkata") == 9
    assert hour_of_day(at(2026, 1, 1, 3, 14, 59), "Asia/Kathmandu") == 8
    assert hour_of_day(at(2026, 1, 1, 3, 15), "Asia/Kathmandu") == 9


def test_without_a_zone_or_with_one_that_is_no_more_it_is_the_hour_of_utc() -> None:
    assert hour_of_day(at(2026, 7, 1, 12, 5), None) == 12
    assert hour_of_day(at(2026, 7, 1, 12, 5), "Atlantis/Poseidonis") == 12
    assert hour_of_day(at(2026, 7, 1, 12, 5), "Europe") == 12


def test_a_click_counts_more_than_a_display() -> None:
    habit = Habit().seen(START, 9, clicked=False).seen(START, 10, clicked=True)
    counters = unpack(habit.activity)
    assert counters[9] == WEIGHT_OF_DISPLAY < counters[10] == WEIGHT_OF_CLICK
    assert (habit.displayed_at, habit.clicked_at) == (START, START)


def test_what_was_is_halved_with_every_half_life_that_has_passed() -> None:
    habit = Habit().seen(START, 9, clicked=True).seen(START + HALF_LIFE - 1, 9, clicked=False)
    counters = unpack(habit.activity)
    assert counters[9] == WEIGHT_OF_CLICK + WEIGHT_OF_DISPLAY
    habit = habit.seen(START + 2 * HALF_LIFE, 20, clicked=True)
    counters = unpack(habit.activity)
    assert counters[9] == (WEIGHT_OF_CLICK + WEIGHT_OF_DISPLAY) >> 2
    assert counters[20] == WEIGHT_OF_CLICK
    assert faded(counters, START + 2 * HALF_LIFE, START + 90 * HALF_LIFE) == bytes(HOURS)


def test_who_always_looks_at_the_same_hour_is_best_reached_then_however_often_they_look() -> None:
    habit = Habit()
    for day in range(1_000):
        habit = habit.seen(START + day * DAY, 7, clicked=False).seen(START + day * DAY, 21, clicked=True)
    counters = unpack(habit.activity)
    assert busiest(counters, range(HOURS)) == 21


def test_a_new_habit_wins_over_an_old_one() -> None:
    habit, at = Habit(), START
    for _ in range(365):
        habit, at = habit.seen(at, 7, clicked=True), at + DAY
    for _ in range(60):
        habit, at = habit.seen(at, 22, clicked=True), at + DAY
    counters = unpack(habit.activity)
    assert busiest(counters, range(HOURS)) == 22


def test_the_busiest_is_none_when_nothing_was_seen_in_any_of_the_hours() -> None:
    activity = unpack(Habit().seen(START, 9, clicked=True).activity)
    assert busiest(activity, range(10, 20)) is None
    assert busiest(activity, ()) is None
    assert busiest([0] * HOURS, range(HOURS)) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 400 * DAY), st.integers(0, 23), st.booleans()), min_size=1, max_size=300
    )
)
def test_counters_stay_bytes_and_the_latest_times_are_kept(seen: Sequence[tuple[int, int, bool]]) -> None:
    habit = Habit()
    for after, hour, clicked in seen:
        habit = habit.seen(START + after, hour, clicked=clicked)
        counters = unpack(habit.activity)
        assert counters[hour] >= (WEIGHT_OF_CLICK if clicked else WEIGHT_OF_DISPLAY)
    displayed = [START + after for after, _, clicked in seen if not clicked]
    clicked_at = [START + after for after, _, clicked in seen if clicked]
    assert habit.displayed_at == max(displayed, default=None)
    assert habit.clicked_at == max(clicked_at, default=None)


@given(st.lists(st.tuples(st.integers(0, 23), st.booleans()), min_size=1, max_size=12))
def test_within_a_half_life_and_a_byte_it_is_a_plain_sum(seen: Sequence[tuple[int, bool]]) -> None:
    habit, model = Habit(), [0] * HOURS
    for hour, clicked in seen:
        habit = habit.seen(START, hour, clicked=clicked)
        model[hour] += WEIGHT_OF_CLICK if clicked else WEIGHT_OF_DISPLAY
    assert unpack(habit.activity) == bytes(model)


@given(st.dictionaries(st.integers(0, 23), st.integers(1, 255)))
def test_what_is_stored_is_what_was_counted_and_short_for_a_few_hours(hours: dict[int, int]) -> None:
    counters = bytes(hours.get(hour, 0) for hour in range(HOURS))
    stored = pack(counters)
    assert unpack(stored) == counters
    assert len(stored) == min(HOURS, 2 * len(hours))


def test_of_whom_nothing_is_stored_nothing_was_counted() -> None:
    assert unpack(None) == bytes(HOURS)
