"""Quiet hours of a site: nobody gets anything while their clock, or the site's, shows a time within them."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, field

from gateway.campaigns.zones import DAY, HOUR, MINUTE, offset_at, zone_or
from gateway.errors import FieldError

TimeOfDay = Annotated[
    str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9](?!\\n)$", description="On a clock: `21:00`.")
]


class ClockOf(StrEnum):
    """Whose clock decides."""

    VISITOR = "visitor"
    SITE = "site"


class WithQuietHours(StrEnum):
    """What a message does with those of its site."""

    RESPECT = "respect"
    OVERRIDE = "override"


class QuietHours(Struct, frozen=True, forbid_unknown_fields=True):
    """From the minute `from` to the last one before `to`, also across midnight."""

    start: TimeOfDay = field(name="from")
    end: TimeOfDay = field(name="to")
    zone: ClockOf = ClockOf.VISITOR


class Window(NamedTuple):
    """When somebody may be sent to: from `due_at` on, until their next quiet hours begin at `ends_at`."""

    due_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """The quiet hours that hold for a message, ready for thousands of recipients."""

    start: int  # milliseconds from midnight
    end: int
    by_visitor: bool
    site_zone: str

    @classmethod
    def of(cls, hours: QuietHours, site_zone: str) -> "Quiet":
        start, end = _from_midnight(hours.start), _from_midnight(hours.end)
        return cls(start, end, hours.zone is ClockOf.VISITOR, zone_or(site_zone, "UTC"))

    @property
    def length(self) -> int:
        """Of one night without a change of the clocks."""
        return (self.end - self.start) % DAY

    def window(self, timezone: str | None, at: int) -> Window:
        """The window of somebody who is to be sent to at `at`, or that which opens next.

        Whose zone is not known, or does not exist, lives by the site's clock.
        """
        zone = zone_or(timezone, self.site_zone) if self.by_visitor else self.site_zone
        return _window(zone, self.start, self.end, at)


def check_quiet_hours(hours: QuietHours | None, path: str) -> list[FieldError]:
    if hours is not None and hours.start == hours.end:
        return [FieldError(path, "It ends when it begins: give two different times, or null for none.")]
    return []


def _from_midnight(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * HOUR + int(minutes) * MINUTE


@lru_cache(maxsize=8_192)
def _window(zone: str, start: int, end: int, at: int) -> Window:
    due_at = at
    quiet, until = _look(zone, start, end, due_at)
    while quiet:
        due_at = until
        quiet, until = _look(zone, start, end, due_at)
    ends_at = until
    while not quiet:
        ends_at = until
        quiet, until = _look(zone, start, end, ends_at)
    return Window(due_at, ends_at)


def _look(zone: str, start: int, end: int, at: int) -> tuple[bool, int]:
    """(whether it is quiet, a later moment until which it certainly stays as it is)."""
    offset, known_until = offset_at(zone, at)
    clock = (at + offset) % DAY
    since, length = (clock - start) % DAY, (end - start) % DAY
    quiet = since < length
    return quiet, min(known_until, at + (length if quiet else DAY) - since)
