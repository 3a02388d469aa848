"""Ends whoever waits for a held push service longer than the message is worth anything."""

from collections.abc import Iterable, Sequence

from gateway.scheduler.finisher import EXPIRED, LEASE_MS, results_of
from storage import batches, deliveries, messages, throttles
from storage.batches import PROVIDERS, Late
from storage.database import Database, Transaction
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, Throttle

OWNER = "overdue"  # never seen: claim and finish are one transaction
MOST_BATCHES = 4  # in one transaction: up to 2,000 rows

Held = dict[tuple[int, str], int]  # since when, by site and provider


async def expire_overdue(database: Database, now: int) -> int:
    """How many batches have ended.

    The claim passes over what is held, so nobody else looks whether there is any time left. Who was tried
    before has what is left of the TTL. Who was not waits until the hold has lasted for the whole TTL, counted
    from the message's start at the earliest: a message that is sent slowly loses nobody to a short hold.

    All that are late are found in one read: what is written is only ever about those of whom there is any.
    """
    late = await database.read(lambda tx: _find(tx, now))
    ended = 0
    while late:
        over, count = await database.write(lambda tx, some=late[:MOST_BATCHES]: _expire(tx, some, now))  # type: ignore[misc]
        late = late[over:]
        ended += count
    return ended


async def _find(tx: Transaction, now: int) -> Sequence[Late]:
    held = _since(await throttles.held(tx, now))
    if not held:
        return []
    late = []
    for message_id, site_id, started_at, ttl in await messages.past_ttl(tx, now):
        before = now - ttl * 1_000
        for provider in PROVIDERS:
            since = _held_since(held, site_id, provider)
            if since is not None:
                late.append(Late(message_id, provider, max(since, started_at) <= before, before))
    return await batches.overdue(tx, late, now) if late else []


async def _expire(tx: Transaction, late: Sequence[Late], now: int) -> tuple[int, int]:
    """How many of `late` are done with, from the first on, and how many batches have ended."""
    ended = 0
    for over, each in enumerate(late):
        claimed = await batches.claim_overdue(tx, each, OWNER, LEASE_MS, now, MOST_BATCHES - ended)
        results = [result for batch in claimed for result in results_of(batch, EXPIRED, now)]
        await deliveries.record(tx, results)
        await batches.finish_many(tx, [batch.id for batch in claimed], OWNER)
        ended += len(claimed)
        if ended == MOST_BATCHES:
            return over, ended  # of this one there may be more
    return len(late), ended


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
