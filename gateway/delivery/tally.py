"""How push services answered of late: sums by the second, so that one more costs an addition."""

from collections import deque
from enum import IntEnum


class Mark(IntEnum):
    """What is counted of an answer; the numbers are positions in a bucket."""

    FINE = 1
    UNAVAILABLE = 2
    GONE = 3
    UNAUTHORIZED = 4
    THROTTLED = 5


class Tally:
    """Answers of the last minute. `now` is in seconds on a monotonic clock."""

    SPAN = 60

    __slots__ = ("_bad", "_buckets", "_summed", "_total")

    def __init__(self) -> None:
        self._summed = (-1, 0, Mark.FINE)  # of which second, span and mark `_total` and `_bad` are the past
        self._total = self._bad = 0
        self._buckets: deque[list[int]] = deque(maxlen=self.SPAN)

    def add(self, now: float, mark: Mark) -> None:
        second = int(now)
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0, 0, 0, 0])
        self._buckets[-1][mark] += 1

    def mostly(self, mark: Mark, now: float, seconds: int, least: int) -> bool:
        """Whether there were `least` answers within `seconds`, and more than half of them were of a kind."""
        second = int(now)
        if self._summed != (second, seconds, mark):  # asked for each bad answer
            self._summed = (second, seconds, mark)
            past = [bucket for bucket in self._buckets if second - seconds < bucket[0] < second]
            self._total, self._bad = sum(sum(bucket[1:]) for bucket in past), sum(b[mark] for b in past)
        total, bad = self._total, self._bad
        if self._buckets and self._buckets[-1][0] == second:
            total, bad = total + sum(self._buckets[-1][1:]), bad + self._buckets[-1][mark]
        return total >= least and 2 * bad > total

    def clear(self) -> None:
        """Begin anew, once something was done about it."""
        self._buckets.clear()
        self._summed = (-1, 0, Mark.FINE)
