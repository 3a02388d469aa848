"""What an audience asks of a subscription: a closed expression, and nothing in it is SQL.

`storage.condition_sql` turns one into a query's text and parameters. Every condition is either true or false
of a subscription, never unknown: what a subscription does not have is equal to nothing, `Not` turns it round.
"""

from dataclasses import dataclass
from enum import StrEnum

from storage.events import EventKind
from storage.subscription import Attribute


class TextColumn(StrEnum):
    """Columns that are compared as a whole."""

    TIMEZONE = "timezone"
    COUNTRY = "country"
    BROWSER = "browser"
    PLATFORM = "platform"
    PROVIDER = "provider"


class TimeColumn(StrEnum):
    SUBSCRIBED = "created_at"
    SEEN = "seen_at"
    DISPLAYED = "displayed_at"
    CLICKED = "clicked_at"


class Op(StrEnum):
    EQ = "eq"
    NE = "ne"  # not eq: also without the attribute
    IN = "in"
    GT = "gt"
    LT = "lt"
    CONTAINS = "contains"  # of a text, case matters
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class HasTag:
    tag: str


@dataclass(frozen=True, slots=True)
class HasAttribute:
    """`values`: several for IN, none for EXISTS, else one.

    Values of different types are different: numbers (1 is 1.0), booleans, times, other texts. GT and LT
    compare numbers, times and texts (by code point) with their own kind. A text that is a full RFC 3339
    date-time is a time, to the millisecond.
    """

    name: str
    op: Op
    values: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class TextIs:
    column: TextColumn
    value: str


@dataclass(frozen=True, slots=True)
class LanguageIs:
    """`de` is also de-AT, but de-AT is not de; case does not matter (RFC 4647, basic filtering)."""

    language: str


@dataclass(frozen=True, slots=True)
class TimeIs:
    """since <= column < before; None is no bound. Milliseconds since the epoch."""

    column: TimeColumn
    since: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A push service has accepted this message for it."""

    message_id: int


@dataclass(frozen=True, slots=True)
class ReceivedSince:
    """A push service has accepted any message for it, at `since` or later."""

    since: int


@dataclass(frozen=True, slots=True)
class Reported:
    """The browser has reported this of the message."""

    kind: EventKind
    message_id: int


Condition = (
    Every
    | Either
    | Not
    | HasTag
    | HasAttribute
    | TextIs
    | LanguageIs
    | TimeIs
    | Received
    | ReceivedSince
    | Reported
)


def driving_tag(condition: Condition) -> str | None:
    """A tag that everybody in the audience has: the index of tags leads to them. None: only a scan does."""
    if isinstance(condition, HasTag):
        return condition.tag
    if isinstance(condition, Every):
        return next((tag for part in condition.parts if (tag := driving_tag(part)) is not None), None)
    return None


def times_received(condition: Condition) -> frozenset[int]:
    """The `since` of every ReceivedSince in it."""
    if isinstance(condition, ReceivedSince):
        return frozenset((condition.since,))
    if isinstance(condition, Not):
        return times_received(condition.part)
    if isinstance(condition, Every | Either):
        return frozenset().union(*map(times_received, condition.parts))
    return frozenset()
