"""Tells the rows of subscriptions what browsers have reported: when somebody last looked, at which hours."""

from itertools import groupby

from gateway.context import Context
from storage import habits

MOST = 20_000  # looks in a round: the more, the more of them share a page
AT_ONCE = 1_000  # in one transaction: some 15 ms


class Learner:
    """Several at a time do no harm: whoever takes a look from those that wait is the one who counts it."""

    def __init__(self, context: Context) -> None:
        self._database = context.database

    async def step(self) -> bool:
        """One round; whether there may be more."""
        waiting = await self._database.read(lambda tx: habits.waiting(tx, MOST))
        for _, part in groupby(enumerate(waiting), lambda numbered: numbered[0] // AT_ONCE):
            some = [look for _, look in part]
            await self._database.write(lambda tx, some=some: habits.learn(tx, some))  # type: ignore[misc]
        return len(waiting) == MOST
