"""Sites: the tenants. Everything else but the admin tokens belongs to one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("sites")

# What belongs to a site and is purged after it, children before parents. Constants, never user input.
_PURGED = (
    "outbox",
    "webhook_deliveries",
    "webhook_types",
    "webhooks",
    "custom_events",
    "events",
    "deliveries",
    "rollups",
    "site_totals",
    "growth",
    "breakdowns",
    "site_hours",
    "unlearnt",
    "batches",
    "stages",
    "idempotency_keys",
    "recipients",
    "recipient_lists",
    "images",
    "templates",
    "messages",
    "automation_places",
    "automation_rounds",
    "automations",
    "segments",
    "categories",
    "recent_pushes",
    "push_locations",
    "acceptances",
    "alerts",
    "quotas",
    "subscriptions",
    "throttles",
    "tokens",
    "application_server_keys",
)


class Identity(StrEnum):
    """Whether a page must prove an external id with a signature of the site's back end."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Site:
    id: int
    name: str
    origins: tuple[str, ...]  # as in the Origin header
    contact: str  # VAPID's `sub`: mailto: or https: (RFC 8292 section 2.1)
    identity: Identity
    demo: bool
    created_at: int
    settings: str = "{}"  # JSON


async def add(tx: Transaction, site: Site) -> None:
    await tx.execute(_SQL["add"], *_values(site), site.created_at)


async def get(tx: Transaction, site_id: int) -> Site:
    """Raises NotFound, also when the site was deleted."""
    row = await tx.fetch_one(_SQL["get"], site_id)
    if row is None:
        raise NotFound(f"site {site_id}")
    return _site(row)


async def page(
    tx: Transaction, after_id: int = 0, limit: int = 100, only: Collection[int] | None = None
) -> Sequence[Site]:
    """Sites by id, from the one after `after_id`; those with ids in `only` when it is given."""
    if only is None:
        rows = await tx.fetch(_SQL["page"], after_id, limit)
    else:
        rows = await tx.fetch(_SQL["page_of"], after_id, limit, list(only))
    return [_site(row) for row in rows]


async def by_ids(tx: Transaction, ids: Collection[int]) -> Mapping[int, Site]:
    """Those that exist."""
    return {site.id: site for site in await page(tx, limit=len(ids), only=ids)} if ids else {}


async def update(tx: Transaction, site: Site) -> None:
    """Overwrites everything but `id` and `created_at`. Raises NotFound."""
    if not await tx.execute(_SQL["update"], *_values(site)):
        raise NotFound(f"site {site.id}")


async def delete(tx: Transaction, site_id: int, now: int) -> None:
    """Marks the site: it is not found any more, its tokens and keys end, its messages stop.

    Its rows go later, in small steps (`purge_step`). Raises NotFound.
    """
    if not await tx.execute(_SQL["delete"], site_id, now):
        raise NotFound(f"site {site_id}")
    await tx.execute(_SQL["revoke_tokens"], site_id, now)
    await tx.execute(_SQL["retire_keys"], site_id)
    await tx.execute(_SQL["cancel_messages"], site_id, now)
    await tx.execute(_SQL["delete_automations"], site_id, now)


async def find_demo(tx: Transaction) -> Site | None:
    """The oldest demo site that is not deleted."""
    row = await tx.fetch_one(_SQL["find_demo"])
    return None if row is None else _site(row)


async def purge_step(tx: Transaction, limit: int = 1_000) -> int:
    """Removes up to `limit` rows of deleted sites; returns how many, 0 when nothing is left to purge.

    The site's own row goes last. The audit log stays: it says who deleted the site.
    """
    for (site_id,) in await tx.fetch(_SQL["deleted"]):
        for table in _PURGED:
            if removed := await tx.execute(_SQL[f"purge_{table}"], site_id, limit):
                return removed
        return await tx.execute(_SQL["purge"], site_id)
    return 0


def _values(site: Site) -> tuple[int, str, str, str, str, int, str]:
    origins = msgspec.json.encode(site.origins).decode()
    return (site.id, site.name, origins, site.contact, site.identity.value, int(site.demo), site.settings)


def _site(row: Row) -> Site:
    id, name, origins, contact, identity, demo, settings, created_at = row
    origins = msgspec.json.decode(origins, type=tuple[str, ...])
    return Site(id, name, origins, contact, Identity(identity), bool(demo), created_at, settings)
