"""Draws lots: who of a message's recipients is held out, who comes first, and who is shown which variant.

Pure, and a function of the two ids alone: whoever is judged again, after a crash, in a retry or by another
machine, draws the same lots. Nothing of it is stored but the batch that a recipient was put into.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from struct import Struct
from typing import NamedTuple

FIRST = 0  # stages: who is sent to at once …
REST = 1  # … and who is held until the first have shown how it goes
UNDECIDED = -1  # the variant of those who wait for the winner

_IDS = Struct(">qq")
_LOTS = Struct(">III")
_ALL = 2**32


class Lots(NamedTuple):
    """Three independent numbers, each evenly distributed from 0 to 2**32 - 1."""

    holdout: int
    stage: int
    variant: int


def draw(message_id: int, subscription_id: int) -> Lots:
    """The lots of one recipient: always the same."""
    digest = blake2b(_IDS.pack(message_id, subscription_id), digest_size=_LOTS.size, person=b"lots")
    return Lots._make(_LOTS.unpack(digest.digest()))


class Ticket(NamedTuple):
    stage: int
    variant: int


@dataclass(frozen=True, slots=True)
class Lottery:
    """A message's shares, made once for all of its recipients. Build it with `of`."""

    message_id: int
    holdout: int  # whoever draws less is held out
    first: int  # of the others, whoever draws less is in the first stage
    edges: Sequence[int]  # of the variants: whoever draws less than the n-th gets none after the n-th
    rest_waits_for_winner: bool

    @classmethod
    def of(
        cls,
        message_id: int,
        *,
        weights: Sequence[int] = (1,),
        holdout: float = 0,
        first: float = 100,
        rest_waits_for_winner: bool = False,
    ) -> "Lottery":
        """`holdout` is per cent of everybody, `first` of the others; `weights` are shares of their sum."""
        total = sum(weights)
        edges = tuple(_ALL * upto // total for upto in accumulate(weights))
        return cls(message_id, _threshold(holdout), _threshold(first), edges, rest_waits_for_winner)

    def draw(self, subscription_id: int) -> Ticket | None:
        """None: held out."""
        lots = draw(self.message_id, subscription_id)
        if lots.holdout < self.holdout:
            return None
        stage = FIRST if lots.stage < self.first else REST
        if stage == REST and self.rest_waits_for_winner:
            return Ticket(stage, UNDECIDED)
        return Ticket(stage, bisect_right(self.edges, lots.variant))


def _threshold(percent: float) -> int:
    return round(_ALL * percent / 100)
