"""The part of Liquid that messages may use, and what it refuses to do."""

import time

import pytest
from liquid.exceptions import LiquidError, ResourceLimitError

from gateway.campaigns.liquid import Reading, TemplateError, parse_text

ANN = {
    "attributes": {"first_name": "Ann", "city": "Köln & Umland", "visits": 17, "vip": True, "debt": 1.5},
    "external_id": "customer-12",
    "language": "de-AT",
    "data": {"offers": [{"name": "Hat"}, {"name": "Coat"}], "ends": "2026-12-01T21:00:00+01:00"},
    "recipient": {},
}


def render(source: str, *, is_url: bool = False) -> str:
    return parse_text(source, is_url=is_url).render(Reading(ANN))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('Hello {{ attributes.first_name | default: "there" }}!', "Hello Ann!"),
        ('Hello {{ attributes.nickname | default: "there" }}!', "Hello there!"),
        ("Hello {{ attributes.nickname }}!", "Hello !"),
        ("{{ attributes.visits | plus: 1 }} {{ attributes.vip }} {{ attributes.debt }}", "18 true 1.5"),
        ("{{ external_id | upcase }}", "CUSTOMER-12"),
        ("{% for each in data.offers %}{{ forloop.index }}. {{ each.name }} {% endfor %}", "1. Hat 2. Coat "),
        ("{{ data.offers | map: 'name' | join: ', ' }}", "Hat, Coat"),
        ("{{ data.offers[0] }}", '{"name":"Hat"}'),
        ("{% for each in (1..3) %}*{% endfor %}", "***"),
        ("{% if attributes.visits > 10 %}Welcome back{% else %}Welcome{% endif %}", "Welcome back"),
        ("{% case language %}{% when 'de-AT' %}Servus{% else %}Hi{% endcase %}", "Servus"),
        ("{% unless recipient.seen %}New{% endunless %}", "New"),
        ("{% assign who = attributes.first_name | append: '!' %}{{ who }}", "Ann!"),
        ("{% capture who %}{{ attributes.first_name }}!{% endcapture %}{{ who }}", "Ann!"),
        ('until {{ data.ends | date: "%H:%M on %d %B" }}', "until 21:00 on 01 December"),
        ('{{ 0 | date: "%Y" }}{{ recipient.at | date: "%Y" }}', "1970"),
        ("{% raw %}{{ as it is }}{% endraw %}{% comment %}{{ no }}{% endcomment %}", "{{ as it is }}"),
        ("{{ attributes.city | replace: '&', 'and' | truncate: 8 }}", "Köln ..."),
    ],
)
def test_what_messages_say(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "line", "sentence"),
    [
        ("Hello {{ attributes.first_name", 1, "expected '}}'"),
        ("a\nb {% if attributes.vip %}", 2, "endif"),
        ("a\n\n{{ attributes.first_name | shout }}", 3, "there is no filter `shout`"),
        ("{{ attributes.first_name | append }}", 1, "arguments of the filter `append`"),
        ("{{ attributes.first_name | default: 'a', loud: true }}", 1, "arguments of the filter `default`"),
        ("\n{{ attribute.first_name }}", 2, "no `attribute`"),
        ("{{ now | date: '%H' }}", 1, "no `now`"),
        ("{% include 'other' %}", 1, "include"),
        ("{% render 'other' %}", 1, "render"),
        ("{{ (1..1000000000) | join }}", 1, "range"),
        ("{% assign all = (1..1000000000) %}", 1, "range"),
        ("{% for each in (1..1000000000) reversed %}{% endfor %}", 1, "range"),
        ("{% for each in (1..1000000000) offset: 999999990 %}{% endfor %}", 1, "range"),
        ("{% if " + "attributes.a and " * 2_000 + "attributes.a %}{% endif %}", 1, ""),
        ("{% if attributes.a %}" * 20 + "{% endif %}" * 20, 1, "nest"),
    ],
)
def test_a_template_that_works_for_nobody_is_refused_with_its_line(
    source: str, line: int, sentence: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_text(source)
    assert caught.value.line == line
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for each in (1..1000000000) %}{% endfor %}",
        "{% for a in (1..100) %}{% for b in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% for each in (1..4000) %}{% endfor %}" * 2,
        "{% for each in (1..75) %}" + "a long text " * 6 + "{% endfor %}",
        "{% for each in (1..100) %}" + "{{ data.none }}" * 50 + "{% endfor %}",
        "{% assign a = 'xxxxxxxxxx' %}{% for each in (1..50) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = 99999 %}{% for each in (1..100) %}{% assign a = a | times: a %}{% endfor %}",
        "{{ 'xxxxxxxxxx'" + " | replace: 'x', 'xxxxxxxxxx'" * 25 + " }}",
        "{{ 'xxxxxxxxxx'" + " | split: '' | join: 'xxxxxxxxxx'" * 25 + " }}",
    ],
)
def test_a_template_that_goes_on_or_grows_without_end_is_stopped_at_once(source: str) -> None:
    text, started = parse_text(source), time.process_time()
    with pytest.raises(ResourceLimitError):
        text.render(Reading(ANN))
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    "source",
    [
        "{% for each in (1..50) %}{% assign x = data.words" + " | squish" * 60 + " %}{% endfor %}",
        "{% for each in (1..50) %}{% assign x = data.text" + "|split:''|join:''" * 40 + " %}{% endfor %}",
        "{% for each in (1..50) %}{% assign x = data.rows" + "|where:'a'" * 60 + " %}{% endfor %}",
        "{% for each in (1..500) %}{% assign x = '' | append: data.rows | size %}{% endfor %}",
        "{% for each in (1..500) %}{% assign x = data.gaps | map: 'b' | size %}{% endfor %}",
        "{% for each in (1..2000) %}{{ data.void }}{% endfor %}",
    ],
)
def test_filters_are_counted_by_what_they_are_given(source: str) -> None:
    data = {
        "words": "x " * 7_000,
        "text": "x" * 4_000,
        "rows": [{"a": 1}] * 1_500,
        "gaps": [{"b": [{}]}] * 1_500,
        "void": [[""] * 3_000],
    }
    text, started = parse_text(source), time.process_time()
    with pytest.raises(ResourceLimitError):
        text.render(Reading({"data": data}))
    assert time.process_time() - started < 0.2


