"""`where` as admins write it: what is wrong with one is said with its path, before anything is stored."""

from typing import Any

import msgspec
import pytest

from gateway.campaigns.conditions import to_condition
from gateway.campaigns.expressions import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    Expression,
    check_expression,
    fix_times,
    messages_named,
)
from storage.conditions import (
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
    TextColumn,
    TextIs,
    TimeColumn,
    TimeIs,
)
from storage.events import EventKind
from storage.ids import Kind, encode_id

NOW = 1_767_225_600_000
DAY = 86_400_000
MESSAGE = encode_id(Kind.MESSAGE, 77)


def read(value: Any) -> Expression:
    return msgspec.convert(value, Expression)


def errors(value: Any) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in check_expression(read(value), "where")]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ({"tag": "vip"}, HasTag("vip")),
        (
            {"attribute": "plan", "op": "eq", "value": "pro"},
            HasAttribute("plan", Op.EQ, ("pro",)),
        ),
        (
            {"attribute": "plan", "op": "in", "value": ["pro", 2, True]},
            HasAttribute("plan", Op.IN, ("pro", 2, True)),
        ),
        ({"attribute": "plan", "op": "exists"}, HasAttribute("plan", Op.EXISTS, ())),
        ({"language": "de"}, LanguageIs("de")),
        ({"timezone": "Asia/Kolkata"}, TextIs(TextColumn.TIMEZONE, "Asia/Kolkata")),
        ({"country": "AT"}, TextIs(TextColumn.COUNTRY, "AT")),
        ({"browser": "firefox"}, TextIs(TextColumn.BROWSER, "firefox")),
        ({"platform": "android"}, TextIs(TextColumn.PLATFORM, "android")),
        ({"provider": "mozilla"}, TextIs(TextColumn.PROVIDER, "mozilla")),
        ({"subscribed": {"within": "30d"}}, TimeIs(TimeColumn.SUBSCRIBED, since=NOW - 30 * DAY)),
        ({"seen": {"before": "2026-01-01T01:00:00+01:00"}}, TimeIs(TimeColumn.SEEN, before=NOW)),
        (
            {"seen": {"after": "2025-12-31T00:00:00Z", "before": "2026-01-01T00:00:00Z"}},
            TimeIs(TimeColumn.SEEN, NOW - DAY, NOW),
        ),
        ({"received": {"message": MESSAGE}}, Received(77)),
        ({"received": {"within": "12h"}}, ReceivedSince(NOW - DAY // 2)),
        ({"displayed": {"message": MESSAGE}}, Reported(EventKind.DISPLAYED, 77)),
        ({"clicked": {"within": "90m"}}, TimeIs(TimeColumn.CLICKED, since=NOW - 90 * 60_000)),
        (
            {"all": [{"tag": "a"}, {"any": [{"tag": "b"}, {"not": {"tag": "c"}}]}]},
            Every((HasTag("a"), Either((HasTag("b"), Not(HasTag("c")))))),
        ),
    ],
)
def test_each_expression_means_a_condition(written: Any, means: object) -> None:
    expression = read(written)
    assert check_expression(expression, "where") == []
    assert to_condition(expression, NOW) == means
    assert read(msgspec.to_builtins(expression)) == expression  # as it is stored


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ({"browser": "Firefox"}, "where.browser", "chrome, edge, firefox, safari, opera, samsung, other"),
        ({"not": {"platform": "win"}}, "where.not.platform", "windows, macos, android"),
        ({}, "where", "exactly one of all, any, not, tag"),
        ({"tag": "a", "language": "de"}, "where", "exactly one"),
        ({"op": "eq", "value": 1}, "where", "exactly one"),
        ({"tag": "a", "op": "eq"}, "where", "stand with attribute only"),
        ({"all": [{"tag": "a"}, {"any": [{}]}]}, "where.all[1].any[0]", "exactly one"),
        ({"not": {"attribute": "a"}}, "where.not.op", "eq, ne, in"),
        ({"attribute": "a", "op": "eq"}, "where.value", "takes a value"),
        ({"attribute": "a", "op": "eq", "value": [1]}, "where.value", "a single one"),
        ({"attribute": "a", "op": "in", "value": 1}, "where.value", "a list"),
        ({"attribute": "a", "op": "exists", "value": 1}, "where.value", "no value"),
        ({"attribute": "a", "op": "contains", "value": 1}, "where.value", "a text"),
        ({"attribute": "a", "op": "contains", "value": ""}, "where.value", "a text"),
        ({"attribute": "a", "op": "gt", "value": True}, "where.value", "a number, a time or a text"),
        ({"attribute": "a", "op": "eq", "value": "ü" * 200}, "where.value", "256 bytes"),
        ({"timezone": "Middle/Earth"}, "where.timezone", "not a zone"),
        ({"seen": {}}, "where.seen", "before, after or both"),
        ({"seen": {"within": "1d", "after": "2026-01-01T00:00:00Z"}}, "where.seen", "or else within"),
        (
            {"seen": {"after": "2026-01-02T00:00:00Z", "before": "2026-01-01T00:00:00Z"}},
            "where.seen",
            "Nothing is after",
        ),
        ({"seen": {"before": "9999-12-31T23:00:00-05:00"}}, "where.seen.before", "years 1 to 9999"),
        ({"received": {}}, "where.received", "exactly one"),
        ({"clicked": {"message": MESSAGE, "within": "1d"}}, "where.clicked", "exactly one"),
        ({"clicked": {"message": "sub_1"}}, "where.clicked.message", "not the id of a message"),
        (
            {"displayed": {"after": "0001-01-01T00:00:00+05:00"}},
            "where.displayed.after",
            "years 1 to 9999",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(written: Any, path: str, says: str) -> None:
    [(found, message)] = errors(written)
    assert found == path
    assert says in message


@pytest.mark.parametrize(
    "written",
    [
        {"all": []},
        {"tag": ""},
        {"tag": 1},
        {"sql": "1 = 1"},
        {"attribute": "a", "op": "like", "value": "x"},
        {"country": "at"},
        {"language": "de; drop"},
        {"provider": "pigeon"},
        {"seen": {"within": "0d"}},
        {"seen": {"within": "1w"}},
        {"seen": {"before": "2026-01-01T00:00:00"}},
        {"attribute": "a", "op": "eq", "value": {"x": 1}},
    ],
)
def test_what_the_types_refuse(written: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(written)


def test_depth_and_size_are_limited() -> None:
    nested: Any = {"tag": "a"}
    for _ in range(MAX_DEPTH):
        nested = {"not": nested}
    assert errors(nested) == []
    assert errors({"not": nested})[0][0] == "where" + ".not" * MAX_DEPTH
    half = {"all": [{"tag": "a"}] * (MAX_CONDITIONS // 2)}
    assert errors({"any": [half, half]}) == []
    assert "at most 100 conditions" in errors({"any": [half, half, {"tag": "a"}]})[0][1]
    long = {"attribute": "a", "op": "in", "value": ["x" * 250] * 100}
    assert "at most 16384 bytes" in errors(long)[0][1]


def test_fixed_times_mean_the_same_at_any_later_time() -> None:
    expression = read(
        {
            "any": [
                {"not": {"seen": {"within": "30d"}}},
                {"all": [{"clicked": {"within": "1h"}}, {"received": {"within": "2d"}}]},
                {"tag": "a"},
            ]
        }
    )
    fixed = fix_times(expression, NOW)
    assert to_condition(fixed, NOW + 99 * DAY) == to_condition(expression, NOW)
    assert "within" not in msgspec.json.encode(fixed).decode()


def test_messages_are_found_with_their_paths() -> None:
    expression = read({"all": [{"tag": "a"}, {"not": {"clicked": {"message": MESSAGE}}}]})
    assert list(messages_named(expression, "where")) == [("where.all[1].not.clicked.message", 77)]
