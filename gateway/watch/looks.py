"""When a reading becomes an alert, and when the alert has ended: after as many looks as its kind needs, and
never to and fro.

Pure. What counts is evidence: the same hour looked at again says nothing new.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Key(NamedTuple):
    """What there is at most one alert of. Site 0 and no provider: all of them."""

    name: str
    site_id: int = 0
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one thing. `evidence` is another for each look that tells something new: a time, mostly."""

    key: Key
    severity: Severity
    value: float
    low: float | None
    high: float | None
    evidence: int
    summary: str = ""  # what is wrong; only of what is
    look_at: tuple[str, ...] = ()
    looks: int = 2  # out, before it is told
    back: int = 2  # in, before it has ended

    @property
    def is_out(self) -> bool:
        return not _lies(self.value, self.low, self.high, 0.0)

    def is_back(self, low: float | None, high: float | None) -> bool:
        """Well inside the band that was left: a tenth of it is between out and in."""
        return _lies(self.value, low, high, 0.1)


class Held(NamedTuple):
    """An alert that is raised, and the band that it left."""

    low: float | None
    high: float | None


@dataclass(slots=True)
class _Count:
    evidence: int | None = None
    looks: int = 0
    seen_at: int = 0


@dataclass(slots=True)
class Looks:
    """Of one process. Forgets nothing that matters when another leads: counting begins again."""

    _out: dict[Key, _Count] = field(default_factory=dict)
    _back: dict[Key, _Count] = field(default_factory=dict)

    def to_raise(self, reading: Reading, now: int) -> bool:
        """Of what is not raised: whether it is to be, now."""
        if not reading.is_out:
            self._out.pop(reading.key, None)
            return False
        if self._counted(self._out, reading, now) < reading.looks:
            return False
        del self._out[reading.key]
        return True

    def to_end(self, reading: Reading, held: Held, now: int) -> bool:
        """Of what is raised: whether it has ended."""
        if not reading.is_back(held.low, held.high):
            self._back.pop(reading.key, None)
            return False
        if self._counted(self._back, reading, now) < reading.back:
            return False
        del self._back[reading.key]
        return True

    def forget_unseen(self, before: int) -> None:
        """What nothing was heard of since begins anew."""
        for counts in (self._out, self._back):
            for key in [key for key, count in counts.items() if count.seen_at < before]:
                del counts[key]

    def gone(self, keys: Iterable[Key]) -> None:
        """These are raised no more, by somebody else's doing."""
        for key in keys:
            self._back.pop(key, None)

    @staticmethod
    def _counted(counts: dict[Key, _Count], reading: Reading, now: int) -> int:
        count = counts.setdefault(reading.key, _Count())
        if count.evidence != reading.evidence:
            count.evidence = reading.evidence
            count.looks += 1
        count.seen_at = now
        return count.looks


def _lies(value: float, low: float | None, high: float | None, margin: float) -> bool:
    """Between the ends, and so far from them: a part of their distance, or of the only one there is."""
    width = high - low if low is not None and high is not None else abs(low or high or 0.0)
    if low is not None and value < low + margin * width:
        return False
    return high is None or value <= high - margin * width
