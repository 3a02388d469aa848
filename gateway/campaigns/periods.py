"""Steps of a time series by a wall clock, each as long as its zone has it. Pure.

Counters are kept by the hour of UTC. A day has those that begin in it, so one of 23 or 25 hours has as many;
where a zone is ahead by half an hour or a quarter, the hour across midnight belongs to the day before.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gateway.campaigns.zones import DAY, HOUR, moment_of, offset_at, wall_of

_EPOCH = datetime(1970, 1, 1)


class StatsStep(StrEnum):
    HOUR = "hour"  # of UTC, in every zone
    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"


class Span(NamedTuple):
    """From `start` until before `end` the clocks of a zone are `offset` ahead of UTC; all in milliseconds."""

    start: int
    end: int
    offset: int


def begin(zone: str, at: int, step: StatsStep) -> int:
    """When the step that holds `at` began."""
    if step is StatsStep.HOUR:
        return at - at % HOUR
    return moment_of(zone, _first_day(wall_of(zone, at), step))


def periods(zone: str, start: int, end: int, step: StatsStep, most: int) -> Sequence[int]:
    """The beginnings of the steps from that of `start` on, before `end`, and the end of the last one.

    No more than `most` steps and one: then they end before `end`.
    """
    at = begin(zone, start, step)
    found: list[int] = []
    while at < end and len(found) <= most:
        found.append(at)
        at = _next(zone, at, step)
    return [*found, at]


def spans(zone: str, start: int, end: int) -> Sequence[Span]:
    """One after the other, as few as there are."""
    found: list[Span] = []
    while start < end:
        offset, until = offset_at(zone, start)
        until = min(until, end)
        if found and found[-1].offset == offset:
            found[-1] = found[-1]._replace(end=until)
        else:
            found.append(Span(start, until, offset))
        start = until
    return found


def place_of(zone: str, beginnings: Sequence[int], part: int, step: StatsStep) -> int:
    """In which step an hour of UTC (step HOUR), else a day of the zone, lies, numbered from the epoch."""
    at = part * HOUR if step is StatsStep.HOUR else moment_of(zone, _EPOCH + timedelta(days=part))
    return bisect_right(beginnings, at) - 1


def part_length(step: StatsStep) -> int:
    """Of what `place_of` takes, milliseconds."""
    return HOUR if step is StatsStep.HOUR else DAY


def _first_day(wall: datetime, step: StatsStep) -> datetime:
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if step is StatsStep.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step is StatsStep.MONTH else day


def _next(zone: str, at: int, step: StatsStep) -> int:
    if step is StatsStep.HOUR:
        return at + HOUR
    day = _first_day(wall_of(zone, at), step)
    days = {StatsStep.DAY: 1, StatsStep.WEEK: 7, StatsStep.MONTH: 32}[step]
    # Not before the next day: a zone that crossed the date line has left one out.
    return max(at + 1, moment_of(zone, _first_day(day + timedelta(days=days), step)))
