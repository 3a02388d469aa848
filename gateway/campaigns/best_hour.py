"""Best hour: everybody gets a message at the hour of their day at which they look and click most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct as Format
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from gateway.campaigns.quiet_hours import Quiet
from gateway.campaigns.zones import HOUR, offset_at, zone_exists
from gateway.errors import FieldError
from storage.activity import HOURS, busiest, unpack

# Not a moment for each recipient: whoever shares one shares a batch.
SLOTS = 12  # moments over which those with the same hour are spread: five minutes apart, in a window of a day

_IDS = Format(">qq")
_LOT = Format(">I")


class BestHour(Struct, frozen=True, forbid_unknown_fields=True):
    within_hours: Annotated[
        int,
        Meta(ge=1, le=168, description="The window, from the message's start on. 24 has every hour once."),
    ]


class Span(NamedTuple):
    """From `start` until before `end`, milliseconds since the epoch."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BestTimes:
    """The window of one message, ready for thousands of recipients."""

    message_id: int
    start: int | None  # None: it starts at the very moment for which is asked
    length: int
    site_zone: str
    site_hours: Sequence[int]  # 24 counters, none when nobody on the site has looked at anything yet
    quiet: Quiet | None

    @classmethod
    def of(
        cls,
        rule: BestHour,
        *,
        message_id: int,
        started_at: int | None,
        site_zone: str,
        site_hours: Sequence[int],
        quiet: Quiet | None,
    ) -> "BestTimes":
        return cls(message_id, started_at, rule.within_hours * HOUR, site_zone, site_hours, quiet)

    def due_at(self, subscription_id: int, timezone: str | None, activity: bytes | None, now: int) -> int:
        """When it is somebody's turn, `now` or later: the same moment whenever it is asked within the window.

        Their best hour of those that the window holds, else the site's, else now. Quiet hours are left out.
        Whose zone is not known, or does not exist, lives by the site's clock.
        """
        zone = timezone if timezone is not None and zone_exists(timezone) else self.site_zone
        start = now if self.start is None else self.start
        spans = spans_by_hour(zone, start, start + self.length, self.quiet)
        best = busiest(unpack(activity), list(spans)) if activity else None
        if best is None and self.site_hours:
            best = busiest(self.site_hours, list(spans))
        if best is None:
            return now
        return max(now, _moment(spans[best], _slot(self.message_id, subscription_id)))


@lru_cache(maxsize=512)
def spans_by_hour(
    zone: str, start: int, end: int, quiet: Quiet | None = None
) -> Mapping[int, Sequence[Span]]:
    """When the clocks of the zone show each hour of the day from `start` until `end`: earliest hour first.

    An hour that never comes is absent; one that comes twice, as clocks are set back, has both.
    """
    found: dict[int, list[Span]] = {}
    at = start
    while at < end:
        offset, known_until = offset_at(zone, at)
        until = min(end, known_until, at + HOUR - (at + offset) % HOUR)
        if quiet is not None:
            window = quiet.window(zone, at)
            if window.due_at > at:
                at = window.due_at
                continue
            until = min(until, window.ends_at)
        found.setdefault((at + offset) // HOUR % HOURS, []).append(Span(at, until))
        at = until
    return found


def check_best_hour(
    rule: BestHour | None, send_at: int, expires_at: int | None, *, local_time: bool, holds_the_rest: bool
) -> list[FieldError]:
    """What types cannot say."""
    if rule is None:
        return []
    if local_time:
        return [FieldError("best_hour", "local_time says when to send: leave out one of the two.")]
    if holds_the_rest:
        sentence = (
            "The rest of a roll-out, or behind a sample, is sent as soon as it is released, at any hour."
        )
        return [FieldError("best_hour", sentence)]
    if expires_at is not None and expires_at < send_at + rule.within_hours * HOUR:
        sentence = "The message expires before the window ends: some would never get it."
        return [FieldError("best_hour.within_hours", sentence)]
    return []


def _slot(message_id: int, subscription_id: int) -> int:
    """A number below SLOTS: always the same for the two, and independent of their other lots."""
    digest = blake2b(_IDS.pack(message_id, subscription_id), digest_size=_LOT.size, person=b"best hour")
    return int(_LOT.unpack(digest.digest())[0]) * SLOTS >> 32


def _moment(spans: Sequence[Span], slot: int) -> int:
    """Where the slot begins if the spans are put one behind the other and cut into SLOTS equal parts."""
    after = sum(span.end - span.start for span in spans) * slot // SLOTS
    for span in spans:
        if after < span.end - span.start:
            break
        after -= span.end - span.start
    return span.start + after
