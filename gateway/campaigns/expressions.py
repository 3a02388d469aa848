"""`where`: whom an audience or a segment means, as admins write it and as it is stored.

    {"all": [{"tag": "vip"}, {"not": {"clicked": {"within": "30d"}}}]}

A closed expression: every object says exactly one thing. It becomes a `storage.conditions.Condition`; no text
of it ever becomes SQL. Types say what a field may hold, `check_expression` the rest, each with its path.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from gateway.errors import FieldError
from gateway.subscription_fields import (
    MAX_VALUE_BYTES,
    AttributeName,
    AttributeValue,
    Language,
    Tag,
    Timezone,
    check_fields,
)
from gateway.visitor import Browser, Platform
from gateway.webpush import Provider
from storage.conditions import Op
from storage.ids import Kind, MalformedId, decode_id

MAX_DEPTH = 8  # of all, any and not within each other
MAX_CONDITIONS = 100
MAX_BYTES = 16_384  # as JSON
MAX_VALUES = 100  # of one `in`

Time = Annotated[datetime, Meta(tz=True)]
Within = Annotated[
    str,
    Meta(
        pattern="^[1-9][0-9]{0,3}[mhd](?!\\n)$",
        description="So many minutes, hours or days until the message starts: `90m`, `12h`, `30d`.",
    ),
]
Parts = Annotated[tuple["Expression", ...], Meta(min_length=1, max_length=MAX_CONDITIONS)]
MessageId = Annotated[str, Meta(max_length=64, description="`msg_…`: this message of the site.")]
# Texts for msgspec, whose own error for an enum does not name what there is.
_Browser = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": [*Browser]})]
_Platform = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": [*Platform]})]
_Values = Annotated[tuple[AttributeValue, ...], Meta(min_length=1, max_length=MAX_VALUES)]


class When(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`before` and `after` may stand together; `within` stands alone."""

    before: Time | UnsetType = UNSET
    after: Annotated[Time | UnsetType, Meta(description="At this moment or later.")] = UNSET
    within: Within | UnsetType = UNSET


