"""What is tidied up once a minute, in small transactions that block nobody."""

from gateway.context import Context
from gateway.keys import LONGEST_WAIT, end_wait
from gateway.logs import Log
from gateway.scheduler.overdue import expire_overdue
from gateway.scheduler.remover import Remover
from storage import (
    alerts,
    automations,
    keys,
    messages,
    recent_pushes,
    recipients,
    sites,
    subscriptions,
    throttles,
    withdrawals,
)
from storage.database import Body

log = Log(__name__)

IDEMPOTENCY_KEPT = 24 * 3_600_000  # milliseconds
# Gone and never accepted: kept as long as an admin has to find out that a push service was wrong.
NEVER_ACCEPTED_KEPT = 24 * 3_600_000
THROTTLES_KEPT = 24 * 3_600_000
RECIPIENTS_KEPT = 7 * 24 * 3_600_000  # after the end of their message: for a replay, or a duplicate
UPLOADS_KEPT = 24 * 3_600_000  # that were not completed
ALERTS_KEPT = 365 * 24 * 3_600_000  # after their end
ROWS = 1_000  # in one transaction


class Housekeeper:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database
        self._clock = context.clock
        self._remover = Remover(context)

    async def step(self) -> bool:
        """Everything that there is to tidy up now; whether there was anything."""
        now = self._clock.now()
        for site_id in await self._database.read(lambda tx: keys.idle_waits(tx, now, now + LONGEST_WAIT)):
            # A sender put them off in the very moment in which the key was resumed.
            await end_wait(self._context, site_id)
        removed = {
            "subscriptions_expired": await self._all(lambda tx: subscriptions.expire_due(tx, now, ROWS)),
            "idempotency_keys_forgotten": await self._all(
                lambda tx: messages.forget_idempotent(tx, now - IDEMPOTENCY_KEPT, ROWS)
            ),
            "overdue_batches_expired": await expire_overdue(self._database, now),
            "never_accepted_removed": await self._all(
                lambda tx: subscriptions.forget_never_accepted(tx, now - NEVER_ACCEPTED_KEPT, ROWS)
            ),
            "throttles_forgotten": await self._all(
                lambda tx: throttles.forget(tx, now - THROTTLES_KEPT, ROWS)
            ),
            "rows_of_deleted_automations_purged": await self._all(
                lambda tx: automations.purge_step(tx, now, ROWS)
            ),
            "recipients_forgotten": await self._all(
                lambda tx: recipients.forget(tx, now - RECIPIENTS_KEPT, now - UPLOADS_KEPT, ROWS)
            ),
            "counted_pushes_forgotten": await self._all(lambda tx: recent_pushes.forget(tx, now, ROWS)),
            "push_locations_forgotten": await self._all(
                lambda tx: withdrawals.forget_locations(tx, now, ROWS)
            ),
            "alerts_forgotten": await self._all(lambda tx: alerts.forget(tx, now - ALERTS_KEPT, ROWS)),
            "rows_of_deleted_sites_purged": await self._all(lambda tx: sites.purge_step(tx, ROWS)),
            **await self._remover.step(),
        }
        if any(removed.values()):
            log.info("housekeeping.done", removed=removed)
        return any(removed.values())

    async def _all(self, remove_some: Body[int]) -> int:
        """Repeat a step until it finds nothing more; how many rows it found."""
        total = 0
        while count := await self._database.write(remove_some):
            total += count
        return total
