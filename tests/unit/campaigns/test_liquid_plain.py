"""Texts that only put values in are put together without the library, and say exactly what it says."""

from itertools import product
from typing import Any

import pytest

from gateway.campaigns import liquid
from gateway.campaigns.liquid import Reading, Text, parse_text
from gateway.campaigns.liquid_plain import plain_parts, put_together

LIBRARY = "{% comment %}its own work{% endcomment %}"  # says nothing, and is not plain

PATHS = (
    "attributes",
    "attributes.x",
    "attributes.none",
    "attributes.x.y",
    "attributes['x'].first",
    "attributes.x.size",
    "attributes.x[0]",
    "attributes[language]",
    "external_id",
)
FILTERS = (
    "",
    " | default: 'there'",
    " | default: ''",
    " | default: 3",
    " | default",
    " | default: 'x', allow_false: true",
    " | default: 'a' | upcase",
    " | default: external_id",
    " | upcase",
)
BEFORE = ("", "Hello ", "https://shop.example/?q=", "{{ external_id }}")
VALUES: tuple[Any, ...] = (
    None,
    "",
    " ",
    "Ann",
    "https://a.example/?b=ä c",
    0,
    -7,
    1.5,
    True,
    False,
    [],
    ["a", 1],
    {},
)
KNOWN = (
    *VALUES,
    {"y": "deep"},
    {"y": ""},
    {"y": {"z": 1}},
    {"size": "L", "first": 1},
    "ä" * 1_000,
    "€" * 1_500,
)


def rendered(text: Text, value: object) -> str:
    """What it says, or which error it makes."""
    known = {"attributes": {"x": value}, "external_id": None if isinstance(value, dict) else value}
    try:
        return text.render(Reading({**known, "language": "x", "data": {}, "recipient": {}}))
    except Exception as exc:
        return repr(exc)


@pytest.mark.parametrize("is_url", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_they_say_what_the_library_says(path: str, is_url: bool) -> None:
    for before, filters in product(BEFORE, FILTERS):
        source = f"{before}{{{{ {path}{filters} }}}}!"
        ours, theirs = parse_text(source, is_url=is_url), parse_text(source + LIBRARY, is_url=is_url)
        for value in KNOWN:
            assert rendered(ours, value) == rendered(theirs, value), (source, value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello {{ attributes.name | default: 'there' }}", "Hello Ann"),
        ("{{ attributes.age }} years in {{- attributes.place.city }}", "30 years inBerlin"),
        ("{{ attributes.none }}{{ external_id | default: 'you' }}", "you"),
    ],
)
def test_what_most_messages_say_needs_no_library(
    source: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parse_text(source)
    monkeypatch.setattr(liquid, "Context", None)
    known = {
        "attributes": {"name": "Ann", "age": 30, "place": {"city": "Berlin"}},
        "external_id": None,
    }
    assert parsed.render(Reading(known)) == text


@pytest.mark.parametrize(
    "source", ["{% if language %}a{% endif %}", "{{ language | upcase }}", "{{ data.size }}"]
)
def test_whatever_does_more_is_not_plain(source: str) -> None:
    assert plain_parts(parse_text(source)._nodes) is None


@pytest.mark.parametrize("value", [1.5, True, {"a": 1}, ["a"], "x" * 1_001])
def test_values_that_are_not_plain_are_left_to_the_library(value: object) -> None:
    parts = plain_parts(parse_text("{{ attributes.name }}")._nodes)
    assert parts is not None
    assert put_together(parts, {"attributes": {"name": value}}, is_url=False) is None
