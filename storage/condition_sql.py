"""A condition as SQL over `subscriptions s`: a text of constants, and every value a parameter.

One text for both databases, with the hints of storage.queries where they must differ. Nothing in it is ever
null: `not` of null would be null, and would lose those of whom nothing is known.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from storage.conditions import (
    Condition,
    Either,
    Every,
    HasAttribute,
    HasTag,
    LanguageIs,
    Not,
    Op,
    Received,
    ReceivedSince,
    Reported,
    TextIs,
    TimeIs,
)
from storage.database import Value
from storage.received import ACCEPTED_WITHIN, Settled, Unreached
from storage.subscription import Attribute

_FAR = 15 * 3_600_000
_FIRST_TIME, _LAST_TIME = -62_135_596_800_000, 253_402_300_799_000  # years 1 and 9999
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII
)

# Half a millisecond counts as a whole one, as in the databases: `round` would sometimes leave it out.
_HALF_BEFORE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=500)

# The attributes of a subscription as rows a (key, value); none without any.
_ATTRIBUTES = (
    "/* sqlite: json_each(s.attributes) a *//* postgres: jsonb_each(s.attributes::jsonb) as a(key, value) */"
)
_IS_TEXT = "/* sqlite: a.type = 'text' *//* postgres: jsonb_typeof(a.value) = 'string' */"
_IS_NUMBER = "/* sqlite: a.type in ('integer', 'real') *//* postgres: jsonb_typeof(a.value) = 'number' */"
_TEXT = "/* sqlite: a.value *//* postgres: (a.value #>> '{}') */"
# Null unless it is a time. SQLite takes more for one than RFC 3339 allows, 30 February among it; PostgreSQL's
# function is in the migration.
_AS_TIME = (
    "/* sqlite: case when a.type = 'text' and instr(a.value, ' ') = 0"
    " and a.value glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9][Z.+-]*'"
    " and (a.value glob '*Z' or a.value glob '*[+-][0-1][0-9]:[0-5][0-9]')"
    " and a.value > '0001' and substr(a.value, 12, 2) < '24'"
    " and (substr(a.value, 9, 2) < '29' or date(substr(a.value, 1, 10), '+0 days') = substr(a.value, 1, 10))"
    " then cast(round((julianday(a.value) - 2440587.5) * 86400000) as integer) end"
    " *//* postgres: time_of(a.value #>> '{}') */"
)


@dataclass(slots=True)
class Writer:
    """Writes conditions. `args` are the parameters so far, in order: the site, and the window, after and to.

    `settled`: by the `since` of each ReceivedSince, whom deliveries have to be asked of.
    """

    args: list[Value]
    settled: Mapping[int, Settled] = field(default_factory=dict)

    def add(self, value: Value) -> str:
        self.args.append(value)
        return f"${len(self.args)}"

    def write(self, condition: Condition) -> str:
        return _WRITERS[type(condition)](self, condition)


def _every(writer: Writer, condition: Every) -> str:
    return f"({' and '.join(map(writer.write, condition.parts)) or '1 = 1'})"


def _either(writer: Writer, condition: Either) -> str:
    return f"({' or '.join(map(writer.write, condition.parts))})"


def _not(writer: Writer, condition: Not) -> str:
    return f"not {writer.write(condition.part)}"


def _exists(source: str) -> str:
    return f"exists (select 1 from {source})"  # noqa: S608 - constants and numbers of parameters


def _has_tag(writer: Writer, condition: HasTag) -> str:
    tag = writer.add(condition.tag)
    indexed = (
        f"subscription_tags u where u.site_id = s.site_id and u.tag = {tag} and u.subscription_id = s.id"
    )
    return f"(s.tags is not null and {_exists(indexed)})"


def _text_is(writer: Writer, condition: TextIs) -> str:
    column = f"s.{condition.column}"
    return f"({column} is not null and {column} = {writer.add(condition.value)})"


def _language_is(writer: Writer, condition: LanguageIs) -> str:
    language = condition.language.lower()
    stored = 'lower(s.language /* postgres: collate "C" */)'
    return (
        f"(s.language is not null and ({stored} = {writer.add(language)}"
        f" or {stored} like {writer.add(language + '-%')}))"
    )


def _time_is(writer: Writer, condition: TimeIs) -> str:
    column = f"s.{condition.column}"
    tests = [f"{column} is not null"]
    if condition.since is not None:
        tests.append(f"{column} >= {writer.add(condition.since)}")
    if condition.before is not None:
        tests.append(f"{column} < {writer.add(condition.before)}")
    return f"({' and '.join(tests)})"


def _received(writer: Writer, condition: Received) -> str:
    return _exists(
        f"deliveries d where d.site_id = s.site_id and d.message_id = {writer.add(condition.message_id)}"
        " and d.subscription_id = s.id and d.outcome = 'accepted'"
    )


def _received_since(writer: Writer, condition: ReceivedSince) -> str:
    settled = writer.settled[condition.since]
    since = writer.add(condition.since)
    doubtful = f"a.at >= {writer.add(condition.since - ACCEPTED_WITHIN)}"
    if isinstance(settled, Unreached):
        received = f"not a.subscription_id in ({_listed(writer.add(list(settled.ids)))})"
    else:
        known, messages = writer.add(list(settled.known)), writer.add(list(settled.messages))
        received = f"(a.subscription_id in ({_listed(known)}) or {_delivered(messages, since)})"
    return _exists(
        "acceptances a where a.site_id = s.site_id and a.subscription_id = s.id"
        f" and (a.at >= {since} or ({doubtful} and {received}))"
    )


def _listed(ids: str) -> str:
    """Not as an array on PostgreSQL: it would be gone through for each subscription."""
    source = f"/* sqlite: json_each({ids}) k *//* postgres: unnest({ids}::bigint[]) as k(value) */"
    return f"select k.value from {source}"  # noqa: S608 - constants and numbers of parameters


def _delivered(messages: str, since: str) -> str:
    """Among the receivers: of the whole window, read as they lie; on PostgreSQL, which plans by statistics,
    one by one.
    """
    accepted = f"d.message_id = w.value and d.outcome = 'accepted' and d.at >= {since}"
    in_window = (
        f"select d.subscription_id from json_each({messages}) w cross join deliveries d"  # noqa: S608
        f" where d.site_id = $1 and d.subscription_id > $2 and d.subscription_id <= $3 and {accepted}"
    )
    of_one = _exists(
        f"unnest({messages}::bigint[]) as w(value) cross join deliveries d"
        f" where d.site_id = a.site_id and d.subscription_id = a.subscription_id and {accepted}"
    )
    return f"/* sqlite: a.subscription_id in ({in_window}) *//* postgres: {of_one} */"


def _reported(writer: Writer, condition: Reported) -> str:
    return _exists(
        f"events e where e.site_id = s.site_id and e.message_id = {writer.add(condition.message_id)}"
        f" and e.subscription_id = s.id and e.kind = {writer.add(condition.kind.value)}"
    )


def _has_attribute(writer: Writer, condition: HasAttribute) -> str:
    key = writer.add(condition.name)
    tests = _tests(writer, condition.op, condition.values)
    found = _exists(f"{_ATTRIBUTES} where a.key = {key} and {tests}")
    return f"not {found}" if condition.op is Op.NE else found


def _tests(writer: Writer, op: Op, values: Sequence[Attribute]) -> str:
    if op is Op.EXISTS:
        return "1 = 1"
    if op is Op.CONTAINS:
        function = "/* sqlite: instr *//* postgres: strpos */"
        return f"({_IS_TEXT} and {function}({_TEXT}, {writer.add(str(values[0]))}) > 0)"
    sign = {Op.GT: ">", Op.LT: "<"}.get(op, "=")
    tests = [_compared(writer, sign, value) for value in values if not _is_text(value)]
    if texts := [value for value in values if isinstance(value, str) and _is_text(value)]:
        tests.append(_text_in(writer, texts) if sign == "=" else _text_compared(writer, sign, texts[0]))
    return f"({' or '.join(tests)})"


def _is_text(value: Attribute) -> bool:
    return isinstance(value, str) and time_of(value) is None


def _text_in(writer: Writer, texts: Sequence[str]) -> str:
    return f"({_IS_TEXT} and {_TEXT} in texts({writer.add(list(texts))}))"


def _text_compared(writer: Writer, sign: str, text: str) -> str:
    """With texts that are no times, by code point."""
    by_code_point = f'{_TEXT} /* postgres: collate "C" */ {sign} {writer.add(text)}'
    return f"({_IS_TEXT} and {by_code_point} and {_AS_TIME} is null)"


def _compared(writer: Writer, sign: str, value: Attribute) -> str:
    """A time, number or boolean. Numbers as JSON, so that both sides are read by the same reader."""
    if isinstance(value, str):
        at = time_of(value)
        assert at is not None, "a text that is no time is compared as a text"
        return f"({_IS_TEXT} and {_is_near(writer, sign, at)} and {_AS_TIME} {sign} {writer.add(at)})"
    given = writer.add(msgspec.json.encode(value).decode())
    if isinstance(value, bool):
        return f"(/* sqlite: a.type = {given} *//* postgres: a.value = {given}::jsonb */)"
    as_number = f"/* sqlite: json_extract({given}, '$') *//* postgres: {given}::jsonb */"
    return f"({_IS_NUMBER} and a.value {sign} {as_number})"


def _is_near(writer: Writer, sign: str, at: int) -> str:
    """Whether a time may be on this side of `at`, by its text. What is far away need not be read as a time,
    which costs as much as all the rest; a wall clock is less than 15 hours from UTC.
    """
    tests = ["1 = 1"]
    for side, far, end in ((">", at - _FAR, ""), ("<", at + _FAR, "~")):
        if sign in (side, "=") and _FIRST_TIME < far < _LAST_TIME:
            text = datetime.fromtimestamp(far / 1_000, UTC).isoformat()[:19] + end
            tests.append(f'{_TEXT} /* postgres: collate "C" */ {side} {writer.add(text)}')
    return " and ".join(tests)


def time_of(text: str) -> int | None:
    """Milliseconds since the epoch of a full RFC 3339 date-time; None for any other text."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text) - _HALF_BEFORE_EPOCH) // timedelta(milliseconds=1)
    except ValueError:  # 30 February
        return None


_WRITERS: Mapping[type, Callable[..., str]] = {
    Every: _every,
    Either: _either,
    Not: _not,
    HasTag: _has_tag,
    HasAttribute: _has_attribute,
    TextIs: _text_is,
    LanguageIs: _language_is,
    TimeIs: _time_is,
    Received: _received,
    ReceivedSince: _received_since,
    Reported: _reported,
}
