"""A part of the audience first, the rest when that has shown how it goes: what the rules say together. Pure.

The rest is in held batches, without `due_at`; one compare-and-set releases them (storage.stages.release).
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from gateway.campaigns.counts import Counts
from gateway.campaigns.lottery import Lottery
from gateway.campaigns.rollout import Then, check_rollout, why_stop
from gateway.campaigns.rules import Rules
from gateway.campaigns.variants import LEAST_DISPLAYS, check_variants, choose, settle, weights
from gateway.content import Content
from gateway.errors import FieldError

WAITS_FOR_WINNER = "the rest waits for the winner among the variants"
WAITS_FOR_ROLLOUT = "the rest waits until the first part has shown how it goes"
WAITS_FOR_ADMIN = "the rest waits until an admin releases it"


class Release(NamedTuple):
    """The rest is released; with `stop` the message is paused in the same moment, and says why."""

    decision: str
    winner: int | None = None
    stop: bool = False


def check_stages(
    rules: Rules, starts_at: int, expires_at: int | None, *, most: int | None, every: int | None
) -> list[FieldError]:
    """What is wrong with variants and roll-out, each for itself and together with other rules.

    `most`: the recipients, at most, None when that is not known; `every`: the shortest time from one
    occurrence to the next, milliseconds, None for a message that does not recur.
    """
    lasts = None if expires_at is None else expires_at - starts_at
    errors = check_variants(rules.variants, lasts) + check_rollout(rules.rollout, lasts)
    if not rules.holds_the_rest:
        return errors
    field = "variants.winner" if rules.rollout is None else "rollout"
    if rules.rollout is not None and rules.variants is not None and rules.variants.winner is not None:
        errors.append(FieldError(field, "Both a winner and a roll-out would hold the rest: choose one."))
    if rules.local_time is not None:  # best_hour looks for itself (check_best_hour)
        errors.append(
            FieldError(field, "With local_time there is no moment at which the first part is done.")
        )
    if rules.dry_run:
        errors.append(FieldError(field, "In a dry run nobody answers: nothing would release the rest."))
    judged_after = _judged_after(rules)
    if every is not None and judged_after is not None and judged_after >= every:
        sentence = (
            "The next occurrence comes before: this takes as long as it is from one to the next, or longer."
        )
        errors.append(FieldError(f"{field}.after", sentence))
    return errors if most is None else errors + _check_sizes(rules, most)


def _check_sizes(rules: Rules, most: int) -> list[FieldError]:
    """What cannot be with so few recipients."""
    if rules.rollout is not None and most * rules.rollout.first < 100:
        return [FieldError("rollout.first", f"Of {most} recipients at most the first part is nobody.")]
    variants = rules.variants
    if variants is None or variants.winner is None:
        return []
    sample = round(most * (100 - variants.holdout) * variants.winner.sample / 10_000)
    needed = LEAST_DISPLAYS * len(variants.options)
    if sample >= needed:
        return []
    return [
        FieldError(
            "variants.winner.sample",
            f"Of {most} recipients at most the sample is {sample}, and a winner takes {needed} displays: "
            "let everybody get a variant, without a winner.",
        )
    ]


def _judged_after(rules: Rules) -> int | None:
    """How many milliseconds after everybody of the first part was tried; None: an admin says when."""
    if not is_automatic(rules):
        return None
    if rules.rollout is not None:
        return rules.rollout.judged_after
    assert rules.variants is not None
    assert rules.variants.winner is not None
    return rules.variants.winner.after * 1_000


def once_more(content: Content, rules: Rules, winner: int | None) -> tuple[Content, Rules]:
    """Of a message that is sent again to those whom it did not reach.

    They get the variant that won, or would have by default. Nobody is held back, or held out, a second time.
    """
    variants = rules.variants
    if variants is not None and variants.winner is not None:
        chosen = variants.index_of(variants.winner.default) if winner is None else winner
        assert chosen is not None, "it was checked when the message was made"
        content, variants = settle(content, variants, chosen), None
    elif variants is not None:
        variants = replace(variants, holdout=0)
    return content, replace(rules, variants=variants, rollout=None)


def lottery_of(message_id: int, rules: Rules) -> Lottery | None:
    """How the message's recipients are drawn; None when they are not."""
    variants, rollout = rules.variants, rules.rollout
    if variants is None and rollout is None:
        return None
    winner = None if variants is None else variants.winner
    first = 100.0
    if winner is not None:
        first = winner.sample
    elif rollout is not None:
        first = rollout.first
    return Lottery.of(
        message_id,
        weights=(1,) if variants is None else weights(variants),
        holdout=0 if variants is None else variants.holdout,
        first=first,
        rest_waits_for_winner=winner is not None,
    )


def waits_for(rules: Rules) -> str:
    """Why the rest is held, for people."""
    if rules.rollout is None:
        return WAITS_FOR_WINNER
    return WAITS_FOR_ADMIN if rules.rollout.then is Then.MANUAL else WAITS_FOR_ROLLOUT


def is_automatic(rules: Rules) -> bool:
    """Whether the rest is released without an admin."""
    return rules.holds_the_rest and not (rules.rollout is not None and rules.rollout.then is Then.MANUAL)


def is_watched(rules: Rules) -> bool:
    """Whether the scheduler has to look at the message from time to time."""
    return rules.auto_pause is not None or is_automatic(rules)


def release_at(rules: Rules, tried_at: int | None) -> int | None:
    """When it is decided at the latest; None before everybody of the first part was tried, or for an admin.

    The time counts from then, not from the start: in a pause, in quiet hours or at a low rate nobody has had
    the message yet whom it could be judged by.
    """
    after = _judged_after(rules)
    return None if tried_at is None or after is None else tried_at + after


def decide(rules: Rules, tried_at: int | None, counts: Mapping[int, Counts], now: int) -> Release | None:
    """What becomes of the rest; None: it still waits. `counts` by variant, so far."""
    if not is_automatic(rules):
        return None
    at = release_at(rules, tried_at)
    in_time = at is not None and at <= now
    total = Counts.total(counts.values()) if counts else Counts()
    if rules.rollout is not None:
        if not in_time:
            return None
        stop = why_stop(rules.rollout, total)
        return Release("the first part went well") if stop is None else Release(stop, stop=True)
    assert rules.variants is not None
    winner = rules.variants.winner
    assert winner is not None
    if not in_time and (winner.displays is None or total.displayed < winner.displays):
        return None
    choice = choose(rules.variants, winner, counts)
    return Release(choice.reason, choice.variant)
