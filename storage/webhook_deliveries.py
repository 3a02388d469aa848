"""Deliveries of webhooks: requests with what happened, each tried until it is taken or dead.

Exactly one process has one in hand: who claims it holds a lease on the database's clock, and only its holder
ends it or puts it off. A holder that is killed loses the lease after a while, and somebody else repeats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.ids import MAX_ID
from storage.queries import load

_SQL = load("webhook_deliveries")
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # the last attempt failed; a replay makes it pending again


@dataclass(frozen=True, slots=True)
class Delivery:
    id: int
    site_id: int
    webhook_id: int
    state: DeliveryState
    types: tuple[str, ...]
    events: int
    attempts: int
    status: int | None  # of the last attempt, if there was an answer
    error: str | None  # a sentence
    created_at: int
    ended_at: int | None
    next_attempt_at: int | None


class Claimed(NamedTuple):
    id: int
    attempts: int  # before this one
    created_at: int
    body: str


class Summary(NamedTuple):
    pending: int
    oldest_at: int | None  # when the oldest pending one was made
    dead: int


async def add(tx: Transaction, delivery: Delivery, body: str) -> None:
    d = delivery
    types = msgspec.json.encode(d.types).decode()
    await tx.execute(
        _SQL["add"],
        *(d.id, d.site_id, d.webhook_id, d.state.value, types, d.events, d.attempts, d.status, d.error),
        *(d.created_at, d.ended_at, d.next_attempt_at, body),
    )


async def get(tx: Transaction, webhook_id: int, id: int) -> Delivery:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], webhook_id, id)
    if row is None:
        raise NotFound(f"delivery {id}")
    return _delivery(row)


async def page(
    tx: Transaction,
    webhook_id: int,
    before_id: int | None = None,
    limit: int = 100,
    state: DeliveryState | None = None,
) -> Sequence[Delivery]:
    """Newest first, from the one before `before_id`."""
    before = MAX_ID if before_id is None else before_id
    if state is None:
        rows = await tx.fetch(_SQL["page"], webhook_id, before, limit)
    else:
        rows = await tx.fetch(_SQL["page_by_state"], webhook_id, before, limit, state.value)
    return [_delivery(row) for row in rows]


async def oldest_pending(tx: Transaction, webhook_ids: Sequence[int]) -> dict[int, int]:
    """When the oldest pending delivery of each was made; those without any are absent."""
    rows = await tx.fetch(_SQL["oldest_pending"], list(webhook_ids))
    return {id: at for id, at in rows if at is not None}


async def claim(
    tx: Transaction, webhook_id: int, owner: str, now: int, lease_ms: int, limit: int
) -> Sequence[Claimed]:
    """Of those whose time has come, the ones that have waited longest. Nobody else gets them meanwhile."""
    rows = await tx.fetch(_SQL["claim"], webhook_id, now, owner, lease_ms, limit)
    return sorted(Claimed(*row) for row in rows)


async def end(
    tx: Transaction,
    id: int,
    owner: str,
    state: DeliveryState,
    status: int | None,
    error: str | None,
    now: int,
) -> bool:
    """After its last attempt. False when `owner` does not hold it (any more)."""
    return bool(await tx.execute(_SQL["end"], id, owner, state.value, status, error, now))


async def put_off(
    tx: Transaction, id: int, owner: str, status: int | None, error: str, next_attempt_at: int
) -> bool:
    """After an attempt that failed. False when `owner` does not hold it (any more)."""
    return bool(await tx.execute(_SQL["put_off"], id, owner, status, error, next_attempt_at))


async def release(tx: Transaction, owner: str) -> None:
    """Gives back what `owner` holds, untried."""
    await tx.execute(_SQL["release"], owner)


async def hurry(tx: Transaction, webhook_id: int, now: int) -> None:
    """What waits for its next attempt waits no longer."""
    await tx.execute(_SQL["hurry"], webhook_id, now)


async def replay(tx: Transaction, webhook_id: int, id: int, now: int) -> bool:
    """delivered or dead → pending, as if it had never been tried; False when it is pending already."""
    return bool(await tx.execute(_SQL["replay"], webhook_id, id, now))


async def replay_state(
    tx: Transaction, webhook_id: int, state: DeliveryState, now: int, limit: int = 1_000
) -> int:
    """As `replay`, the oldest of those in a state until `now`; how many. Repeat until it is 0."""
    return await tx.execute(_SQL["replay_state"], webhook_id, state.value, now, limit)


async def forget(tx: Transaction, state: DeliveryState, ended_before: int, limit: int) -> int:
    return await tx.execute(_SQL["forget"], state.value, ended_before, limit)


async def give_up(tx: Transaction, due_before: int, now: int, error: str, limit: int) -> int:
    """pending → dead for those that have been due for too long; how many."""
    return await tx.execute(_SQL["overdue"], due_before, now, error, limit)


async def forget_of_deleted(tx: Transaction, limit: int) -> int:
    """Those of webhooks that are no more."""
    return await tx.execute(_SQL["forget_of_deleted"], limit)


async def summary(tx: Transaction) -> Summary:
    row = await tx.fetch_one(_SQL["summary"])
    return Summary(0, None, 0) if row is None else Summary(*row)


def _delivery(row: Row) -> Delivery:
    id, site_id, webhook_id, state, types, *rest = row
    return Delivery(id, site_id, webhook_id, DeliveryState(state), _decode(types), *rest)
