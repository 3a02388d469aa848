"""Messages that come again and again, by a cron expression on a place's clock; and those that come too late.

The expression says wall-clock times. A time that the clocks leave out when they go forward stands for the
first minute after the gap; one that comes twice when they go back counts once, the first time.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice, pairwise
from typing import Annotated

from cronsim import CronSim, CronSimError
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from gateway.campaigns.zones import moment_of, wall_of, zone_or
from gateway.errors import FieldError
from gateway.subscription_fields import PRINTABLE, Timezone, check_zone

SHORTEST = 5  # minutes from one occurrence to the next

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_ANY_DAY = datetime(2024, 1, 1)
_DAY = 24 * 60  # minutes
_LOOKED_AT = 12  # occurrences

Moment = Annotated[datetime, Meta(tz=True)]


class TooLate(StrEnum):
    SEND = "send"
    EXPIRE = "expire"


class Misfire(Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of a message that could not start in time, because the gateway was down, say."""

    then: Annotated[TooLate, Meta(description="Without a misfire it is sent, however late.")]
    after: Annotated[int, Meta(ge=60, le=31 * 86_400, description="Seconds after its time.")] = 300


class Recurrence(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"since": "from"},
):
    cron: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=PRINTABLE,
            description="Five fields: minute, hour, day of the month, month, day of the week. "
            "At most once in 5 minutes.",
        ),
    ]
    timezone: Timezone
    since: Annotated[Moment | None, Meta(description="No occurrence before this.")] = None
    until: Annotated[Moment | None, Meta(description="No occurrence after this.")] = None

    def __post_init__(self) -> None:
        """Moments are kept in UTC, as answers show them."""
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None:
                try:
                    force_setattr(self, name, moment.astimezone(UTC))
                except OverflowError:
                    raise ValueError("a time is not within the years 1 to 9999 in UTC") from None

    @property
    def zone(self) -> str:
        """UTC where this machine does not know the `timezone` any more: what recurs goes on."""
        return zone_or(self.timezone, "UTC")


def next_time(rule: Recurrence, after: int) -> int | None:
    """The first occurrence later than `after`, in milliseconds since the epoch; None: there is none."""
    start = after if rule.since is None else max(after, _milliseconds(rule.since) - 1)
    try:
        walls = CronSim(rule.cron, wall_of(rule.zone, start))
        at = next((at for at in _moments(walls, rule) if at > start), None)
    except OverflowError:  # the calendar ends
        return None
    return None if at is None or (rule.until is not None and at > _milliseconds(rule.until)) else at


def latest_time(rule: Recurrence, before: int) -> int | None:
    """The last occurrence at or before `before`; None: there is none."""
    end = before if rule.until is None else min(before, _milliseconds(rule.until))
    end -= end % 1_000
    try:
        wall = wall_of(rule.zone, end)
        # In the second round of an hour that comes twice, all that the first one showed has been, too.
        wall += (end - moment_of(rule.zone, wall)) * _MILLISECOND
        walls = CronSim(rule.cron, wall + _SECOND, reverse=True)
        at = next((at for at in _moments(walls, rule) if at <= end), None)
    except (OverflowError, ValueError):  # the calendar begins
        return None
    return None if at is None or (rule.since is not None and at < _milliseconds(rule.since)) else at


def next_times(rule: Recurrence, after: int, count: int) -> Sequence[int]:
    """Up to `count` occurrences later than `after`."""

    def walk() -> Iterator[int]:
        at = next_time(rule, after)
        while at is not None:
            yield at
            at = next_time(rule, at)

    return list(islice(walk(), count))


def shortest_gap(rule: Recurrence, now: int) -> int | None:
    """Milliseconds from one occurrence to the next, of those that come first; None: there is no second."""
    times = next_times(rule, now, _LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(times)), default=None)


def is_misfired(misfire: Misfire | None, send_at: int, now: int) -> bool:
    """Whether it is too late for a message that has not started."""
    return misfire is not None and misfire.then is TooLate.EXPIRE and now - send_at > misfire.after * 1_000


def check_recurrence(
    rule: Recurrence | None, now: int, *, send_at: int | None, expires_at: int | None, local_time: bool
) -> list[FieldError]:
    """What is wrong with the rule, and with the other times of its message (None: not asked for)."""
    if rule is None:
        return []
    errors = []
    if local_time:
        errors.append(FieldError("local_time", "This is one moment: a recurring message cannot have it."))
    if send_at is not None:
        errors.append(
            FieldError("send_at", "A recurring message comes when its expression says: leave this out.")
        )
    if expires_at is not None:
        errors.append(
            FieldError(
                "expires_at",
                "This would be one moment for all occurrences: say recurrence.until, or options.ttl.",
            )
        )
    wrong = _check_cron(rule.cron)
    if wrong is not None:
        errors.append(FieldError("recurrence.cron", wrong))
    if unknown := check_zone(rule.timezone, "recurrence.timezone"):
        errors += unknown
    elif wrong is None and next_time(rule, now) is None:
        errors.append(_never(rule))
    return errors


def check_misfire(misfire: Misfire | None, send_at: int, now: int) -> list[FieldError]:
    if not is_misfired(misfire, send_at, now):
        return []
    return [FieldError("misfire.after", "It should have started longer ago than this: nobody would get it.")]


def _check_cron(expression: str) -> str | None:
    """What is wrong with it."""
    fields = len(expression.split())
    if fields != 5:
        return f"A cron expression has five fields, separated by blanks, not {fields}."
    try:
        parsed = CronSim(expression, _ANY_DAY)
    except CronSimError as exc:
        return f"This is not a cron expression: {str(exc).lower()}."
    minutes = sorted(hour * 60 + minute for hour in parsed.hours for minute in parsed.minutes)
    if any(later - earlier < SHORTEST for earlier, later in pairwise([*minutes, minutes[0] + _DAY])):
        return f"This comes more often than once in {SHORTEST} minutes."
    return None


def _never(rule: Recurrence) -> FieldError:
    if rule.until is not None:
        return FieldError("recurrence.until", "There is no occurrence until then.")
    return FieldError("recurrence.cron", "This never comes.")


def _moments(walls: Iterator[datetime], rule: Recurrence) -> Iterator[int]:
    """In order, as `walls` are: several that the clocks leave out are one moment."""
    return (moment_of(rule.zone, wall) for wall in walls)


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
