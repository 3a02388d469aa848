"""Webhooks: which URLs of a site are told of what happens there, and how that goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("webhooks")
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


class WebhookState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # collects for a while, and is sent nothing


@dataclass(frozen=True, slots=True)
class Webhook:
    id: int
    site_id: int
    url: str
    description: str
    types: tuple[str, ...]  # of events that it wants
    state: WebhookState
    sealed_secret: bytes
    sealed_old_secret: bytes | None  # signs, too, until `old_secret_until`
    old_secret_until: int | None
    created_at: int
    paused_at: int | None = None
    failing_since: int | None = None  # None: the last attempt was taken
    last_error: str | None = None


async def add(tx: Transaction, webhook: Webhook) -> None:
    """It collects from now on. Raises NotFound without its site."""
    w = webhook
    await tx.execute(
        _SQL["add"],
        *(w.id, w.site_id, w.url, w.description, _types(w), w.state.value, w.sealed_secret),
        *(w.sealed_old_secret, w.old_secret_until, w.created_at, w.paused_at, w.failing_since, w.last_error),
    )
    await _collect(tx, w)


async def get(tx: Transaction, site_id: int, id: int) -> Webhook:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"webhook {id}")
    return _webhook(row)


async def page(tx: Transaction, site_id: int, after: int = 0, limit: int = 100) -> Sequence[Webhook]:
    """By id, from the one after `after`."""
    return [_webhook(row) for row in await tx.fetch(_SQL["page"], site_id, after, limit)]


async def count(tx: Transaction, site_id: int) -> int:
    row = await tx.fetch_one(_SQL["count"], site_id)
    return 0 if row is None else int(row[0])


async def save(tx: Transaction, webhook: Webhook) -> None:
    """Overwrites all but its id, site and age; it collects its types from now on. Raises NotFound."""
    w = webhook
    changed = await tx.execute(
        _SQL["save"],
        *(w.site_id, w.id, w.url, w.description, _types(w), w.state.value, w.sealed_secret),
        *(w.sealed_old_secret, w.old_secret_until, w.paused_at, w.failing_since, w.last_error),
    )
    if not changed:
        raise NotFound(f"webhook {w.id}")
    await tx.execute(_SQL["forget_types"], w.site_id, w.id)
    await _collect(tx, w)


async def delete(tx: Transaction, site_id: int, id: int) -> None:
    """Raises NotFound. Its deliveries go with storage.webhook_deliveries.delete_of."""
    if not await tx.execute(_SQL["delete"], site_id, id):
        raise NotFound(f"webhook {id}")
    await tx.execute(_SQL["forget_types"], site_id, id)


async def pause(tx: Transaction, id: int, reason: str, now: int) -> bool:
    """active → paused, because it failed; False when it was not active (any more)."""
    return bool(await tx.execute(_SQL["pause"], id, reason, now))


async def failed(tx: Transaction, id: int, error: str, now: int) -> None:
    await tx.execute(_SQL["failed"], id, now, error)


async def works(tx: Transaction, id: int) -> None:
    await tx.execute(_SQL["works"], id)


async def stop_collecting(tx: Transaction, paused_before: int, limit: int = 100) -> int:
    """For webhooks that have been paused for long: nothing more is kept for them; how many they were."""
    found = await tx.fetch(_SQL["paused_since"], paused_before, limit)
    for id, site_id in found:
        await tx.execute(_SQL["forget_types"], site_id, id)
    return len(found)


async def due(tx: Transaction, now: int) -> Sequence[Webhook]:
    """Active ones with a delivery whose time has come and that nobody has in hand."""
    return [_webhook(row) for row in await tx.fetch(_SQL["due"], now)]


async def _collect(tx: Transaction, webhook: Webhook) -> None:
    await tx.execute(_SQL["collect"], webhook.site_id, webhook.id, list(webhook.types))


def _types(webhook: Webhook) -> str:
    return msgspec.json.encode(webhook.types).decode()


def _webhook(row: Row) -> Webhook:
    id, site_id, url, description, types, state, *rest = row
    return Webhook(id, site_id, url, description, _decode(types), WebhookState(state), *rest)