class Happened(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of these."""

    message: MessageId | UnsetType = UNSET
    after: Annotated[Time | UnsetType, Meta(description="Any message, at this moment or later.")] = UNSET
    within: Within | UnsetType = UNSET


class Expression(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of these; `attribute` with `op` and `value`."""

    all: Parts | UnsetType = UNSET
    any: Parts | UnsetType = UNSET
    not_: "Expression | UnsetType" = field(default=UNSET, name="not")
    tag: Tag | UnsetType = UNSET
    attribute: AttributeName | UnsetType = UNSET
    op: Annotated[Op | UnsetType, Meta(description="`ne` also holds without the attribute.")] = UNSET
    value: Annotated[
        AttributeValue | _Values | UnsetType, Meta(description="A list for `in`, none for `exists`.")
    ] = UNSET
    language: Annotated[Language | UnsetType, Meta(description="`de` is also de-AT.")] = UNSET
    timezone: Timezone | UnsetType = UNSET
    country: Annotated[str, Meta(pattern="^[A-Z]{2}(?!\\n)$")] | UnsetType = UNSET
    browser: _Browser | UnsetType = UNSET
    platform: _Platform | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    subscribed: When | UnsetType = UNSET
    seen: When | UnsetType = UNSET
    received: Happened | UnsetType = UNSET
    displayed: Happened | UnsetType = UNSET
    clicked: Happened | UnsetType = UNSET


_KINDS = tuple(name for name in Expression.__struct_fields__ if name not in ("op", "value"))
_JSON_NAMES = dict(zip(Expression.__struct_fields__, Expression.__struct_encode_fields__, strict=True))
_KNOWN: Mapping[str, list[str]] = {"browser": [*Browser], "platform": [*Platform]}
_UNITS: Mapping[str, timedelta] = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def check_expression(expression: Expression, path: str) -> list[FieldError]:
    """What the types cannot say."""
    found = list(_check(expression, path, MAX_DEPTH))
    if found:
        return found
    if sum(1 for _ in _leaves(expression, path)) > MAX_CONDITIONS:
        return [FieldError(path, f"An expression has at most {MAX_CONDITIONS} conditions.")]
    if len(msgspec.json.encode(expression)) > MAX_BYTES:
        return [FieldError(path, f"An expression has at most {MAX_BYTES} bytes.")]
    return []


def messages_named(expression: Expression, path: str) -> Iterator[tuple[str, int]]:
    """(path, id) of the messages in an expression that has been checked."""
    for place, leaf in _leaves(expression, path):
        for name in ("received", "displayed", "clicked"):
            happened: Happened | UnsetType = getattr(leaf, name)
            if happened is not UNSET and happened.message is not UNSET:
                yield f"{place}.{name}.message", decode_id(Kind.MESSAGE, happened.message)


def fix_times(expression: Expression, now: int) -> Expression:
    """With moments in the place of every `within`, so that it means the same from now on."""
    if expression.all is not UNSET:
        return replace(expression, all=tuple(fix_times(part, now) for part in expression.all))
    if expression.any is not UNSET:
        return replace(expression, any=tuple(fix_times(part, now) for part in expression.any))
    if expression.not_ is not UNSET:
        return replace(expression, not_=fix_times(expression.not_, now))
    for name in ("subscribed", "seen", "received", "displayed", "clicked"):
        said: When | Happened | UnsetType = getattr(expression, name)
        if said is not UNSET and said.within is not UNSET:
            after = datetime.fromtimestamp(now / 1_000, UTC) - _length(said.within)
            return replace(expression, **{name: replace(said, after=after, within=UNSET)})
    return expression


def kind_of(expression: Expression) -> str:
    """The name of the one field that is set, of an expression that has been checked."""
    return next(name for name in _KINDS if getattr(expression, name) is not UNSET)


def _length(within: str) -> timedelta:
    return int(within[:-1]) * _UNITS[within[-1]]


def _parts(expression: Expression, path: str) -> Iterator[tuple[str, Expression]]:
    for name, parts in (("all", expression.all), ("any", expression.any)):
        if parts is not UNSET:
            yield from ((f"{path}.{name}[{index}]", part) for index, part in enumerate(parts))
    if expression.not_ is not UNSET:
        yield f"{path}.not", expression.not_


def _leaves(expression: Expression, path: str) -> Iterator[tuple[str, Expression]]:
    parts = list(_parts(expression, path))
    if not parts:
        yield path, expression
    for place, part in parts:
        yield from _leaves(part, place)


def _check(expression: Expression, path: str, depth: int) -> Iterator[FieldError]:
    given = [name for name in _KINDS if getattr(expression, name) is not UNSET]
    if len(given) != 1:
        names = ", ".join(_JSON_NAMES[name] for name in _KINDS)
        yield FieldError(path, f"An expression is exactly one of {names}.")
        return
    parts = list(_parts(expression, path))
    if parts and not depth:
        yield FieldError(path, f"Expressions are nested at most {MAX_DEPTH} deep.")
        return
    for place, part in parts:
        yield from _check(part, place, depth - 1)
    if expression.attribute is not UNSET:
        yield from _check_attribute(expression, path)
    elif expression.op is not UNSET or expression.value is not UNSET:
        yield FieldError(path, "op and value stand with attribute only.")
    if expression.timezone is not UNSET:
        yield from (
            FieldError(f"{path}.{each.path}", each.message)
            for each in check_fields(timezone=expression.timezone)
        )
    for name, known in _KNOWN.items():
        said = getattr(expression, name)
        if said is not UNSET and said not in known:
            yield FieldError(f"{path}.{name}", f"This is one of {', '.join(known)}.")
    for name in ("subscribed", "seen"):
        yield from _check_when(getattr(expression, name), f"{path}.{name}")
    for name in ("received", "displayed", "clicked"):
        yield from _check_happened(getattr(expression, name), f"{path}.{name}")


def _check_attribute(expression: Expression, path: str) -> Iterator[FieldError]:
    op, value = expression.op, expression.value
    if op is UNSET:
        yield FieldError(f"{path}.op", f"This is one of {', '.join(Op)}.")
        return
    if op is Op.EXISTS:
        if value is not UNSET:
            yield FieldError(f"{path}.value", "exists takes no value.")
        return
    if value is UNSET:
        yield FieldError(f"{path}.value", f"{op} takes a value.")
    elif isinstance(value, tuple) != (op is Op.IN):
        yield FieldError(f"{path}.value", "in takes a list of values, every other op a single one.")
    elif op is Op.CONTAINS and (not isinstance(value, str) or not value):
        yield FieldError(f"{path}.value", "contains takes a text.")
    elif op in (Op.GT, Op.LT) and isinstance(value, bool):
        yield FieldError(f"{path}.value", f"{op} takes a number, a time or a text.")
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, str) and len(each.encode()) > MAX_VALUE_BYTES:
            yield FieldError(f"{path}.value", f"A value has at most {MAX_VALUE_BYTES} bytes in UTF-8.")


def _check_when(when: When | UnsetType, path: str) -> Iterator[FieldError]:
    if when is UNSET:
        return
    bounds = [name for name in ("before", "after") if getattr(when, name) is not UNSET]
    if bool(bounds) == (when.within is not UNSET):
        yield FieldError(path, "This is before, after or both, or else within.")
    yield from _check_times(when, bounds, path)
    if not list(_check_times(when, bounds, path)) and len(bounds) == 2 and when.before <= when.after:  # type: ignore[operator]
        yield FieldError(path, "Nothing is after the one and before the other.")


def _check_happened(happened: Happened | UnsetType, path: str) -> Iterator[FieldError]:
    if happened is UNSET:
        return
    given = [name for name in happened.__struct_fields__ if getattr(happened, name) is not UNSET]
    if len(given) != 1:
        yield FieldError(path, "This is exactly one of message, after, within.")
    if happened.message is not UNSET:
        try:
            decode_id(Kind.MESSAGE, happened.message)
        except MalformedId:
            yield FieldError(f"{path}.message", "This is not the id of a message.")
    yield from _check_times(happened, [name for name in given if name == "after"], path)


def _check_times(said: When | Happened, names: list[str], path: str) -> Iterator[FieldError]:
    for name in names:
        try:
            getattr(said, name).astimezone(UTC)
        except OverflowError:
            yield FieldError(f"{path}.{name}", "This time is not within the years 1 to 9999 in UTC.")
