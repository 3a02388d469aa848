"""Who changed what, when: every change by an admin, written in the transaction that makes it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.context import Context
from storage import audit
from storage.audit import AuditEntry
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.tokens import ApiToken

COMMAND_LINE = "cli"
SYSTEM = "system"


def actor(token: ApiToken) -> str:
    """The token's id, as its owner finds it in the list of tokens."""
    return encode_id(Kind.TOKEN, token.id)


def entry(
    context: Context,
    actor: str,
    action: str,
    target: str,
    site_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Make it before the transaction's body, hand it to `storage.audit.add` within.

    `action` is `thing.verb` (`site.created`), `target` the thing's id as the API writes it. `detail` says
    which fields changed and how; never a secret, and of visitors nothing but counts and ids.
    """
    return AuditEntry(
        id=context.ids.next(),
        site_id=site_id,
        actor=actor,
        action=action,
        target=target,
        detail=msgspec.json.encode(detail or {}).decode(),
        at=context.clock.now(),
    )


async def page(
    context: Context,
    before_id: int | None,
    limit: int,
    *,
    site_id: int | None = None,
    action: str | None = None,
    actor: str | None = None,
) -> tuple[AuditEntry, ...]:
    """The newest first; see storage.audit.page."""

    async def body(tx: Transaction) -> tuple[AuditEntry, ...]:
        return tuple(await audit.page(tx, before_id, limit, site_id, action, actor))

    return await context.database.read(body)
