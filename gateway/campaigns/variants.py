"""Variants of a message (A/B/n), a group that is held out, and the winner that the rest gets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from gateway.campaigns.counts import Counts, percent
from gateway.campaigns.statistics import two_proportions
from gateway.content import (
    Content,
    Notification,
    PartialNotification,
    Translations,
    merge_notification,
)
from gateway.errors import FieldError
from gateway.subscription_fields import PRINTABLE

LEAST_DISPLAYS = 100  # of each variant: with fewer nobody wins
MOST_P = 0.05
_WEEK = 7 * 24 * 3_600

Percent = Annotated[float, Meta(ge=0.01, lt=100)]  # of a million at least a hundred
Delay = Annotated[
    int, Meta(ge=1, le=_WEEK, description="Seconds after everybody of the first part was tried.")
]


class Option(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One variant: what differs from the message's notification."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
    weight: Annotated[int, Meta(ge=1, le=99, description="Its share in per cent; together they make 100.")]
    notification: Annotated[
        PartialNotification, Meta(description="Put over the message's, in all of its languages.")
    ] = PartialNotification()
    translations: Annotated[
        Translations, Meta(description="Put over that, in languages that the message is translated to.")
    ] = {}

    def over(self, notification: Notification, language: str | None) -> Notification:
        """What the message shows in a language, a key of its translations, as this variant shows it."""
        varied = merge_notification(notification, self.notification)
        if language is None or language not in self.translations:
            return varied
        return merge_notification(varied, self.translations[language])


class Winner(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A sample gets the variants, the rest waits and gets the one with the best click rate."""

    sample: Annotated[Percent, Meta(description="Per cent of the audience that gets the variants at once.")]
    after: Delay
    default: Annotated[str, Meta(description="The name of the variant that the rest gets if none wins.")]
    displays: (
        Annotated[int, Meta(ge=1, description="Decide as soon as so many displays are reported, in all.")]
        | None
    ) = None


class Variants(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    options: Annotated[tuple[Option, ...], Meta(min_length=2, max_length=10)]
    holdout: Annotated[
        float, Meta(ge=0, lt=100, description="Per cent of the audience that gets nothing, to compare with.")
    ] = 0
    winner: Winner | None = None

    def index_of(self, name: str) -> int | None:
        """The number of the variant with this name."""
        return next((index for index, option in enumerate(self.options) if option.name == name), None)


def shown_notifications(
    notification: Notification, language: str | None, variants: Variants | None
) -> Sequence[tuple[str | None, Notification]]:
    """All that recipients of one language may see: by the variants' names, or the one without a name."""
    if variants is None:
        return [(None, notification)]
    return [(option.name, option.over(notification, language)) for option in variants.options]


def settle(content: Content, variants: Variants, variant: int) -> Content:
    """What the message shows when everybody gets this variant."""
    option = variants.options[variant]
    return replace(
        content,
        notification=option.over(content.notification, None),
        translations={
            language: _laid_over(part, option.notification, option.translations.get(language, _NOTHING))
            for language, part in content.translations.items()
        },
    )


_NOTHING = PartialNotification()


def _laid_over(*parts: PartialNotification) -> PartialNotification:
    """What merging each of them in turn would change."""
    given: dict[str, Any] = {}
    for part in parts:
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if value is not UNSET:
                given[name] = {**given.get(name, {}), **value} if name == "data" else value
    return PartialNotification(**given)


class Choice(NamedTuple):
    variant: int
    reason: str  # for people


def check_variants(variants: Variants | None, lasts: int | None) -> list[FieldError]:
    """What is wrong with them. `lasts`: how many milliseconds after its start the message expires."""
    if variants is None:
        return []
    errors = []
    total = sum(option.weight for option in variants.options)
    if total != 100:
        errors.append(FieldError("variants.options", f"The weights make {total} per cent together, not 100."))
    for name, times in Counter(option.name for option in variants.options).items():
        if times > 1:
            errors.append(FieldError("variants.options", f"{times} variants have the name {name!r}."))
    return errors + (_check_winner(variants, variants.winner, lasts) if variants.winner else [])


def _check_winner(variants: Variants, winner: Winner, lasts: int | None) -> list[FieldError]:
    errors = []
    if variants.index_of(winner.default) is None:
        errors.append(FieldError("variants.winner.default", "There is no variant with this name."))
    least = LEAST_DISPLAYS * len(variants.options)
    if winner.displays is not None and winner.displays < least:
        errors.append(
            FieldError(
                "variants.winner.displays",
                f"No variant can win with fewer than {LEAST_DISPLAYS} displays of each: say {least} or more.",
            )
        )
    if lasts is not None and winner.after * 1_000 >= lasts:
        errors.append(
            FieldError("variants.winner.after", "The message expires before: the rest would not get it.")
        )
    return errors


def choose(variants: Variants, winner: Winner, counts: Mapping[int, Counts]) -> Choice:
    """What the rest gets. `counts` by variant.

    The variant with the best click rate (clicks per display) wins when each has been displayed LEAST_DISPLAYS
    times and its difference to the second best is significant: p < MOST_P in the two-sided two-proportion
    z-test with the pooled share. Otherwise the stated default does. It is asked once, so that looking often
    does not turn chance into proof.
    """
    names = [option.name for option in variants.options]
    shown = [counts.get(index, Counts()) for index in range(len(names))]
    default = variants.index_of(winner.default)
    assert default is not None, "it was checked when the message was made"
    seldom = min(range(len(names)), key=lambda index: shown[index].displayed)
    if shown[seldom].displayed < LEAST_DISPLAYS:
        why = f"{names[seldom]} was displayed {shown[seldom].displayed} times, and it takes {LEAST_DISPLAYS}"
        return Choice(default, f"{names[default]} by default: {why}")
    best, second = sorted(range(len(names)), key=lambda index: -click_rate(shown[index]))[:2]
    p = two_proportions(*clicks_of(shown[best]), *clicks_of(shown[second]))
    figures = (
        f"{names[best]} was clicked by {percent(click_rate(shown[best]))} of {shown[best].displayed}, "
        f"{names[second]} by {percent(click_rate(shown[second]))} of {shown[second].displayed}, p = {p:.2g}"
    )
    if p < MOST_P:
        return Choice(best, f"{names[best]} won: {figures}")
    return Choice(default, f"{names[default]} by default, the difference may be chance: {figures}")


def click_rate(counts: Counts) -> float:
    """Clicks per display."""
    clicks, displays = clicks_of(counts)
    return clicks / displays if displays else 0.0


def clicks_of(counts: Counts) -> tuple[int, int]:
    """Clicks and displays; where clicks were reported without a display, it was one all the same."""
    return counts.clicked, max(counts.displayed, counts.clicked)


def weights(variants: Variants) -> Sequence[int]:
    return [option.weight for option in variants.options]
