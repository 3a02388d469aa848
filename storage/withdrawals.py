"""What it takes to withdraw a message: where its pushes are kept, who has seen it, its withdrawals."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.messages import MessageState
from storage.queries import load

_SQL = load("withdrawals")


class PushLocation(NamedTuple):
    """Where a push service keeps a push that it took: a DELETE there takes it back (RFC 8030 section 6.2)."""

    site_id: int
    subscription_id: int
    message_id: int
    location: str
    forget_at: int  # when the push service has forgotten it, too


class Withdrawal(NamedTuple):
    id: int
    state: MessageState


async def add_locations(tx: Transaction, found: Sequence[PushLocation]) -> None:
    """What is known of a message and a subscription stays."""
    await tx.execute_rows(_SQL["add_locations"], found)


async def locations(tx: Transaction, site_id: int, message_id: int, ids: Sequence[int]) -> Mapping[int, str]:
    """By subscription, those of `ids` that have one."""
    rows = await tx.fetch(_SQL["locations"], site_id, message_id, list(ids))
    return {row[0]: row[1] for row in rows}


async def forget_locations(tx: Transaction, now: int, limit: int = 1_000) -> int:
    """Removes those of any site that are good for nothing any more; how many."""
    return await tx.execute(_SQL["forget_locations"], now, limit)


async def erase_locations(tx: Transaction, site_id: int, subscription_id: int) -> None:
    """All of one subscription."""
    await tx.execute(_SQL["erase_locations"], site_id, subscription_id)


async def reported(tx: Transaction, site_id: int, message_id: int, ids: Sequence[int]) -> set[int]:
    """Those of the subscriptions `ids` whose browsers have told anything of the message: they showed it."""
    rows = await tx.fetch(_SQL["reported"], site_id, message_id, list(ids))
    return {row[0] for row in rows}


async def forgotten(
    tx: Transaction, site_id: int, message_id: int, ids: Sequence[int], until: int
) -> set[int]:
    """Those of the subscriptions `ids` for whom a push service took the message at `until` or before."""
    rows = await tx.fetch(_SQL["forgotten"], site_id, message_id, list(ids), until)
    return {row[0] for row in rows}


async def taken_back(tx: Transaction, site_id: int, message_id: int, ids: Sequence[int]) -> set[int]:
    """Those of the subscriptions `ids` from whom a withdrawal, cancelled since, has taken it back."""
    rows = await tx.fetch(_SQL["taken_back"], site_id, message_id, list(ids))
    return {row[0] for row in rows}


async def is_under_way(tx: Transaction, message_id: int) -> bool:
    """Whether it is not known yet who got all of the message, or of a withdrawal of it that was cancelled."""
    return await tx.fetch_one(_SQL["under_way"], message_id) is not None


async def last_of(tx: Transaction, message_ids: Sequence[int]) -> Mapping[int, Withdrawal]:
    """By message its last withdrawal, of those that have any."""
    rows = await tx.fetch(_SQL["last_of"], list(message_ids))
    return {row[0]: Withdrawal(row[1], MessageState(row[2])) for row in rows}


async def put_off(tx: Transaction, id: int, from_at: int, to_at: int, reason: str) -> bool:
    """Lets a scheduled message start later. False when it is not as it was looked at any more."""
    return bool(await tx.execute(_SQL["put_off"], id, from_at, to_at, reason))
