"""What each recipient of a message gets: by who they are, what they read, and what they drew."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gateway.audience import AudienceSpec, Recipient, write_audience
from gateway.campaigns.personal import RenderFailed
from gateway.campaigns.rules import Rules, write_rules
from gateway.campaigns.utm import Utm
from gateway.campaigns.variants import Option, Variants
from gateway.content import Action, Content, Notification, Options, PartialNotification, write_content
from gateway.outgoing import NotARecipient, Outgoing, render_for
from gateway.webpush import MAX_PLAINTEXT
from storage.messages import Message, Priority
from storage.subscription import VisitorRow

PUBLIC_URL = "https://push.example.net"
FALLBACK = Notification("Sale", url="https://example.com/")


def message(notification: Notification, *, rules: Rules | None = None, **content: Any) -> Message:
    return Message(
        id=1 << 40,
        site_id=1,
        priority=Priority.BULK,
        lane=1,
        content=write_content(Content(notification, Options(), **content)),
        audience_spec=write_audience(AudienceSpec(all=True)),
        ttl=60,
        send_at=0,
        created_at=0,
        rules=write_rules(rules or Rules()),
    )


def visitor(language: str | None = None, **attributes: object) -> VisitorRow:
    return VisitorRow(7, language, None, msgspec.json.encode(attributes).decode() if attributes else None)


def shown(stored: Message, who: VisitorRow | None = None, variant: int = 0, name: str | None = None) -> Any:
    return json.loads(render_for(stored, PUBLIC_URL, who, name, variant))["n"]


def test_a_plain_message_is_the_same_for_everybody() -> None:
    stored = message(Notification("Sale", body="100 % {off}"))
    assert shown(stored, visitor("de", name="Ann")) == {"title": "Sale", "body": "100 % {off}"}
    assert not Outgoing(stored, PUBLIC_URL).needs_visitors


def test_a_message_asks_for_visitors_only_if_it_says_something_of_them() -> None:
    def needs(notification: Notification, **content: Any) -> bool:
        return Outgoing(message(notification, **content), PUBLIC_URL).needs_visitors

    assert needs(Notification("Hi {{ attributes.name }}"))
    assert needs(Notification("Hi", url="https://example.com/{{ language }}"))
    assert needs(Notification("Hi"), translations={"de": PartialNotification("Hallo")})
    assert not needs(Notification("Hi {{ recipient.name }} {{ external_id }}"))
    assert not needs(Notification("Hi, attributes and languages"))


def test_a_text_of_one_button_makes_a_message_personal() -> None:
    stored = message(Notification("Hi", actions=(Action("a", "Buy {{ external_id }}"),)))
    assert shown(stored, name="c-1")["actions"] == [{"action": "a", "title": "Buy c-1"}]


def test_visitors_read_their_language_or_the_closest_there_is() -> None:
    stored = message(
        Notification("Hello {{ attributes.name }}", body="Bye"),
        translations={
            "pt": PartialNotification("Oi {{ attributes.name }}"),
            "pt-BR": PartialNotification("E ai"),
        },
    )
    assert shown(stored, visitor("pt-BR", name="Ana")) == {"title": "E ai", "body": "Bye"}
    assert shown(stored, visitor("pt-PT", name="Ana")) == {"title": "Oi Ana", "body": "Bye"}
    assert shown(stored, visitor("fr", name="Ana")) == {"title": "Hello Ana", "body": "Bye"}
    assert shown(stored, visitor(name="Ana")) == {"title": "Hello Ana", "body": "Bye"}
    assert shown(stored) == {"title": "Hello ", "body": "Bye"}


def test_a_variant_is_put_over_the_language() -> None:
    options = (Option("A", 50), Option("B", 50, PartialNotification(body="B {{ language }}")))
    stored = message(
        Notification("Hello", body="A"),
        translations={"de": PartialNotification("Hallo", body="Ah")},
        rules=Rules(variants=Variants(options)),
    )
    assert shown(stored, visitor("de"), 0) == {"title": "Hallo", "body": "Ah"}
    assert shown(stored, visitor("de"), 1) == {"title": "Hallo", "body": "B de"}
    assert shown(stored, visitor("en"), 1) == {"title": "Hello", "body": "B en"}


def test_recipients_data_is_there_for_texts_and_for_scripts() -> None:
    stored = replace(
        message(Notification("For {{ recipient.name }}", url="{{ recipient.url }}", data={"a": 1})),
        audience_spec=write_audience(
            AudienceSpec(recipients=(Recipient("c-1", {"name": "Ann", "url": "https://example.com/1"}),))
        ),
    )
    assert shown(stored, name="c-1") == {
        "title": "For Ann",
        "url": "https://example.com/1",
        "data": {"a": 1, "name": "Ann", "url": "https://example.com/1"},
    }
    with pytest.raises(NotARecipient):
        shown(stored, name="c-2")


def test_links_get_the_parameters_of_the_message() -> None:
    utm = Utm(source="push")
    plain = message(Notification("Hi", url="https://example.com/"), utm=utm)
    personal = message(Notification("Hi", url="https://example.com/{{ language }}"), utm=utm)
    assert shown(plain)["url"] == "https://example.com/?utm_source=push"
    assert shown(personal, visitor("de"))["url"] == "https://example.com/de?utm_source=push"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ 1 | divided_by: attributes.n }}", "body: FilterArgumentError"),
        ("{{ attributes.a }}" * 16, "notification: too large for a push"),
        ("{% for each in (1..attributes.many) %}a{% endfor %}", "body: LoopIterationLimitError"),
    ],
)
def test_whom_the_texts_cannot_be_made_for_gets_the_fallback_or_nothing(text: str, reason: str) -> None:
    who = visitor(a="x" * 256, many=10_000)
    with pytest.raises(RenderFailed) as caught:
        shown(message(Notification("Hi", body=text)), who)
    assert str(caught.value) == reason
    stored = message(Notification("Hi", body=text), fallback=FALLBACK, utm=Utm(source="push"))
    assert shown(stored, who) == {"title": "Sale", "url": "https://example.com/?utm_source=push"}


def test_payloads_say_until_when_they_are_good_and_what_to_show_then() -> None:
    def payload(notification: Notification, **content: Any) -> Any:
        stored = message(notification, valid_until=1_800_000_000_000, **content)
        return json.loads(render_for(stored, PUBLIC_URL, visitor("de", n=1), None))

    utm = Utm(source="push")
    for text in ("Hi", "Hi {{ language }}"):
        both = payload(Notification(text), fallback=FALLBACK, utm=utm)
        linked = {"title": "Sale", "url": "https://example.com/?utm_source=push"}
        assert (both["u"], both["f"]) == (1_800_000_000_000, linked)
        alone = payload(Notification(text))
        assert (alone["u"], "f" in alone) == (1_800_000_000_000, False)
    translated = payload(
        Notification("Hi"), translations={"de": PartialNotification("Hallo")}, fallback=FALLBACK
    )
    assert (translated["n"]["title"], translated["f"]["title"]) == ("Hallo", "Sale")


def test_a_fallback_for_texts_that_cannot_be_made_is_good_for_ever() -> None:
    stored = message(Notification("{{ attributes.none }}"), fallback=FALLBACK, valid_until=1_800_000_000_000)
    payload = json.loads(render_for(stored, PUBLIC_URL, visitor(), None))
    assert payload["n"]["title"] == "Sale"
    assert not payload.keys() & {"u", "f"}


def test_whose_data_does_not_fit_gets_the_fallback() -> None:
    audience = AudienceSpec(recipients=(Recipient("c-1", {"a": "x" * 4_000}),))
    stored = replace(message(Notification("Hi"), fallback=FALLBACK), audience_spec=write_audience(audience))
    assert shown(stored, name="c-1")["title"] == "Sale"
    stored = replace(message(Notification("Hi")), audience_spec=write_audience(audience))
    assert len(render_for(stored, PUBLIC_URL, None, "c-1")) > MAX_PLAINTEXT  # refused where it is encrypted


def test_nothing_is_rendered_that_does_not_fit_into_a_push() -> None:
    stored = message(Notification("Hi", body="{{ attributes.a }}" * 15))
    lengths = set()
    for length in range(200, 257):
        try:
            lengths.add(len(render_for(stored, PUBLIC_URL, visitor(a="\u20ac" * (length // 3)), None)))
        except RenderFailed:
            continue
    assert lengths
    assert max(lengths) <= MAX_PLAINTEXT
