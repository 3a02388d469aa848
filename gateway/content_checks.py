"""What a message shows, checked when it is made: its texts, and that every recipient's payload fits."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from liquid.exceptions import LiquidInterrupt, ResourceLimitError
from msgspec import UNSET, json

from gateway.campaigns.liquid import ParseText, Reading, TemplateError, Text
from gateway.campaigns.personal import URLS, Person, RenderFailed, texts_of
from gateway.campaigns.utm import utm_pairs
from gateway.campaigns.variants import Variants, shown_notifications
from gateway.campaigns.withdrawal import withdrawing
from gateway.content import Content, Notification, PartialNotification, holds_liquid, merge_notification
from gateway.content_limits import check_limits, parts_of
from gateway.errors import FieldError, InvalidRequest, PayloadTooLarge
from gateway.nesting import check_nesting
from gateway.payload import (
    EVENT_TOKEN_LENGTH,
    PayloadTemplate,
    PersonalTemplate,
    Validity,
    bytes_over,
    make_template,
)
from gateway.webpush import MAX_PLAINTEXT
from storage.messages import Priority

_BLANK = re.compile(r"[\s\x00-\x20\x7f]")  # as in gateway.content
_LIQUID_IN_FALLBACK = "The fallback is for whom Liquid fails: it holds none."

DataOf = Mapping[str, Mapping[str, Any]]


def check_content(content: Content, variants: Variants | None, parse: ParseText) -> list[FieldError]:
    """What is wrong with its parts, each for itself."""
    errors = check_limits(content, variants)
    if errors:
        return errors
    reading = Reading({})  # one for all: what does too much work is found out when a whole one is rendered
    for path, part in parts_of(content, variants):
        if part.data is not UNSET:
            errors += check_nesting(part.data, f"{path}.data")
        errors += _check_texts(part, path, parse, reading) if not errors else []
    if content.fallback is not None:
        errors += check_nesting(content.fallback.data, "fallback.data")
        errors += [
            FieldError(f"fallback.{path}", problem)
            for path, name, text in texts_of(content.fallback)
            if (problem := _LIQUID_IN_FALLBACK if holds_liquid(text) else _bad_url(name, text)) is not None
        ]
    for key, times in Counter(map(str.lower, content.translations)).items():
        if times > 1:
            errors.append(FieldError(f"translations.{key}", "This language is here more than once."))
    for index, option in enumerate(variants.options if variants else ()):
        errors += [
            FieldError(
                f"variants.options[{index}].translations.{language}",
                "The message itself has no such translation: add it there, if only as {}.",
            )
            for language in option.translations
            if language not in content.translations
        ]
    return errors


def _check_texts(
    part: Notification | PartialNotification, path: str, parse: ParseText, reading: Reading
) -> list[FieldError]:
    found = (
        (inside, _problem(name, text, parse, reading) if holds_liquid(text) else _bad_url(name, text))
        for inside, name, text in texts_of(part)
    )
    return [FieldError(f"{path}.{inside}", problem) for inside, problem in found if problem is not None]


def check_payloads(
    id: int,
    content: Content,
    variants: Variants | None,
    public_url: str,
    priority: Priority,
    data_of: DataOf,
    parse: ParseText,
) -> None:
    """Each language and variant is measured, with the recipient that has the most data.

    What depends on more than that data is measured for somebody of whom nothing is known: it may be too large
    for others. PayloadTooLarge; InvalidRequest for texts that do too much work.
    """
    utm, validity = utm_pairs(content.utm), Validity.of(content)
    has_both = validity is not None and validity.instead is not None
    most: str | None = None
    for name, path, notification in _shown(content, variants):
        template = make_template(id, notification, public_url, priority, validity, utm, parse=parse)
        label = f"{name}, with the fallback for when it comes too late," if has_both else name
        most = most or _most_data(template, data_of)
        if isinstance(template, PersonalTemplate):
            _try_out(template, label, path, Person(None, most, None, data_of.get(most or "")))
        else:
            _measure(template, label, most, data_of)
    if content.fallback is not None:
        fallback = make_template(id, content.fallback, public_url, priority, utm=utm)
        assert isinstance(fallback, PayloadTemplate), "check_content: it holds no Liquid"
        _measure(fallback, "The fallback", None, {})


def check_withdrawing(id: int, content: Content, public_url: str, priority: Priority) -> None:
    """What the withdrawal of the message would show is measured. PayloadTooLarge."""
    shown = withdrawing(content, None, "")
    template = make_template(id, shown.notification, public_url, priority, utm=utm_pairs(content.utm))
    assert isinstance(template, PayloadTemplate), "check_content and check_withdrawable: it holds no Liquid"
    _measure(template, "The fallback, with the tag of the message,", None, {})


def _bad_url(name: str, text: str) -> str | None:
    """Of what looks like a URL, as its type sees to: whether a browser could make anything of it."""
    if name not in URLS:
        return None
    try:
        parts = urlsplit(text)
        there = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that are never closed, a port that is no number or too large
        there = False
    return None if there else "This URL has no host, or a port that cannot be."


def _problem(name: str, text: str, parse: ParseText, reading: Reading) -> str | None:
    if name == "action":
        return "Clicks are counted by this name: it is the same for everybody."
    try:
        parsed = parse(text, is_url=name in URLS)
    except TemplateError as exc:
        return f"Line {exc.line}: {exc}."
    if not parsed.variables and _always_fails(parsed, reading):
        return "This can be rendered for nobody: a filter cannot take what it is given."
    begins = parsed.literal_start
    if name in URLS and begins is not None and not begins.startswith(("https://", "http://")):
        return "This is no http or https URL."
    if name in URLS and any(map(_BLANK.search, parsed.literals)):
        return "A URL holds no blanks: it would be none for anybody."
    return None


def _always_fails(text: Text, reading: Reading) -> bool:
    """Of one that reads nothing of anybody: `{{ 'now' | date: '%Y' }}`, say."""
    try:
        text.render(reading)
    except (ResourceLimitError, LiquidInterrupt):
        return False
    except Exception:  # a filter and a value that it was not meant for: Python's own errors too
        return True
    return False


def _shown(content: Content, variants: Variants | None) -> Iterator[tuple[str, str, Notification]]:
    """What it is called, its path, and the notification, of all that recipients may see."""
    languages = {"": content.notification} | {
        language: merge_notification(content.notification, part)
        for language, part in content.translations.items()
    }
    for language, notification in languages.items():
        path = f"translations.{language}" if language else "notification"
        for variant, shown in shown_notifications(notification, language or None, variants):
            label = "The notification" if variant is None else f"Variant {variant!r}"
            yield f"{label} in {language}" if language else label, path, shown


def _most_data(template: PayloadTemplate | PersonalTemplate, data_of: DataOf) -> str | None:
    """Whose payload is the longest."""
    if not data_of:
        return None
    if isinstance(template, PayloadTemplate):
        return max((bytes_over(template, data), name) for name, data in data_of.items())[1]
    return max((len(json.encode(data)), name) for name, data in data_of.items())[1]


def _measure(template: PayloadTemplate, label: str, most: str | None, data_of: DataOf) -> None:
    over = bytes_over(template)
    if over:
        raise PayloadTooLarge(over, f"{label} is {over} bytes too large for an encrypted push.")
    over = 0 if most is None else bytes_over(template, data_of[most])
    if over:
        raise PayloadTooLarge(
            over, f"With the data of recipient {most!r} it is {over} bytes too large for a push."
        )


def _try_out(template: PersonalTemplate, label: str, path: str, nobody: Person) -> None:
    try:
        over = len(template.render("x" * EVENT_TOKEN_LENGTH, nobody)) - MAX_PLAINTEXT
    except RenderFailed as exc:
        if exc.endless:
            sentence = f"This can be rendered for nobody ({exc.why})."
            raise InvalidRequest(
                "The message cannot be sent like this.", [FieldError(f"{path}.{exc.path}", sentence)]
            ) from exc
        return  # it depends on the recipient: others may be known better
    if over > 0:
        raise PayloadTooLarge(over, f"{label} is {over} bytes too large for an encrypted push.")
