"""What the automations of a site react to, as it was a few seconds ago: each visitor and event asks."""

from gateway.campaigns.automations import MOST_OF_SITE, Reactions, reactions_of
from gateway.clock import Clock
from storage import automations
from storage.database import Database, Transaction

KEPT_FOR = 5.0  # seconds: how long another process's change may go unnoticed
_MOST = 10_000


class AutomationCache:
    """Ask for sites only that exist: strangers could fill it with guesses."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept: dict[int, tuple[float, Reactions]] = {}

    async def get(self, site_id: int) -> Reactions:
        now = self._clock.monotonic()
        kept = self._kept.get(site_id)
        if kept is not None and now - kept[0] < KEPT_FOR:
            return kept[1]

        async def look_up(tx: Transaction) -> Reactions:
            return reactions_of(await automations.page(tx, site_id, limit=MOST_OF_SITE))

        self._kept.pop(site_id, None)
        found = await self._database.read(look_up)
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[site_id] = (now, found)
        return found

    def forget(self, site_id: int) -> None:
        """They have just been changed here."""
        self._kept.pop(site_id, None)
