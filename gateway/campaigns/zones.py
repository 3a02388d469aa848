"""Wall clocks in the time zones of the world, and the moments at which they show a time. Pure.

Moments are milliseconds since the epoch, what a wall clock shows is a datetime without a zone. What is asked
for thousands of recipients in a row is remembered by zone and day, as only a few hundred zones exist.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = 1_000
_PROBE = 6 * HOUR  # no zone changes its offset twice within so short a time


@lru_cache(maxsize=2_048)
def zone_exists(name: str) -> bool:
    """Whether the time zone database of this machine knows it."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the last two: names that are no file, or a folder
        return False
    return bool(name)


def zone_or(name: str | None, default: str) -> str:
    """The zone `name`, or `default` where there is none of that name (any more)."""
    return name if name is not None and zone_exists(name) else default


@lru_cache(maxsize=8_192)
def moment_of(zone: str, wall: datetime) -> int:
    """When the clocks of the zone show `wall`.

    The first time, if they show it twice as they are set back. If they never do, because they are set forward
    over it, the moment at which they are: the first minute that exists again.
    """
    info = ZoneInfo(zone)
    at = (wall.replace(tzinfo=info, fold=0) - _EPOCH) // _MILLISECOND
    if wall_of(zone, at) == wall:
        return at
    # In a gap `fold` 1 reckons with the offset behind it, 0 with that before it (PEP 495).
    before = (wall.replace(tzinfo=info, fold=1) - _EPOCH) // _MILLISECOND
    return _change(info, before, at)


def wall_of(zone: str, at: int) -> datetime:
    """What the clocks of the zone show."""
    return (_EPOCH + at * _MILLISECOND).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def offset_at(zone: str, at: int) -> tuple[int, int]:
    """(what the zone's clocks are ahead of UTC, a later moment until which that stays so), milliseconds."""
    return next(span for span in _offsets(zone, at // DAY) if at < span[1])


@lru_cache(maxsize=8_192)
def _offsets(zone: str, day: int) -> tuple[tuple[int, int], ...]:
    """(offset, until when) one after the other, of a day in UTC."""
    info = ZoneInfo(zone)
    spans = []
    for start in range(day * DAY, (day + 1) * DAY, _PROBE):
        end = start + _PROBE
        if _offset(info, start) != _offset(info, end):
            change = _change(info, start, end)
            spans.append((_offset(info, start), change))
        spans.append((_offset(info, end - 1), end))
    return tuple(spans)


def _change(info: ZoneInfo, before: int, after: int) -> int:
    """The first second of the offset that is in force at `after` and was not at `before`."""
    old, low, high = _offset(info, before), before // _SECOND, after // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(info, middle * _SECOND) == old else (low, middle)
    return high * _SECOND


def _offset(info: ZoneInfo, at: int) -> int:
    ahead = (_EPOCH + at * _MILLISECOND).astimezone(info).utcoffset()
    assert ahead is not None, "a ZoneInfo always knows"
    return ahead // _MILLISECOND