def test_loops_are_counted_over_all_texts_of_a_recipient() -> None:
    text, reading = parse_text("{% for each in (1..4000) %}{% endfor %}"), Reading(ANN)
    text.render(reading)
    with pytest.raises(ResourceLimitError):
        text.render(reading)


def test_a_text_does_not_see_what_another_has_assigned() -> None:
    reading = Reading({"attributes": {}})
    assert parse_text("{% assign a = 1 %}{{ a }}").render(reading) == "1"
    assert parse_text("{% if attributes.x %}{% assign a = 2 %}{% endif %}{{ a }}").render(reading) == ""


def test_values_are_percent_encoded_where_they_are_put_into_a_url() -> None:
    source = "https://x.example/{{ attributes.city }}?who={{ attributes.first_name }}&c={{ attributes.city }}"
    city = "K%C3%B6ln%20%26%20Umland"
    assert render(source, is_url=True) == f"https://x.example/{city}?who=Ann&c={city}"


@pytest.mark.parametrize(
    "source",
    [
        "https://x.example/{{ attributes.city | url_encode }}",
        "https://x.example/{% capture c %}{{ attributes.city }}{% endcapture %}{{ c }}",
        "{% assign c = attributes.city %}https://x.example/{% if c %}{{ c }}{% endif %}",
    ],
)
def test_no_value_of_a_url_is_encoded_twice(source: str) -> None:
    assert render(source, is_url=True) == "https://x.example/K%C3%B6ln%20%26%20Umland"


def test_a_value_that_begins_a_url_is_taken_for_one() -> None:
    reading = Reading({"recipient": {"url": "https://a.example/ä b?x=1%20&y#z"}, "language": "&"})
    text = parse_text("{{ recipient.url }}/{{ language }}", is_url=True)
    assert text.render(reading) == "https://a.example/%C3%A4%20b?x=1%20&y#z/%26"


def test_a_value_that_a_filter_cannot_take_is_an_error_of_this_one_rendering() -> None:
    with pytest.raises(LiquidError):
        render("{{ 10 | divided_by: recipient.none }}")
    with pytest.raises(LiquidError):
        render('{{ attributes.city | date: "%Y" }}')
