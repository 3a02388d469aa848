"""Who is spared a message when their turn comes: they left its category, or have had enough for now."""

from gateway.campaigns.frequency import FrequencyCap
from gateway.delivery.flight import Flight
from gateway.delivery.recorder import Recorder
from storage import recent_pushes, subscriptions
from storage.database import Database, Transaction
from storage.deliveries import Outcome, SkipReason


async def spare(
    database: Database, recorder: Recorder, flight: Flight, cap: FrequencyCap | None, now: int
) -> None:
    """Leaves in the flight those who want the message, and whom the site's cap allows it.

    As it is at this moment: what is on its way to them is not counted yet. One read of the batch, and only of
    messages with a category and sites with a cap. With a cap the pushes that are accepted are counted.
    """
    category = flight.outgoing.category
    if cap is not None:
        flight.counts_for = cap.window
    if not flight.waiting or (cap is None and category is None):
        return
    site_id, ids = flight.batch.site_id, [member[0] for member in flight.waiting]

    async def body(tx: Transaction) -> dict[int, SkipReason]:
        spared: dict[int, SkipReason] = {}
        if cap is not None:
            full = await recent_pushes.full(
                tx,
                site_id,
                ids,
                since=now - cap.window,
                messages=cap.messages,
                none_since=cap.quiet_since(now),
            )
            spared |= dict.fromkeys(full, SkipReason.FREQUENCY_CAP)
        if category is not None:
            left = await subscriptions.opted_out(tx, site_id, ids, category)
            spared |= dict.fromkeys(left, SkipReason.OPTED_OUT)
        return spared

    spared = await database.read(body)
    if not spared:
        return
    flight.waiting = [member for member in flight.waiting if member[0] not in spared]
    for subscription_id, reason in spared.items():
        recorder.settle(flight, subscription_id, Outcome.SKIPPED, reason)
