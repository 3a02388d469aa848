"""Notifications that say something else to each recipient."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.personal import Person, PersonalNotification, RenderFailed
from gateway.campaigns.utm import Utm, utm_pairs
from gateway.content import Action, Notification, is_http_url

EVERYTHING = Notification(
    "Hello {{ attributes.name | default: 'there' }}",
    body="Now: {{ attributes.text }} {{ recipient.text }}\n{{ external_id }}",
    url="https://example.com/{{ attributes.text }}?q={{ recipient.text }}",
    icon="{{ recipient.icon }}",
    tag="order-{{ attributes.text }}",
    actions=(Action("buy", "Buy {{ recipient.text }}", url="https://example.com/{{ external_id }}"),),
    silent=True,
    data={"plain": 1, "text": "{{ attributes.text }}", "deep": [{"text": "{{ recipient.text }}"}]},
)

COMPILED = PersonalNotification(EVERYTHING)

# What breaks out of JSON, of URLs and of scripts that are careless with either.
_nasty = st.text(
    st.sampled_from("\"\\'{}[]<>&%#?/:;\u2028\u2029\u0000\n\r\t\u007f\u00e4\ufeff\U0001f600 ab{{}}")
    | st.characters(exclude_categories=["Cs"]),
    max_size=60,
)


def rendered(notification: Notification, person: Person, utm: Utm | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(PersonalNotification(notification, utm_pairs(utm)).render(person))
    return shown


def attributes(**values: object) -> str:
    return msgspec.json.encode(values).decode()


def test_every_text_is_rendered_and_the_rest_stays_as_it_is() -> None:
    person = Person(
        attributes(name="Ann", text="a b"), "c-1", "de", {"text": "ä", "icon": "https://x.example/i.png"}
    )
    assert rendered(EVERYTHING, person) == {
        "title": "Hello Ann",
        "body": "Now: a b ä\nc-1",
        "url": "https://example.com/a%20b?q=%C3%A4",
        "icon": "https://x.example/i.png",
        "tag": "order-a b",
        "actions": [{"action": "buy", "title": "Buy ä", "url": "https://example.com/c-1"}],
        "silent": True,
        "data": {
            "plain": 1,
            "text": "ä",  # what is the recipient's alone is added, and wins
            "deep": [{"text": "ä"}],
            "icon": "https://x.example/i.png",
        },
    }


@given(name=_nasty, text=_nasty, own=_nasty, external_id=_nasty)
@settings(max_examples=150, deadline=None)
def test_whatever_a_value_holds_it_stays_where_it_was_put(
    name: str, text: str, own: str, external_id: str
) -> None:
    person = Person(attributes(name=name, text=text), external_id, None, {"text": own})
    shown = json.loads(COMPILED.render(person))
    assert set(shown) - {"icon"} == {"title", "body", "url", "tag", "actions", "silent", "data"}
    assert shown["title"] == f"Hello {name or 'there'}"
    assert shown["body"] == f"Now: {text} {own}\n{external_id}"
    assert shown["tag"] == f"order-{text}"
    assert shown["actions"][0]["title"] == f"Buy {own}"
    assert shown["data"]["deep"] == [{"text": own}]
    assert is_http_url(shown["url"])
    assert shown["url"].startswith("https://example.com/")
    assert shown["url"].count("?") == 1
    assert "#" not in shown["url"]


@given(
    values=st.dictionaries(
        st.sampled_from(["name", "text", "x"]),
        _nasty
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans(),
    ),
    own=st.recursive(
        _nasty | st.none() | st.booleans() | st.integers(-9, 9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_nasty, inner, max_size=3),
        max_leaves=8,
    ),
    template=st.sampled_from(
        [
            PersonalNotification(Notification("Title", body=text, url="https://example.com/" + text))
            for text in (
                "{{ attributes.name | truncate: recipient.text }}",
                "{{ recipient.text | upcase | split: '' | reverse | join: attributes.x }}",
                "{{ attributes.x | times: attributes.name | divided_by: recipient.text }}",
                "{% for each in recipient.text %}{{ each.x }}{{ each | date: '%d' }}{% endfor %}",
                "{{ recipient.text | sort | map: attributes.x | first }}",
                "{{ attributes.name | slice: recipient.text, attributes.x }}",
                "{{ attributes.name | replace: attributes.x, recipient.text }}",
                "{{ recipient.text | where: attributes.x | round: attributes.name | default: recipient }}",
            )
        ]
    ),
)
@settings(max_examples=200, deadline=None)
def test_a_recipient_gets_all_of_a_notification_or_a_stated_failure(
    values: dict[str, Any], own: object, template: PersonalNotification
) -> None:
    try:
        made = template.render(Person(attributes(**values), "c", "de", {"text": own}))
    except RenderFailed:
        return
    shown = json.loads(made)
    assert shown["title"] == "Title"
    assert is_http_url(shown["url"])
    assert set(shown) <= {"title", "body", "url", "data"}


def test_what_is_left_empty_is_left_out() -> None:
    notification = Notification(
        "Hi",
        body="{{ attributes.none }}",
        image="{{ recipient.image }}",
        actions=(Action("a", "A", url="{{ recipient.url }}"),),
    )
    assert rendered(notification, Person()) == {"title": "Hi", "actions": [{"action": "a", "title": "A"}]}


@pytest.mark.parametrize(
    ("notification", "path", "why"),
    [
        (Notification("{{ attributes.none }} "), "title", "nothing is left"),
        (
            Notification("Hi", actions=(Action("a", "A"), Action("b", "{{ attributes.none }}"))),
            "actions[1].title",
            "nothing is left",
        ),
        (Notification("Hi", url="{{ recipient.bad }}"), "url", "http"),
        (Notification("Hi", image="https://x.example/{{ recipient.long }}"), "image", "http"),
        (Notification("Hi", body="{{ 1 | divided_by: recipient.none }}"), "body", "FilterArgumentError"),
        (Notification("Hi", data={"x": ["{{ 1 | divided_by: 0 }}"]}), "data", "FilterArgumentError"),
        (Notification("Hi", body="{% for a in (1..9000) %}{% endfor %}"), "body", "LoopIterationLimitError"),
        (
            Notification("Hi", body="{{ recipient.long }}{{ recipient.long }}"),
            "body",
            "OutputStreamLimitError",
        ),
    ],
)
def test_a_text_that_cannot_be_made_fails_the_whole_notification(
    notification: Notification, path: str, why: str
) -> None:
    person = Person(recipient={"bad": "javascript:alert(1)", "long": "x" * 3_000})
    with pytest.raises(RenderFailed) as caught:
        PersonalNotification(notification).render(person)
    assert caught.value.path == path
    assert why in caught.value.why


def test_reasons_hold_nothing_of_the_recipient() -> None:
    """They are counted by their text: one for each recipient would be a million of them."""
    notification = Notification(
        "Hi", body="{{ attributes.name | round: attributes.name | date: attributes.name }}"
    )
    reasons = set()
    for name in ("secret-1", "secret-2"):
        with pytest.raises(RenderFailed) as caught:
            PersonalNotification(Notification("Hi", url="{{ attributes.name }}")).render(
                Person(attributes(name=name))
            )
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert rendered(notification, Person(attributes(name="7")))["body"]


def test_links_that_are_templates_get_their_parameters_when_they_are_known() -> None:
    notification = Notification(
        "Hi",
        url="{{ recipient.url }}",
        icon="https://example.com/{{ language }}",
        actions=(Action("a", "A", url="https://example.com/?utm_source={{ language }}#top"),),
    )
    shown = rendered(
        notification,
        Person(language="de", recipient={"url": "https://example.com/?a=1#b"}),
        Utm(source="push"),
    )
    assert shown["url"] == "https://example.com/?a=1&utm_source=push#b"
    assert shown["icon"] == "https://example.com/de"
    assert shown["actions"][0]["url"] == "https://example.com/?utm_source=de#top"
