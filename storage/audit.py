"""The audit log: who changed what, when. Only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.ids import MAX_ID
from storage.queries import load

_SQL = load("audit")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    site_id: int | None
    actor: str  # a token's public id, "cli" or "system"
    action: str  # as in "site.create"
    target: str  # the public id of what was changed
    detail: str  # JSON, without secrets
    at: int


async def add(tx: Transaction, entry: AuditEntry) -> None:
    """In the transaction of the change itself, so that there is never one without the other."""
    await tx.execute(
        _SQL["add"], entry.id, entry.site_id, entry.actor, entry.action, entry.target, entry.detail, entry.at
    )


async def page(
    tx: Transaction,
    before_id: int | None = None,
    limit: int = 100,
    site_id: int | None = None,
    action: str | None = None,
    actor: str | None = None,
) -> Sequence[AuditEntry]:
    """Newest first, from the one before `before_id`; of one site, action or actor where they are given.

    `action` may be the thing alone: `message` is `message.created` and all the others of it.
    """
    which = (MAX_ID if before_id is None else before_id, limit, action, actor)
    if site_id is None:
        rows = await tx.fetch(_SQL["page"], *which)
    else:
        rows = await tx.fetch(_SQL["page_of_site"], *which, site_id)
    return [AuditEntry(*row) for row in rows]
