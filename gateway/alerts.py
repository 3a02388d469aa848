"""Alerts as admins see them: listed, and acknowledged by somebody who takes care of it."""

from collections.abc import Sequence
from enum import StrEnum

from gateway import audit
from gateway.context import Context
from gateway.errors import NotFound
from storage import alerts
from storage import audit as stored_audit
from storage.alerts import Alert
from storage.database import Transaction
from storage.ids import Kind, encode_id


class Which(StrEnum):
    RAISED = "raised"
    ENDED = "ended"
    ALL = "all"


async def page_of_alerts(
    context: Context, site_id: int | None, which: Which, before_id: int | None, limit: int
) -> Sequence[Alert]:
    """Newest first; those of one site, or with None all, also of the whole gateway."""

    async def body(tx: Transaction) -> Sequence[Alert]:
        return await alerts.page(
            tx,
            before_id,
            limit,
            site_id,
            raised=which is not Which.ENDED,
            ended=which is not Which.RAISED,
        )

    return await context.database.read(body)


async def acknowledge_alert(context: Context, actor: str, site_id: int | None, alert_id: int) -> Alert:
    """Somebody has seen it; a second time is no error. NotFound, also for one of another site."""
    target = encode_id(Kind.ALERT, alert_id)

    found = await context.database.read(lambda tx: alerts.get(tx, alert_id))
    if site_id is not None and found.site_id != site_id:
        raise NotFound
    of_site = found.site_id or None
    note = audit.entry(context, actor, "alert.acknowledged", target, of_site, {"name": found.name})

    async def body(tx: Transaction) -> Alert:
        if await alerts.acknowledge(tx, alert_id, note.at):
            await stored_audit.add(tx, note)
        return await alerts.get(tx, alert_id)

    return await context.database.write(body)
