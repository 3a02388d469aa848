"""Sites as they were a few seconds ago, for what every page view and every event asks."""

from gateway.clock import Clock
from storage import sites
from storage.database import Database, Transaction
from storage.sites import Site

KEPT_FOR = 5.0  # seconds: how long another process's change of a site may go unnoticed
_MOST = 10_000


class SiteCache:
    """Only sites that exist are kept, so that strangers cannot fill it with guesses."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept: dict[int, tuple[float, Site]] = {}

    def kept(self, site_id: int) -> Site | None:
        """The site, if it was looked up a moment ago."""
        kept = self._kept.get(site_id)
        return kept[1] if kept is not None and self._clock.monotonic() - kept[0] < KEPT_FOR else None

    async def get(self, site_id: int) -> Site:
        """storage.errors.NotFound when there is none (any more)."""
        kept = self.kept(site_id)
        if kept is not None:
            return kept

        async def look_up(tx: Transaction) -> Site:
            return await sites.get(tx, site_id)

        now = self._clock.monotonic()
        self._kept.pop(site_id, None)
        site = await self._database.read(look_up)
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[site_id] = (now, site)
        return site
