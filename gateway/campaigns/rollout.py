"""Staged roll-out: a first part of the audience gets the message, the rest when that has gone well."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from gateway.campaigns.counts import Counts, percent
from gateway.campaigns.variants import Delay, Percent
from gateway.errors import FieldError

LEAST_DISPLAYS = 20  # with fewer the share of those who closed it says nothing

Rate = Annotated[float, Meta(ge=0, le=1)]

_AFTER = 1_800  # seconds
_MAX_FAILURE_RATE = 0.05
_JUDGED_BY = ("after", "max_failure_rate", "max_close_rate")


class Then(StrEnum):
    AUTO = "auto"
    MANUAL = "manual"


class Rollout(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    first: Annotated[Percent, Meta(description="Per cent of the audience that gets it at once.")]
    then: Annotated[Then, Meta(description="auto: judged by the rates; manual: released by an admin.")] = (
        Then.AUTO
    )
    after: Annotated[Delay | None, Meta(description="Of auto; half an hour by default.")] = None
    max_failure_rate: Annotated[
        Rate | None,
        Meta(
            description="failed / (accepted + gone + failed); above, the message is paused. 0.05 by default."
        ),
    ] = None
    max_close_rate: Annotated[
        Rate | None, Meta(description="closed without a click / displayed; above, the message is paused.")
    ] = None

    @property
    def judged_after(self) -> int:
        """Milliseconds after everybody of the first part was tried. For `auto`."""
        return (_AFTER if self.after is None else self.after) * 1_000


def check_rollout(rollout: Rollout | None, lasts: int | None) -> list[FieldError]:
    """What is wrong with it. `lasts`: how many milliseconds after its start the message expires."""
    if rollout is None:
        return []
    if rollout.then is Then.MANUAL:
        return [
            FieldError(f"rollout.{name}", "With manual nobody judges: the rest waits for an admin.")
            for name in _JUDGED_BY
            if getattr(rollout, name) is not None
        ]
    if lasts is None or rollout.judged_after < lasts:
        return []
    return [FieldError("rollout.after", "The message expires before: the rest would not get it.")]


def why_stop(rollout: Rollout, counts: Counts) -> str | None:
    """Of the first part: why the rest is not to get it, with the figures; None: go on."""
    if counts.answers:
        rate = counts.failures / counts.answers
        most = _MAX_FAILURE_RATE if rollout.max_failure_rate is None else rollout.max_failure_rate
        if rate > most:
            return (
                f"the roll-out has stopped: {percent(rate)} of {counts.answers} answers are failures, "
                f"more than {percent(most)}"
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
