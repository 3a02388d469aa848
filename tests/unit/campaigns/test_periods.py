"""Steps of a time series by the clocks of a zone."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from gateway.campaigns.periods import Span, StatsStep, begin, part_length, periods, place_of, spans
from gateway.campaigns.zones import DAY, HOUR, offset_at

BERLIN, KOLKATA = "Europe/Berlin", "Asia/Kolkata"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("step", "began"),
    [
        (StatsStep.HOUR, "2026-04-01T21:00Z"),
        (StatsStep.DAY, "2026-03-31T22:00Z"),
        (StatsStep.WEEK, "2026-03-29T22:00Z"),
        (StatsStep.MONTH, "2026-03-31T22:00Z"),
    ],
)
def test_a_step_begins_as_the_clocks_of_its_zone_say(step: StatsStep, began: str) -> None:
    assert begin(BERLIN, at("2026-04-01T21:30Z"), step) == at(began)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_day_is_as_long_as_it_is_where_clocks_are_set(day: str, hours: int) -> None:
    start = begin(BERLIN, at(f"{day}T12:00Z"), StatsStep.DAY)
    beginnings = periods(BERLIN, start, start + 1, StatsStep.DAY, 10)
    assert [end - start for start, end in pairwise(beginnings)] == [hours * HOUR]


@pytest.mark.parametrize("step", [StatsStep.DAY, StatsStep.WEEK, StatsStep.MONTH])
@pytest.mark.parametrize(
    "zone", [BERLIN, KOLKATA, "Australia/Lord_Howe", "Pacific/Apia", "America/New_York", "UTC"]
)
def test_every_hour_lies_in_the_step_in_which_it_begins(zone: str, step: StatsStep) -> None:
    start, end = at("2011-11-20T00:00Z"), at("2012-05-01T00:00Z")  # Apia left out a day
    beginnings = periods(zone, start, end, step, 1_000)
    assert sorted(set(beginnings)) == list(beginnings)
    for hour in range(beginnings[0] + HOUR - beginnings[0] % HOUR, end, HOUR):
        part = (hour + offset_at(zone, hour)[0]) // part_length(step)
        place = place_of(zone, beginnings, part, step)
        assert beginnings[place] <= hour < beginnings[place + 1]


def test_a_zone_that_is_half_an_hour_ahead_gives_its_midnight_hour_to_the_day_before() -> None:
    midnight = at("2026-06-01T00:00+05:30")
    beginnings = periods(KOLKATA, midnight - DAY, midnight + 1, StatsStep.DAY, 10)
    hour = midnight - HOUR // 2
    assert place_of(KOLKATA, beginnings, (hour + 11 * HOUR // 2) // DAY, StatsStep.DAY) == 0


def test_spans_end_where_clocks_are_set() -> None:
    start, end = at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z")
    forward, back = at("2026-03-29T01:00Z"), at("2026-10-25T01:00Z")
    assert spans(BERLIN, start, end) == [
        Span(start, forward, HOUR),
        Span(forward, back, 2 * HOUR),
        Span(back, end, HOUR),
    ]


def test_no_more_steps_are_made_than_were_asked_for() -> None:
    assert len(periods("UTC", 0, 10_000 * DAY, StatsStep.HOUR, 100)) == 102
