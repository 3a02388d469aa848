"""Staged roll-out: a first part of the audience gets the message, the rest when that has gone well."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from gateway.campaigns.counts import Counts, percent
from gateway.campaigns.variants import Delay, Percent
from gateway.errors import FieldError

LEAST_DISPLAYS = 20  # with fewer the share of those who closed it says nothing

Rate = Annotated[float, Meta(ge=0, le=1)]


class Then(StrEnum):
    AUTO = "auto"
    MANUAL = "manual"


class Rollout(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    first: Annotated[Percent, Meta(description="Per cent of the audience that gets it at once.")]
    then: Annotated[Then, Meta(description="auto: judged by the rates; manual: released by an admin.")] = (
        Then.AUTO
    )
    after: Delay = 1_800
    max_failure_rate: Annotated[
        Rate, Meta(description="failed / (accepted + gone + failed); above, the message is paused.")
    ] = 0.05
    max_close_rate: Annotated[
        Rate | None, Meta(description="closed without a click / displayed; above, the message is paused.")
    ] = None


def check_rollout(rollout: Rollout | None, lasts: int | None) -> list[FieldError]:
    """What is wrong with it. `lasts`: how many milliseconds after its start the message expires."""
    if rollout is None or rollout.then is Then.MANUAL or lasts is None or rollout.after * 1_000 < lasts:
        return []
    return [FieldError("rollout.after", "The message expires before: the rest would not get it.")]


def why_stop(rollout: Rollout, counts: Counts) -> str | None:
    """Of the first part: why the rest is not to get it, with the figures; None: go on."""
    if counts.answers:
        rate = counts.failures / counts.answers
        if rate > rollout.max_failure_rate:
            return (
                f"the roll-out has stopped: {percent(rate)} of {counts.answers} answers are failures, "
                f"more than {percent(rollout.max_failure_rate)}"
            )
    # Browsers report no closing of what was clicked: each one is somebody who sent it away.
    if rollout.max_close_rate is not None and counts.displayed >= LEAST_DISPLAYS:
        rate = counts.closed / counts.displayed
        if rate > rollout.max_close_rate:
            return (
                f"the roll-out has stopped: {percent(rate)} of {counts.displayed} displays were closed "
                f"without a click, more than {percent(rollout.max_close_rate)}"
            )
    return None
