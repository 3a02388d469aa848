"""The outbox of webhooks: what happened, written in the transaction in which it happened.

A fact is a JSON object. `message_id` and `subscription_id` in it are ints and shown as the API shows ids;
`at` (milliseconds) is when it happened, otherwise the row's time counts. Messages' states and subscriptions
that come and end are told by triggers (storage/migrations/0015_webhooks.sql).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("outbox")
_MOST = 500  # facts in a row

Wanted = Mapping[int, frozenset[str]]  # types by site; sites that want none are absent


class Waiting(NamedTuple):
    id: int
    site_id: int
    type: str
    facts: str  # a JSON array
    n: int
    at: int | None  # None: nobody wrote it down; about now


async def wanted(tx: Transaction) -> Wanted:
    """Which types the sites with webhooks want. For whoever has much to tell, and looks once in a while."""
    found: dict[int, set[str]] = {}
    for site_id, type in await tx.fetch(_SQL["wanted"]):
        found.setdefault(site_id, set()).add(type)
    return {site_id: frozenset(types) for site_id, types in found.items()}


async def add(tx: Transaction, site_id: int, type: str, facts: Sequence[str], now: int) -> None:
    """Facts of one type, each a JSON object. Nothing happens unless a webhook of the site wants the type."""
    for start in range(0, len(facts), _MOST):
        page = facts[start : start + _MOST]
        await tx.execute(_SQL["add"], site_id, type, f"[{','.join(page)}]", len(page), now)


async def waiting(tx: Transaction, rows: int, facts: int = 1_000_000) -> Sequence[Waiting]:
    """The oldest first: so many rows and facts at most, but for one row that has more."""
    ids: list[int] = []
    for id, n in await tx.fetch(_SQL["sizes"], rows):
        facts -= n
        if ids and facts < 0:
            break
        ids.append(id)
    return [Waiting(*row) for row in await tx.fetch(_SQL["waiting"], ids)] if ids else ()


async def take(tx: Transaction, ids: Sequence[int]) -> bool:
    """Removes what was read; False when somebody else has taken some of it meanwhile: change nothing then."""
    return await tx.execute(_SQL["take"], list(ids)) == len(ids)


async def wanting(tx: Transaction, site_ids: Sequence[int]) -> Mapping[tuple[int, str], Sequence[int]]:
    """The webhooks that collect a type, by site and type; none of sites that were deleted."""
    found: dict[tuple[int, str], list[int]] = {}
    for site_id, type, webhook_id in await tx.fetch(_SQL["wanting"], list(site_ids)):
        found.setdefault((site_id, type), []).append(webhook_id)
    return found
