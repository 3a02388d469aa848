"""What a message shows, checked when it is made: its texts, and that every recipient's payload fits."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, json

from gateway.campaigns.liquid import ParseText, TemplateError
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

DataOf = Mapping[str, Mapping[str, Any]]


def check_content(content: Content, variants: Variants | None, parse: ParseText) -> list[FieldError]:
    """What is wrong with its parts, each for itself."""
    errors = check_limits(content, variants)
    if errors:
        return errors
    for path, part in parts_of(content, variants):
        if part.data is not UNSET:
            errors += check_nesting(part.data, f"{path}.data")
        errors += check_texts(part, path, parse) if not errors else []
    if content.fallback is not None:
        errors += check_nesting(content.fallback.data, "fallback.data")
        errors += [
            FieldError(f"fallback.{path}", "The fallback is for whom Liquid fails: it holds none.")
            for path, _, text in texts_of(content.fallback)
            if holds_liquid(text)
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


def check_texts(part: Notification | PartialNotification, path: str, parse: ParseText) -> list[FieldError]:
    """What is wrong with its Liquid."""
    return [
        FieldError(f"{path}.{inside}", problem)
        for inside, name, text in texts_of(part)
        if holds_liquid(text) and (problem := _problem(name, text, parse)) is not None
    ]


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


def _problem(name: str, text: str, parse: ParseText) -> str | None:
    if name == "action":
        return "Clicks are counted by this name: it is the same for everybody."
    try:
        begins = parse(text, is_url=name in URLS).literal_start
    except TemplateError as exc:
        return f"Line {exc.line}: {exc}."
    if name in URLS and begins is not None and not begins.startswith(("https://", "http://")):
        return "This is no http or https URL."
    return None


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
