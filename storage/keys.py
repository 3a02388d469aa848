"""Application server keys: the VAPID key pairs of a site (RFC 8292). A subscription works with one of
them only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("keys")


class KeyState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # push services refuse its signatures: nothing is sent until someone looks
    RETIRED = "retired"  # deleted by its owner: its subscriptions cannot be reached any more


@dataclass(frozen=True, slots=True)
class ApplicationServerKey:
    id: int
    site_id: int
    public_key: bytes  # 65 bytes, uncompressed point
    sealed_private_key: bytes  # encrypted under the master key; storage never opens it
    state: KeyState
    state_reason: str | None
    created_at: int


async def add(tx: Transaction, key: ApplicationServerKey) -> None:
    """Raises Conflict when the site has this public key already (also a retired one), NotFound without
    site.
    """
    await tx.execute(
        _SQL["add"],
        key.id,
        key.site_id,
        key.public_key,
        key.sealed_private_key,
        key.state.value,
        key.state_reason,
        key.created_at,
    )


async def of_site(tx: Transaction, site_id: int) -> Sequence[ApplicationServerKey]:
    """Every key of the site, also retired ones, newest first."""
    return [_key(row) for row in await tx.fetch(_SQL["of_site"], site_id)]


async def get(tx: Transaction, site_id: int, id: int) -> ApplicationServerKey:
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"application server key {id}")
    return _key(row)


async def by_ids(tx: Transaction, ids: Sequence[int]) -> Sequence[ApplicationServerKey]:
    """Those that exist, in no order. For senders: one query for all keys of many batches."""
    return [_key(row) for row in await tx.fetch(_SQL["by_ids"], list(ids))]


async def states(tx: Transaction, ids: Sequence[int]) -> Mapping[int, KeyState]:
    """Of those that exist: for senders, who look often."""
    return {id: KeyState(state) for id, state in await tx.fetch(_SQL["states"], list(ids))}


async def newest_active(tx: Transaction, site_id: int) -> ApplicationServerKey | None:
    """The key that new subscriptions are made with."""
    row = await tx.fetch_one(_SQL["newest_active"], site_id)
    return None if row is None else _key(row)


async def retire(tx: Transaction, site_id: int, id: int) -> None:
    """For good. Idempotent. Raises NotFound."""
    await get(tx, site_id, id)
    await tx.execute(_SQL["retire"], site_id, id)


async def set_state(
    tx: Transaction, id: int, from_state: KeyState, to_state: KeyState, reason: str | None
) -> bool:
    """Compare and set: False when the key is not in `from_state` any more."""
    return bool(await tx.execute(_SQL["set_state"], id, from_state.value, to_state.value, reason))


async def end_wait(tx: Transaction, site_id: int, now: int, until: int, limit: int = 1_000) -> int:
    """Makes due at once, up to `limit` batches, what waits for a key of the site until `until` at the
    latest; how many there were."""
    found = await tx.execute(_SQL["end_wait"], site_id, now, until, limit)
    if found:
        await tx.execute(_SQL["wake"], site_id)
        await tx.notify_work()
    return found


async def idle_waits(tx: Transaction, now: int, until: int, limit: int = 100) -> Sequence[int]:
    """Sites in which something waits as in `end_wait`, and no key is paused."""
    return [row[0] for row in await tx.fetch(_SQL["idle_waits"], now, until, limit)]


def _key(row: Row) -> ApplicationServerKey:
    id, site_id, public_key, sealed, state, reason, created_at = row
    return ApplicationServerKey(id, site_id, public_key, sealed, KeyState(state), reason, created_at)
