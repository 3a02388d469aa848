"""How fast messages have been judged of late, as whoever looked at them through this process has seen it.

Counters say how much was done, not when. Two looks at them say both, so each look is remembered for a while.
"""

from collections import OrderedDict, deque

WINDOW = 30.0  # seconds that a rate is about
FORGOTTEN_AFTER = 120.0
SHORTEST = 3.0  # below this a rate would be about the size of batches
SPACING = 1.0
MOST_MESSAGES = 1_000


class RecentRates:
    """Of the messages that are looked at. One for a process; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._looks: OrderedDict[int, deque[tuple[float, int]]] = OrderedDict()

    def note(self, message_id: int, done: int, now: float) -> float | None:
        """`done` recipients have their outcome; how many a second got theirs of late. None: not known yet."""
        looks = self._looks.setdefault(message_id, deque())
        self._looks.move_to_end(message_id)
        if len(self._looks) > MOST_MESSAGES:
            self._looks.popitem(last=False)
        while looks and now - looks[0][0] > FORGOTTEN_AFTER:
            looks.popleft()
        if not looks or now - looks[-1][0] >= SPACING:
            looks.append((now, done))
        while len(looks) > 1 and now - looks[1][0] >= WINDOW:
            looks.popleft()
        since, before = looks[0]
        seconds = now - since
        return None if seconds < SHORTEST else max(0, done - before) / seconds
