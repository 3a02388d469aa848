"""At which hours of their day a visitor looks and clicks: 24 counters of a byte each. Pure.

Hours are the visitor's own (their zone's wall clock at that moment): nine in the morning stays nine in the
morning when the clocks change. Counters fade: they are halved at the end of every 30 days, and whenever one
of them would not fit its byte any more.

Stored as pairs of an hour and its counter while that is shorter, which for most visitors it always is.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOURS = 24
WEIGHT_OF_DISPLAY, WEIGHT_OF_CLICK = (
    4,
    16,
)  # a look says that somebody was there, a click that the moment was right
HALF_LIFE = 30 * 24 * 3_600_000  # milliseconds
QUARTER = 900_000  # every zone's offset has been a multiple of it since 1972

_NOTHING = bytes(HOURS)
_MOST = 255


class Habit(NamedTuple):
    """What is known of one visitor's hours, the counters packed. None: nothing yet. Times in milliseconds."""

    displayed_at: int | None = None
    clicked_at: int | None = None
    activity: bytes | None = None

    def seen(self, at: int, hour: int, *, clicked: bool) -> "Habit":
        """With one more display or click at `at`, which was in `hour` of the visitor's day."""
        before = max(self.displayed_at or 0, self.clicked_at or 0)
        return Habit(
            displayed_at=self.displayed_at if clicked else max(at, self.displayed_at or 0),
            clicked_at=max(at, self.clicked_at or 0) if clicked else self.clicked_at,
            activity=pack(
                _add(
                    faded(unpack(self.activity), before, at),
                    hour,
                    WEIGHT_OF_CLICK if clicked else WEIGHT_OF_DISPLAY,
                )
            ),
        )

    def values(self) -> tuple[int | None, int | None, str]:
        """As the query `learn` takes them: the counters in hexadecimal."""
        return self.displayed_at, self.clicked_at, (self.activity or b"").hex()


def pack(counters: bytes) -> bytes:
    """24 counters as they are stored: 2 bytes for each that is not 0, or all 24."""
    if counters.count(0) <= HOURS // 2:
        return counters
    return bytes([part for hour, n in enumerate(counters) if n for part in (hour, n)])


def unpack(activity: bytes | None) -> bytes:
    """24 counters from what `pack` made; None: nothing yet."""
    if activity is None or len(activity) == HOURS:
        return activity or _NOTHING
    counters = bytearray(HOURS)
    for hour, n in zip(activity[::2], activity[1::2], strict=True):
        counters[hour] = n
    return bytes(counters)


def faded(activity: bytes, before: int, at: int) -> bytes:
    """Counters last moved at `before`, as they count at `at`."""
    halvings = period_of(at) - period_of(before)
    return activity if halvings <= 0 else bytes([n >> halvings for n in activity])


def period_of(at: int) -> int:
    return at // HALF_LIFE


def busiest(weights: Sequence[int], among: Sequence[int]) -> int | None:
    """The hour of `among` with the largest counter, the first of equals; None when all of them are 0."""
    best = max(among, key=weights.__getitem__, default=None)
    return None if best is None or not weights[best] else best


@lru_cache(maxsize=8_192)
def _hour(quarter: int, zone: str) -> int:
    return datetime.fromtimestamp(quarter * 900, _zone(zone)).hour


def hour_of_day(at: int, zone: str | None) -> int:
    """The hour, 0 to 23, that a clock in `zone` shows. UTC without one, or when nobody knows it any more."""
    return _hour(at // QUARTER, zone or "UTC")


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # a ZoneInfoNotFoundError is a KeyError
        return UTC


def _add(activity: bytes, hour: int, weight: int) -> bytes:
    if activity[hour] + weight > _MOST:
        activity = bytes([n >> 1 for n in activity])
    counters = bytearray(activity)
    counters[hour] += weight
    return bytes(counters)
