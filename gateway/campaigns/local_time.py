"""Visitor-local delivery: everybody gets a message when their own clock shows the same time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from gateway.campaigns.zones import HOUR, MINUTE, moment_of, wall_of, zone_or
from gateway.errors import FieldError

# Freezing starts at the very moment of the first zone, and takes a while: so little is not late.
GRACE = 15 * MINUTE
FIRST_ZONE = 14 * HOUR  # ahead of UTC: nobody's clock shows a time earlier (Pacific/Kiritimati)
LAST_ZONE = -12 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FORMAT = "%Y-%m-%dT%H:%M"
_YEARS = range(1971, 9_999)  # whatever the zone, the moment can be written down


class Late(StrEnum):
    """What becomes of those for whom it is past that time already when the message starts."""

    SEND = "send"  # at once
    NEXT_DAY = "next_day"  # the same time, on the first day on which it is still to come
    SKIP = "skip"


WallTime = Annotated[
    str,
    Meta(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?!\\n)$",
        description="What the visitor's clock shows, `2026-12-01T09:00`.",
    ),
]


class LocalTime(Struct, frozen=True, forbid_unknown_fields=True):
    at: WallTime
    late: Late = Late.SEND


@dataclass(frozen=True, slots=True)
class WallClock:
    """The time of one message, ready for thousands of recipients."""

    time: datetime
    late: Late
    site_zone: str

    @classmethod
    def of(cls, rule: LocalTime, site_zone: str) -> "WallClock":
        return cls(_parse(rule.at), rule.late, zone_or(site_zone, "UTC"))

    def due_at(self, timezone: str | None, now: int) -> int | None:
        """When it is somebody's turn, `now` or later; None when it is too late for them.

        Whose zone is not known, or does not exist, lives by the site's clock.
        """
        zone = zone_or(timezone, self.site_zone)
        at = moment_of(zone, self.time)
        if at >= now - GRACE or self.late is Late.SEND:
            return max(at, now)
        if self.late is Late.SKIP:
            return None
        today = wall_of(zone, now).date()
        day = max(self.time + timedelta(days=1), datetime.combine(today, self.time.time()))
        while moment_of(zone, day) < now:
            day += timedelta(days=1)
        return moment_of(zone, day)


def first_moment(rule: LocalTime) -> int:
    """When the first clocks of the world show it: then the message starts. ValueError: no such time."""
    return _in_utc(_parse(rule.at)) - FIRST_ZONE


def moment_at_home(rule: LocalTime, site_zone: str) -> int:
    """When the site's clock shows it: that is what is left of the rule when it is taken away."""
    return moment_of(zone_or(site_zone, "UTC"), _parse(rule.at))


def check_local_time(
    rule: LocalTime | None, send_at: int | None, expires_at: int | None, now: int, *, misfires: bool = False
) -> list[FieldError]:
    """What types cannot say. `send_at`: None unless it was asked for, too."""
    if rule is None:
        return []
    if send_at is not None:
        return [FieldError("send_at", "local_time says when to send: leave this out.")]
    try:
        time = _parse(rule.at)
    except ValueError:
        return [FieldError("local_time.at", "There is no such date and time.")]
    earliest = _earliest(time, rule.late, now)
    if earliest is None:
        return [FieldError("local_time.at", "This has passed in every zone: nobody would get the message.")]
    if misfires:
        return [FieldError("misfire", "local_time says itself what becomes of those who are late.")]
    if expires_at is not None and now < expires_at <= earliest:
        return [
            FieldError("expires_at", "This is before the time of any zone: nobody would get the message.")
        ]
    return []


def _earliest(time: datetime, late: Late, now: int) -> int | None:
    """When the first clock of all that can be, be it nobody's, has it somebody's turn."""
    last = _in_utc(time) - LAST_ZONE
    if last >= now or late is Late.SEND:
        return max(now, _in_utc(time) - FIRST_ZONE)
    return None if late is Late.SKIP else now


def _parse(text: str) -> datetime:
    """ValueError: there is no such time, or none that we could say when it is."""
    time = datetime.strptime(text, _FORMAT)
    if time.year not in _YEARS:
        raise ValueError(text)
    return time


def _in_utc(time: datetime) -> int:
    return (time.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
