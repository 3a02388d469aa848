"""What is usual, and when something is told: on histories that are made up, on no clock at all."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from gateway.watch.bands import DAY, HOUR, Hour, Ratio, Sample, band_for, is_weekend, samples, window

DISPLAYS = Ratio(hours=3, least=200, matters=0.25)
FAILURES = Ratio(hours=2, least=50, matters=0.5, floor=0.02, settles=False)
MONDAY = 1_767_571_200_000  # 2026-01-05T00:00:00Z
NOON = MONDAY + 12 * HOUR
# Of who displays a push, in the hour itself and the next two.
SOON = (0.7, 0.2, 0.1)


def past(
    sends: Callable[[int], int], rate: Callable[[int], float], end: int, days: int = 28, seed: int = 1
) -> dict[int, Hour]:
    """Hours before `end` in which `sends(at)` pushes are accepted, of which a `rate(at)` is displayed."""
    chance = random.Random(seed)
    sent: dict[int, int] = {}
    seen: dict[int, int] = {}
    for at in range(end - days * DAY, end, HOUR):
        n = sends(at)
        sent[at] = n
        shown = sum(chance.random() < rate(at) for _ in range(n))
        for later, share in enumerate(SOON):
            seen[at + later * HOUR] = seen.get(at + later * HOUR, 0) + round(shown * share)
    return {at: Hour(sent.get(at, 0), seen.get(at, 0)) for at in sent}


def judged(ratio: Ratio, hours: dict[int, Hour], end: int) -> str:
    sample = window(ratio, hours, end)
    if sample is None:
        return "says nothing"
    band = band_for(ratio, sample, samples(ratio, hours, sample.at))
    if band is None:
        return "no past"
    return "low" if sample.ratio < band.low else "high" if sample.ratio > band.high else "usual"


def noon_blast(size: int) -> Callable[[int], int]:
    return lambda at: size if at % DAY == 12 * HOUR else 0


def half(_: int) -> float:
    return 0.5


def since(at: int, then: float, before: float = 0.5) -> Callable[[int], float]:
    return lambda each: then if each >= at else before


def test_a_daily_blast_like_those_before_is_usual() -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), half, end), end) == "usual"


def test_a_blast_that_half_as_many_see_is_low() -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), since(MONDAY, 0.25), end), end) == "low"


def test_a_blast_is_not_judged_before_its_reports_can_be_in() -> None:
    end = NOON + HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), half, end), end) == "says nothing"


def test_the_late_reports_of_a_blast_are_not_counted_against_the_little_that_follows() -> None:
    def sends(at: int) -> int:
        return 10_000 if at == NOON else 100 if at > NOON else 0

    end = NOON + 4 * HOUR
    assert judged(DISPLAYS, past(sends, half, end), end) == "says nothing"


def test_a_new_site_has_no_band() -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), since(MONDAY, 0.0), end, days=3), end) == "no past"


def test_the_first_message_of_a_site_is_never_unusual() -> None:
    end = NOON + 3 * HOUR
    only = {NOON: Hour(50_000, 0)}
    assert judged(DISPLAYS, only, end) == "no past"


def test_a_blast_after_weeks_of_silence_is_compared_with_those_before_the_silence() -> None:
    end = NOON + 3 * HOUR
    silent = MONDAY - 10 * DAY

    def sends(at: int) -> int:
        return 5_000 if at % DAY == 12 * HOUR and (at < silent or at >= MONDAY) else 0

    assert judged(DISPLAYS, past(sends, half, end), end) == "usual"
    assert judged(DISPLAYS, past(sends, since(MONDAY, 0.1), end), end) == "low"


def test_nothing_sent_is_nothing_wrong() -> None:
    assert judged(DISPLAYS, past(lambda _: 0, half, NOON), NOON) == "says nothing"


@pytest.mark.parametrize("seed", range(20))
def test_a_small_site_is_not_told_of_what_chance_does(seed: int) -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(220), half, end, seed=seed), end) == "usual"


def test_a_small_site_is_told_when_nobody_sees_anything_any_more() -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(220), since(MONDAY, 0.0), end), end) == "low"


def test_a_site_that_sends_every_hour_is_judged_every_hour() -> None:
    hours = past(lambda _: 400, half, NOON + 24 * HOUR)
    assert [judged(DISPLAYS, hours, NOON + n * HOUR) for n in range(24)] == ["usual"] * 24


def test_a_steady_site_is_low_within_three_hours() -> None:
    hours = past(lambda _: 400, since(NOON, 0.0), NOON + 3 * HOUR)
    assert judged(DISPLAYS, hours, NOON) == "usual"
    assert judged(DISPLAYS, hours, NOON + 3 * HOUR) == "low"


def test_fewer_look_at_night_and_that_is_usual() -> None:
    def rate(at: int) -> float:
        return 0.2 if at % DAY < 6 * HOUR else 0.6

    night, noon = MONDAY + 5 * HOUR, NOON + 3 * HOUR
    assert judged(DISPLAYS, past(lambda _: 400, rate, night), night) == "usual"
    broken = past(lambda _: 400, lambda at: 0.2 if at >= MONDAY + 9 * HOUR else rate(at), noon)
    assert judged(DISPLAYS, broken, noon) == "low"


def test_a_weekend_is_compared_with_weekends() -> None:
    def rate(at: int) -> float:
        return 0.2 if is_weekend(at) else 0.6

    saturday, friday = MONDAY + 5 * DAY + 15 * HOUR, MONDAY + 4 * DAY + 15 * HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), rate, saturday), saturday) == "usual"
    like_a_saturday = past(noon_blast(2_000), since(friday - 15 * HOUR, 0.2, 0.6), friday)
    assert judged(DISPLAYS, like_a_saturday, friday) == "low"


def test_one_bad_day_among_many_does_not_make_the_next_usual() -> None:
    end = NOON + 3 * HOUR
    bad = (MONDAY - 3 * DAY, MONDAY)
    hours = past(noon_blast(2_000), lambda at: 0.1 if at - at % DAY in bad else 0.5, end)
    assert judged(DISPLAYS, hours, end) == "low"


def test_a_new_normal_is_usual_after_some_weeks() -> None:
    end = NOON + 3 * HOUR
    assert judged(DISPLAYS, past(noon_blast(2_000), since(MONDAY - 20 * DAY, 0.2), end), end) == "usual"


def test_failures_are_seen_in_the_hour_in_which_they_happen() -> None:
    hours = {at: Hour(500, 1) for at in range(NOON - 28 * DAY, NOON, HOUR)}
    hours[NOON] = Hour(300, 60)
    assert judged(FAILURES, hours, NOON + HOUR) == "high"


def test_what_never_failed_may_fail_a_little() -> None:
    hours = {at: Hour(500, 0) for at in range(NOON - 28 * DAY, NOON, HOUR)}
    hours[NOON] = Hour(500, 9)
    assert judged(FAILURES, hours, NOON + HOUR) == "usual"


def test_samples_do_not_overlap_and_reach_back_four_weeks() -> None:
    hours = {at: Hour(400, 200) for at in range(NOON - 60 * DAY, NOON, HOUR)}
    found = samples(DISPLAYS, hours, NOON)
    assert all(later.at - each.at >= 3 * HOUR for later, each in pairwise(found))
    assert len(found) == 28 * 24 // 3
    assert samples(DISPLAYS, hours, NOON, near=NOON)[0].at % DAY in range(10 * HOUR, 15 * HOUR)


def test_the_band_is_no_narrower_than_matters() -> None:
    same = [Sample(NOON - n * DAY, 100_000, 50_000) for n in range(1, 20)]
    band = band_for(DISPLAYS, Sample(NOON, 100_000, 0), same)
    assert band is not None
    assert (band.low, band.usual, band.high) == (0.375, 0.5, 0.625)
