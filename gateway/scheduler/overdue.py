"""Ends whoever waits for a held push service longer than the message is worth anything."""

from collections.abc import Iterable

from gateway.scheduler.finisher import EXPIRED, LEASE_MS, results_of
from storage import batches, deliveries, messages, throttles
from storage.batches import PROVIDERS
from storage.database import Transaction
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, Throttle

OWNER = "overdue"  # never seen: claim and finish are one transaction
MOST_BATCHES = 4  # in one transaction: up to 2,000 rows

Held = dict[tuple[int, str], int]  # since when, by site and provider


async def expire_overdue(tx: Transaction, now: int) -> int:
    """One step; how many batches have ended.

    The claim passes over what is held, so nobody else looks whether there is any time left. Who was tried
    before has what is left of the TTL. Who was not waits until the hold has lasted for the whole TTL, counted
    from the message's start at the earliest: a message that is sent slowly loses nobody to a short hold.
    """
    late = await messages.past_ttl(tx, now)
    if not late:
        return 0
    held = _since(await throttles.held(tx, now))
    ended = 0
    for message_id, site_id, started_at, ttl in late:
        for provider in PROVIDERS:
            since = _held_since(held, site_id, provider)
            if since is None:
                continue
            before = now - ttl * 1_000
            claimed = await batches.claim_overdue(
                tx,
                message_id,
                provider,
                OWNER,
                LEASE_MS,
                now,
                first_attempts=max(since, started_at) <= before,
                tried_before=before,
                limit=MOST_BATCHES - ended,
            )
            results = [result for batch in claimed for result in results_of(batch, EXPIRED, now)]
            await deliveries.record(tx, results)
            await batches.finish_many(tx, [batch.id for batch in claimed], OWNER)
            ended += len(claimed)
            if ended >= MOST_BATCHES:
                return ended
    return ended


def _since(rows: Iterable[Throttle]) -> Held:
    return {(row.site_id, row.provider): row.since for row in rows if row.since is not None}


def _held_since(held: Held, site_id: int, provider: str) -> int | None:
    """When the longest of the holds in force for the site on the provider began; None: there is none."""
    sinces = [
        held[key]
        for key in (
            (EVERY_SITE, EVERY_PROVIDER),
            (EVERY_SITE, provider),
            (site_id, EVERY_PROVIDER),
            (site_id, provider),
        )
        if key in held
    ]
    return min(sinces, default=None)
