import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.variables import CannotFill, check, fill, fill_text
from gateway.errors import FieldError

VARIABLES = {"x": "Shoes", "n": 3, "yes": True, "deep": {"a b": ["one", "two"]}, "list": [1, 2], "q": "it's"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("no Liquid at all: { }", "no Liquid at all: { }"),
        ("{{ variables.x }}!", "Shoes!"),
        ("{{ variables.x | upcase }} {{variables.n}}", "SHOES 3"),
        ("{{ variables.none | default: 'this' }}", "this"),
        ("{% if variables.yes %}{{ variables.deep['a b'][1] }}{% endif %}", "two"),
        ("{% for each in variables.list %}{{ each }},{% endfor %}", "1,2,"),
        ("{{ attributes.name }}", "{{ attributes.name }}"),
        ("{{ variables.x }} for {{ attributes.name }}", "Shoes for {{ attributes.name }}"),
        ("{{ attributes.name | default: variables.x }}", '{{ attributes.name | default: "Shoes" }}'),
        ("{{ variables.x | append: attributes.n }}", '{{ "Shoes" | append: attributes.n }}'),
        (
            "{% if data.n == variables.n %}{{ data.x }}{% endif %}",
            "{% if data.n == 3 %}{{ data.x }}{% endif %}",
        ),
        ("{{ data.x }}{{ variables.none | default: 'd' }}", "{{ data.x }}{{ nil | default: 'd' }}"),
        ("{{ data.x | append: variables.deep['a b'][0] }}", '{{ data.x | append: "one" }}'),
        ("{{ variables.q }} {{ data.x }}", "it's {{ data.x }}"),
        ("{{ data.x | append: variables.q }}", '{{ data.x | append: "it\'s" }}'),
        ("{% if variables.yes %}{{ data.x }}{% endif %}", "{% if true %}{{ data.x }}{% endif %}"),
        ("{% raw %}{{ variables.x }}{% endraw %}", "{% raw %}{{ variables.x }}{% endraw %}"),
    ],
)
def test_variables_are_put_in_and_the_rest_stays_for_the_recipient(text: str, filled: str) -> None:
    assert fill_text(text, VARIABLES) == filled


@pytest.mark.parametrize(
    "text",
    [
        "{{ variables.none }}",
        "{{ variables.none.deeper }} {{ data.x }}",
        "{{ variables[data.x] }}",
        "{{ variables.list }} {{ data.x }}",
        "{{ variables.x",
        "{% if variables.x %}",
        "{{ variables.x | nofilter }}",
        "{% include 'other' %}",
        "{% for i in (1..100000000) %}{{ variables.x }}{% endfor %}",
        "{% for i in (1..999) %}{% for j in (1..999) %}{{ variables.x }}{% endfor %}{% endfor %}",
    ],
)
def test_what_cannot_be_put_in_says_why(text: str) -> None:
    with pytest.raises(CannotFill) as raised:
        fill_text(text, VARIABLES)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize("value", ["{{ attributes.secret }}", "{% if true %}", "a }} b"])
@pytest.mark.parametrize(
    "text", ["{{ variables.x }}", "{{ variables.x }} {{ data.y }}", "{{ data.y | append: variables.x }}"]
)
def test_a_variable_is_text_and_never_becomes_liquid(text: str, value: str) -> None:
    with pytest.raises(CannotFill, match="no Liquid"):
        fill_text(text, {"x": value})


def test_quotes_of_both_kinds_need_a_place_of_their_own() -> None:
    both = {"x": '"it\'s"'}
    assert fill_text("{{ variables.x }} {{ data.y }}", both) == '"it\'s" {{ data.y }}'
    with pytest.raises(CannotFill, match="both kinds"):
        fill_text("{{ data.y | append: variables.x }}", both)


def test_every_text_of_a_notification_is_filled_and_every_mistake_named() -> None:
    errors: list[FieldError] = []
    notification: dict[str, Any] = {
        "title": "{{ variables.x }}",
        "actions": [{"title": "{{ variables.none }}", "action": "buy"}],
        "data": {"list": ["{{ variables.n }}", 5, None]},
    }
    filled = fill(notification, "notification", VARIABLES, errors)
    assert (filled["title"], filled["data"]) == ("Shoes", {"list": ["3", 5, None]})
    assert [each.path for each in errors] == ["notification.actions[0].title"]


def test_a_template_is_checked_without_its_variables() -> None:
    assert check({"title": "{{ variables.x }}", "actions": [{"title": "{{ data.y }}"}]}, "n") == []
    assert [each.path for each in check({"title": "ok", "data": {"a": ["{{ x"]}}, "n")] == ["n.data.a[0]"]


_PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="{}%\r"))


@given(_PLAIN, _PLAIN, _PLAIN)
def test_a_text_is_the_same_whether_it_stands_alone_or_beside_the_recipients(
    a: str, b: str, value: str
) -> None:
    alone = fill_text(f"{a}{{{{ variables.x }}}}{b}", {"x": value})
    beside = fill_text(f"{a}{{{{ variables.x }}}}{b}{{{{ data.y }}}}", {"x": value})
    assert alone == f"{a}{value}{b}"
    assert beside == f"{alone}{{{{ data.y }}}}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ variables.a }}{{ (1..999999999) | join | size }}",
        "{{ variables.a | replace: 'a', variables.a | replace: 'a', variables.a }}",
        "{{ variables.n | times: variables.n | times: variables.n }}",
        "{{ variables.a | nofilter }}",
        "{{ variables.mixed | sum }}",
        "{{ variables.a }}" * 10 + "{{ data.y }}",
    ],
)
def test_what_a_template_calculates_is_bounded_and_never_an_error_of_ours(text: str) -> None:
    with pytest.raises(CannotFill):
        fill_text(text, {"a": "a" * 4_000, "n": 10**12, "mixed": ["x", {}]})


def test_what_all_texts_of_a_template_calculate_is_bounded_together() -> None:
    round_and_round = "{% for each in (1..1000) %}{% endfor %}{{ variables.x }}"
    errors: list[FieldError] = []
    started = time.process_time()
    fill({"data": [round_and_round] * 1_000}, "notification", {"x": 1}, errors)
    assert time.process_time() - started < 1
    assert (errors[0].path, len(errors)) == ("notification.data[5]", 995)
