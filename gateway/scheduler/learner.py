"""Tells the rows of subscriptions what browsers have reported: when somebody last looked, at which hours.

It can wait, and browsers cannot: while a wave of events comes in, it leaves the database to them.
"""

from itertools import groupby

from gateway.context import Context
from storage import habits

MOST = 20_000  # looks in a round: the more, the more of them share a page
AT_ONCE = 1_000  # in one transaction: some 15 ms
WAVE = 500  # looks a second: more are a wave
LONGEST_WAIT = 30.0  # seconds without a round, however long the wave
MOST_WAITING = 200_000  # looks: some 10 MB


class Learner:
    """Several at a time do no harm: whoever takes a look from those that wait is the one who counts it."""

    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._clock = context.clock
        self._learnt_at = self._looked_at = context.clock.monotonic()
        self._last: int | None = None  # id of the newest look when we last saw them

    async def step(self) -> bool:
        """One round; whether there may be more."""
        if await self._wave():
            return False
        self._learnt_at = self._clock.monotonic()
        waiting = await self._database.read(lambda tx: habits.waiting(tx, MOST))
        for _, part in groupby(enumerate(waiting), lambda numbered: numbered[0] // AT_ONCE):
            some = [look for _, look in part]
            await self._database.write(lambda tx, some=some: habits.learn(tx, some))  # type: ignore[misc]
        return len(waiting) == MOST

    async def _wave(self) -> bool:
        """Whether so many come in that the round waits."""
        span = await self._database.read(habits.span)
        now = self._clock.monotonic()
        before, self._last = self._last, None if span is None else span[1]
        seconds, self._looked_at = now - self._looked_at, now
        if span is None or before is None:
            return False
        first = max(before, span[0] - 1) if span[1] >= before else span[0] - 1  # SQLite begins again at 1
        pours = span[1] - first > max(AT_ONCE, WAVE * seconds)
        return pours and now - self._learnt_at < LONGEST_WAIT and span[1] - span[0] < MOST_WAITING
