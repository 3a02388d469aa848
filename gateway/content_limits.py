"""How much a message may say: bounds on the work of checking it, looked at before any of its Liquid is."""

from collections.abc import Iterator
from typing import Final

from msgspec import json

from gateway.campaigns.personal import texts_of
from gateway.campaigns.variants import Variants
from gateway.content import Content, Notification, PartialNotification, holds_liquid
from gateway.errors import FieldError

MOST_BYTES: Final = 16_384  # of one notification as JSON: four times what a push can carry
MOST_LIQUID: Final = 65_536  # characters in all languages and variants; equal texts count once
MOST_SHOWN: Final = 100  # languages times variants: each is rendered and measured

Part = Notification | PartialNotification


def parts_of(content: Content, variants: Variants | None) -> Iterator[tuple[str, Part]]:
    """The notification, and all that is put over it for a language or a variant, with the path of each."""
    yield "notification", content.notification
    for language, part in content.translations.items():
        yield f"translations.{language}", part
    for index, option in enumerate(variants.options if variants else ()):
        yield f"variants.options[{index}].notification", option.notification
        for language, part in option.translations.items():
            yield f"variants.options[{index}].translations.{language}", part


def check_size(part: Part, path: str) -> list[FieldError]:
    """Of one notification, or what differs from it."""
    size = len(json.encode(part))
    if size <= MOST_BYTES:
        return []
    return [FieldError(path, f"This has {size} bytes as JSON, and {MOST_BYTES} is the most.")]


def count_shown(content: Content, variants: Variants | None) -> int:
    """How many notifications its recipients may see: one for each language and variant."""
    return (len(content.translations) + 1) * (len(variants.options) if variants else 1)


def check_limits(content: Content, variants: Variants | None) -> list[FieldError]:
    """What is too large, too much or too many."""
    parts = list(parts_of(content, variants))
    whole = parts if content.fallback is None else [*parts, ("fallback", content.fallback)]
    errors = [error for path, part in whole for error in check_size(part, path)]
    if errors:
        return errors
    languages, options = len(content.translations) + 1, len(variants.options) if variants else 1
    if count_shown(content, variants) > MOST_SHOWN:
        sentence = (
            f"{options} variants in {languages} languages, the message's own among them, are "
            f"{count_shown(content, variants)} notifications, and {MOST_SHOWN} is the most."
        )
        errors.append(FieldError("variants.options", sentence))
    liquid = {text for _, part in parts for _, _, text in texts_of(part) if holds_liquid(text)}
    length = sum(map(len, liquid))
    if length > MOST_LIQUID:
        sentence = (
            f"The texts with Liquid in all languages and variants have {length} characters together, "
            f"and {MOST_LIQUID} is the most."
        )
        errors.append(FieldError("notification", sentence))
    return errors
