"""How many pushes to one push service may be in flight at once: found out by its answers. Pure.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): each window of good answers makes it a
little wider, a refusal or an answer that takes far longer than usual halves it, at most once a round trip.
All times are seconds on one monotonic clock.
"""

from dataclasses import dataclass, field

STEPS = 50  # windows of good answers from nothing to the widest, once it had to be narrowed
SLOW = 1.0  # seconds: no answer that is faster is ever called slow
TIMES_SLOWER = 4.0  # than usual
# Answers that come, but late, never narrow it further than this part of the widest: a far-away push service
# is not a broken one.
SLOW_PART = 16
_DRIFT = 0.001  # how much of a difference one answer adds to what is usual


@dataclass(slots=True)
class Window:
    """`most` and `first` are pushes. It starts at `first` and doubles each round trip until it is halved."""

    most: int
    first: int
    width: float = field(init=False)
    _doubling: bool = field(default=True, init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _usual: float = field(default=SLOW, init=False)  # seconds to an answer, the fastest of late

    def __post_init__(self) -> None:
        self.width = float(min(self.first, self.most))

    @property
    def size(self) -> int:
        """Pushes, at least 1."""
        return max(1, int(self.width))

    def answered(self, posted_at: float, now: float) -> None:
        """The push service answered, and did not ask for less."""
        took = now - posted_at
        if took < self._usual:
            self._usual = took
        else:
            self._usual += (min(took, SLOW) - self._usual) * _DRIFT
        if took > SLOW and took > TIMES_SLOWER * self._usual:
            self._cut(posted_at, now, self.most / SLOW_PART)
        elif self.width < self.most:
            self.width = min(
                self.most, self.width + (1.0 if self._doubling else self.most / STEPS / self.width)
            )

    def refused(self, posted_at: float, now: float) -> None:
        """It asked for less (429, 503), or did not answer at all."""
        self._cut(posted_at, now, 1.0)

    def restart(self, now: float) -> None:
        """After a pause: one push decides whether there will be two."""
        self.width, self._doubling, self._cut_at = 1.0, True, now

    def _cut(self, posted_at: float, now: float, least: float) -> None:
        if posted_at > self._cut_at:  # what was posted before only says again why it was narrowed
            self.width = min(self.width, max(least, self.width / 2))
            self._doubling = False
            self._cut_at = now
