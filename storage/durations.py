"""How long things took, counted in buckets: cheap enough to be noted for every transaction."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

TRANSACTION = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)  # seconds


class Durations:
    """What Prometheus calls a histogram: how many took at most so many seconds, and their sum.

    Not for several threads at once. (Any other amount can be counted like this, too.)
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(map(float, bounds))
        self.counts = [0] * (len(self.bounds) + 1)  # not cumulative; the last is beyond all bounds
        self.total = 0.0

    def add(self, amount: float, times: int = 1) -> None:
        """`times` of them took so long."""
        self.counts[bisect_left(self.bounds, amount)] += times
        self.total += amount * times

    def add_moments(self, moments: Sequence[int], since: int) -> None:
        """Each from `since` to one of `moments`, which are sorted; all in milliseconds."""
        place = 0
        for number, bound in enumerate(self.bounds):
            end = bisect_right(moments, since + bound * 1_000, place)
            self.counts[number] += end - place
            place = end
        self.counts[-1] += len(moments) - place
        self.total += (sum(moments) - since * len(moments)) / 1_000

    @property
    def cumulative(self) -> list[tuple[str, float]]:
        """(bound, how many at most that), as Prometheus writes them."""
        found, so_far = [], 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


def _of_transactions() -> dict[str, Durations]:
    return {kind: Durations(TRANSACTION) for kind in ("read", "read_apart", "write")}


@dataclass(frozen=True, slots=True)
class Timings:
    """Of one process' transactions, by kind. `waited`: before the first statement, for a connection or for
    SQLite's write lock (a lock of a row is part of PostgreSQL's work). `worked`: from then to the commit."""

    waited: dict[str, Durations] = field(default_factory=_of_transactions)
    worked: dict[str, Durations] = field(default_factory=_of_transactions)

    def add(self, kind: str, asked_at: float, began_at: float, ended_at: float) -> None:
        """All in seconds of one monotonic clock."""
        self.waited[kind].add(began_at - asked_at)
        self.worked[kind].add(ended_at - began_at)
