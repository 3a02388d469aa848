"""What a message's counters say of how it is received."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from storage.deliveries import Outcome

FAILED = frozenset({Outcome.UNAUTHORIZED, Outcome.TOO_LARGE, Outcome.REJECTED, Outcome.RENDER_FAILED})
ANSWERED = FAILED | {Outcome.ACCEPTED, Outcome.GONE}  # expired and skipped say nothing about the message


class Counts(NamedTuple):
    """A subscription that is gone is no failure: some are in every audience."""

    answers: int = 0
    failures: int = 0
    displayed: int = 0
    clicked: int = 0
    closed: int = 0

    @classmethod
    def of(cls, kinds: Mapping[str, int]) -> "Counts":
        """`kinds`: counters by kind (storage.rollups)."""
        return cls(
            sum(kinds.get(outcome.value, 0) for outcome in ANSWERED),
            sum(kinds.get(outcome.value, 0) for outcome in FAILED),
            kinds.get("displayed", 0),
            kinds.get("clicked", 0),
            kinds.get("closed", 0),
        )

    @classmethod
    def total(cls, parts: Iterable["Counts"]) -> "Counts":
        """The sum of `parts`."""
        return cls(*(sum(column) for column in zip(*parts, strict=True)))


def percent(share: float) -> str:
    """For people."""
    return f"{100 * share:.3g} %"
