"""What a ratio usually is, by its own recent past at the same kind of hour. Pure; times in milliseconds.

A sample is a window of some hours: `hits` of `n`. Browsers report minutes and hours after a push, in another
hour perhaps, so a window whose edges hold most of it tells nothing yet. What is usual is the median of the
samples, how far they spread their median absolute deviation: a few odd days among many change neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import NamedTuple

HOUR = 3_600_000
DAY = 24 * HOUR
HISTORY = 28 * DAY  # four weekends
EDGE = 0.4  # of a window may lie in its last hour, and as much right before it: three equal hours fit
NEAR = 2  # hours of the day: as much earlier or later is the same kind of hour
LEAST_SAMPLES = 5
LEAST_DAYS = 4
SPREADS = 4.0  # so many robust spreads, or standard errors, away from what is usual is out
_MAD = 1.4826  # times the median absolute deviation is a standard deviation, where there is a normal one


class Hour(NamedTuple):
    n: int
    hits: int


class Sample(NamedTuple):
    at: int  # when its window begins
    n: int
    hits: int

    @property
    def ratio(self) -> float:
        return self.hits / self.n


class Band(NamedTuple):
    low: float
    usual: float
    high: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How a ratio is looked at."""

    hours: int  # of a window
    least: int  # `n` of a window that says anything
    matters: float  # a smaller part of what is usual is no difference to anybody
    floor: float = 0.0  # a difference below it neither
    settles: bool = True  # hits come in later hours than what they are counted against


Hours = Mapping[int, Hour]  # by when they begin
_NONE = Hour(0, 0)


def window(ratio: Ratio, hours: Hours, end: int) -> Sample | None:
    """The window before `end`; None when it holds too little, or has not settled."""
    start = end - ratio.hours * HOUR
    parts = [hours.get(at, _NONE) for at in range(start, end, HOUR)]
    n = sum(part.n for part in parts)
    if n < ratio.least:
        return None
    if ratio.settles:
        before = hours.get(start - HOUR, _NONE).n
        if max(parts[-1].n, before) > EDGE * n:
            return None
    return Sample(start, n, sum(part.hits for part in parts))


def samples(ratio: Ratio, hours: Hours, end: int, near: int | None = None) -> Sequence[Sample]:
    """Windows that do not overlap, newest first, of the HISTORY before `end`; with `near`, a time, only those
    that begin at about its hour of the day.
    """
    found: list[Sample] = []
    at = end - end % HOUR
    oldest = at - HISTORY
    while at > oldest:
        start = at - ratio.hours * HOUR
        sample = window(ratio, hours, at) if near is None or is_near(start, near) else None
        if sample is not None:
            found.append(sample)
        at = start if sample is not None else at - HOUR
    return found


def is_near(at: int, other: int) -> bool:
    """Whether both are of about one hour of the day."""
    apart = abs(at - other) % DAY
    return min(apart, DAY - apart) <= NEAR * HOUR


def is_weekend(at: int) -> bool:
    return (at // DAY + 3) % 7 >= 5  # 1 January 1970 was a Thursday; Monday is 0


def band_for(ratio: Ratio, now: Sample, past: Sequence[Sample]) -> Band | None:
    """Where `now` should lie, by its own past: samples of its hour of the day, on a weekend if this is one;
    else of its kind of day; else any. None for what has no past yet: what is new is never unusual. In UTC.
    """
    same_day = [each for each in past if is_weekend(each.at) == is_weekend(now.at)]
    for chosen in ([each for each in same_day if is_near(each.at, now.at)], same_day, past):
        days = {each.at // DAY for each in chosen}
        if len(chosen) >= LEAST_SAMPLES and len(days) >= LEAST_DAYS:
            return _band(ratio, now.n, chosen)
    return None


def _band(ratio: Ratio, n: int, chosen: Sequence[Sample]) -> Band:
    ratios = [each.ratio for each in chosen]
    usual = median(ratios)
    spread = _MAD * median(abs(each - usual) for each in ratios)
    # A small site's ratio moves by chance: as much as so few coins would. Never surer than one hit in all.
    share = min(max(usual, 1 / n), 1 - 1 / n) if n > 1 else 0.5
    chance = sqrt(share * (1 - share) / n)
    away = max(SPREADS * spread, SPREADS * chance, ratio.matters * usual, ratio.floor)
    return Band(max(0.0, usual - away), usual, usual + away)
