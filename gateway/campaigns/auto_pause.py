"""Pauses a message when too much of it fails."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.campaigns.counts import Counts, percent


class AutoPause(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Judged again and again, each time by the answers since the last time: a late outage shows, too."""

    failure_rate: Annotated[
        float, Meta(gt=0, le=1, description="failed / (accepted + gone + failed); from it on it is paused.")
    ]
    least: Annotated[int, Meta(ge=1, description="Answers that it takes to judge.")] = 200


def why_pause(rule: AutoPause, since: Counts) -> str | None:
    """Why the message is to be paused, with the figures. `since`: at least `least` answers."""
    rate = since.failures / since.answers
    if rate < rule.failure_rate:
        return None
    return (
        f"paused by itself: {percent(rate)} of the last {since.answers} answers are failures, "
        f"{percent(rule.failure_rate)} is too many"
    )
