"""Which sites want to be told of what, as it was a moment ago.

For whoever has so much to tell that a question for each would cost: senders and the ingest of events.
Messages and subscriptions need no such look (storage.outbox).
"""

from math import inf

from gateway.clock import Clock
from storage import outbox
from storage.database import Database
from storage.outbox import Wanted

KEPT_FOR = 2.0  # seconds: how long a new webhook may be missing what happens


class Interest:
    """One a process. A look is one short read every two seconds, only while there is much to tell."""

    def __init__(self) -> None:
        self._wanted: Wanted = {}
        self._looked_at = -inf

    async def look(self, database: Database, clock: Clock) -> Wanted:
        now = clock.monotonic()
        if now - self._looked_at >= KEPT_FOR:
            self._wanted = await database.read(outbox.wanted)
            self._looked_at = now
        return self._wanted

    def forget(self) -> None:
        """It has just been changed here."""
        self._looked_at = -inf
