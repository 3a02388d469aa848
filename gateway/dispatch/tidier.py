"""What webhooks leave behind, removed in small steps."""

from gateway.dispatch.schedule import HOUR
from gateway.logs import Log
from storage import webhook_deliveries, webhooks
from storage.database import Body, Database
from storage.webhook_deliveries import DeliveryState

log = Log(__name__)

DAY = 24 * HOUR
DELIVERED_KEPT = 7 * DAY  # for a replay
DEAD_KEPT = 30 * DAY
PENDING_KEPT = 7 * DAY  # of a webhook that is paused: then its deliveries are dead, and it collects no more
TOO_OLD = "It was not delivered within 7 days: the webhook was paused, or its receiver away."
ROWS = 500


async def tidy(database: Database, now: int) -> None:
    removed = {
        "webhooks_stopped": await _all(
            database, lambda tx: webhooks.stop_collecting(tx, now - PENDING_KEPT, ROWS)
        ),
        "webhook_deliveries_given_up": await _all(
            database, lambda tx: webhook_deliveries.give_up(tx, now - PENDING_KEPT, now, TOO_OLD, ROWS)
        ),
        "delivered_forgotten": await _all(
            database,
            lambda tx: webhook_deliveries.forget(tx, DeliveryState.DELIVERED, now - DELIVERED_KEPT, ROWS),
        ),
        "dead_forgotten": await _all(
            database, lambda tx: webhook_deliveries.forget(tx, DeliveryState.DEAD, now - DEAD_KEPT, ROWS)
        ),
        "deliveries_of_deleted_webhooks_removed": await _all(
            database, lambda tx: webhook_deliveries.forget_of_deleted(tx, ROWS)
        ),
    }
    if any(removed.values()):
        log.info("webhooks.tidied", removed=removed)


async def _all(database: Database, remove_some: Body[int]) -> int:
    total = 0
    while count := await database.write(remove_some):
        total += count
    return total
