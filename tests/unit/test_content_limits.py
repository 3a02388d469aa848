"""The most that a message may say: whatever is sent is refused, or checked in less than a second."""

import time
from itertools import product
from string import ascii_lowercase
from typing import Any

import pytest
from msgspec import convert

from gateway.audience import AudienceSpec
from gateway.campaigns.rules import Rules
from gateway.campaigns.variants import Variants
from gateway.content import Content, Notification, Options, Translations
from gateway.content_limits import MOST_BYTES, MOST_SHOWN
from gateway.errors import InvalidRequest
from gateway.message_draft import Draft, make_message

NOW = 1_795_000_000_000
LANGUAGES = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
LOOPS = "{%for a in (1..1000)%}{%assign b=a|plus:a%}{%endfor%}"  # close to what one recipient may cost


def made(
    notification: dict[str, Any], translations: dict[str, dict[str, Any]] | None = None, *, options: int = 0
) -> None:
    """Makes a message of it, with so many variants that all show the same."""
    weights = [100 - 9 * (options - 1), *[9] * (options - 1)]
    named = [{"name": str(name), "weight": weight} for name, weight in enumerate(weights)]
    make_message(
        Draft(
            content=Content(
                convert(notification, Notification), Options(), convert(translations or {}, Translations)
            ),
            audience=AudienceSpec(all=True),
            priority=None,
            send_at=None,
            expires_at=None,
            rate=None,
            rules=Rules(variants=convert({"options": named}, Variants) if options else None),
        ),
        id=1,
        site_id=1,
        created_at=NOW,
        now=NOW,
        public_url="https://push.example.net",
    )


def into(languages: int, part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """This in so many languages, with the message's own."""
    return dict.fromkeys(LANGUAGES[: languages - 1], part)


def refused(
    notification: dict[str, Any], translations: dict[str, dict[str, Any]] | None = None, *, options: int = 0
) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        made(notification, translations, options=options)
    return [(error.path, error.message) for error in caught.value.errors]


def test_a_notification_and_each_translation_has_a_most() -> None:
    long = {"data": {"a": "x" * MOST_BYTES}}
    assert [path for path, _ in refused({"title": "x", **long})] == ["notification"]
    assert [path for path, _ in refused({"title": "x"}, into(3, long))] == [
        "translations.aa",
        "translations.ab",
    ]


def test_languages_times_variants_have_a_most() -> None:
    [(path, sentence)] = refused({"title": "x"}, into(MOST_SHOWN // 10 + 1, {}), options=10)
    assert path == "variants.options"
    assert "10 variants in 11 languages" in sentence
    made({"title": "x"}, into(MOST_SHOWN // 10, {}), options=10)
    made({"title": "x"}, into(51, {}))


def test_all_liquid_together_has_a_most_and_equal_texts_count_once() -> None:
    def texts(name: str) -> dict[str, Any]:
        return {"data": {name: [f"{{{{ data.{name}{number:03} }}}}" for number in range(800)]}}

    same = {"title": "{{ recipient.nothing }}", **texts("a")}
    made(same, into(10, texts("a")))
    different = {language: texts(language) for language in LANGUAGES[:5]}
    assert [path for path, _ in refused(same, different)] == ["notification"]


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{ ",
        "{{ }}" + "{{" * 10,
        "{%raw%}{{",
        "{%comment%}{%doc%}",
        "{{" + " " * 60 + "}}",
        "{{" + " " * 3_000,
        "{%" + "a" * 3_000,
        "{{" + "(" * 900 + "}}",
        "{%if " + " " * 60 + "%}",
    ],
)
def test_no_text_keeps_the_parser_busy(text: str) -> None:
    began = time.process_time()
    refused({"title": "x", "data": {"a": text * (16_000 // len(text))}})
    assert time.process_time() - began < 0.5  # the worst took 8 seconds


def test_many_languages_and_variants_of_a_costly_text_are_checked_in_bounded_time() -> None:
    began = time.process_time()
    made({"title": "x", "body": LOOPS}, into(10, {}), options=10)
    assert time.process_time() - began < 2  # 0.4 on an ordinary machine
