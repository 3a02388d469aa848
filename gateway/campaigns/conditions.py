"""From the expression that an admin wrote to the condition that the database is asked."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from gateway.campaigns.expressions import Expression, Happened, When, fix_times, kind_of
from storage.conditions import (
    Condition,
    Either,
    Every,
    HasAttribute,
    HasTag,
    LanguageIs,
    Not,
    Received,
    ReceivedSince,
    Reported,
    TextColumn,
    TextIs,
    TimeColumn,
    TimeIs,
)
from storage.events import EventKind
from storage.ids import Kind, decode_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_condition(expression: Expression, now: int) -> Condition:
    """Of an expression that has been checked; `within` counts back from `now`."""
    return _condition(fix_times(expression, now))


def _condition(expression: Expression) -> Condition:
    kind = kind_of(expression)
    return _KINDS[kind](expression, getattr(expression, kind))


def _attribute(expression: Expression, name: str) -> Condition:
    op, value = expression.op, expression.value
    assert op is not UNSET, "an expression that has been checked"
    values = value if isinstance(value, tuple) else () if value is UNSET else (value,)
    return HasAttribute(name, op, values)


def _received(_: Expression, said: Happened) -> Condition:
    if said.message is not UNSET:
        return Received(decode_id(Kind.MESSAGE, said.message))
    return ReceivedSince(_at(said.after))


def _reported(kind: EventKind, column: TimeColumn) -> Callable[[Expression, Happened], Condition]:
    def condition(_: Expression, said: Happened) -> Condition:
        if said.message is not UNSET:
            return Reported(kind, decode_id(Kind.MESSAGE, said.message))
        return TimeIs(column, since=_at(said.after))

    return condition


def _time(column: TimeColumn) -> Callable[[Expression, When], Condition]:
    def condition(_: Expression, said: When) -> Condition:
        since = None if said.after is UNSET else _at(said.after)
        return TimeIs(column, since, None if said.before is UNSET else _at(said.before))

    return condition


def _text(column: TextColumn) -> Callable[[Expression, str], Condition]:
    return lambda _, value: TextIs(column, str(value))


def _at(moment: datetime | UnsetType) -> int:
    """Milliseconds since the epoch, rounded down."""
    assert moment is not UNSET, "an expression that has been checked"
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


_KINDS: Mapping[str, Callable[[Expression, Any], Condition]] = {
    "all": lambda _, parts: Every(tuple(map(_condition, parts))),
    "any": lambda _, parts: Either(tuple(map(_condition, parts))),
    "not_": lambda _, part: Not(_condition(part)),
    "tag": lambda _, tag: HasTag(tag),
    "attribute": _attribute,
    "language": lambda _, language: LanguageIs(language),
    "timezone": _text(TextColumn.TIMEZONE),
    "country": _text(TextColumn.COUNTRY),
    "browser": _text(TextColumn.BROWSER),
    "platform": _text(TextColumn.PLATFORM),
    "provider": _text(TextColumn.PROVIDER),
    "subscribed": _time(TimeColumn.SUBSCRIBED),
    "seen": _time(TimeColumn.SEEN),
    "received": _received,
    "displayed": _reported(EventKind.DISPLAYED, TimeColumn.DISPLAYED),
    "clicked": _reported(EventKind.CLICKED, TimeColumn.CLICKED),
}
