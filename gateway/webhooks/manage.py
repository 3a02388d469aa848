"""Webhooks of a site as an admin makes, changes and ends them. Each change is in the audit log."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway import audit
from gateway.context import Context
from gateway.errors import Conflict, FieldError, InvalidRequest
from gateway.outbound import InvalidTarget, parse_target
from gateway.webhooks.attempt import seal_context
from gateway.webhooks.signing import new_secret, write_secret
from gateway.webhooks.types import EventType
from storage import audit as stored_audit
from storage import locks, sites, webhook_deliveries, webhooks
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.webhooks import Webhook, WebhookState

MOST = 20  # of a site
OLD_SECRET_SIGNS = 24 * 3_600_000  # milliseconds after a rotation


class WebhookWithLag(NamedTuple):
    webhook: Webhook
    lag: int  # milliseconds for which the oldest delivery has been waiting


class Made(NamedTuple):
    webhook: Webhook
    secret: str  # shown this once


class WebhookChange(NamedTuple):
    """None: as it is."""

    url: str | None = None
    description: str | None = None
    types: Sequence[EventType] | None = None
    state: WebhookState | None = None


async def create_webhook(
    context: Context, actor: str, site_id: int, url: str, types: Sequence[EventType], description: str
) -> Made:
    """It is told of what happens from now on. InvalidRequest: the URL; Conflict: there are MOST; NotFound."""
    secret, id = new_secret(), context.ids.next()
    made = Webhook(
        id=id,
        site_id=site_id,
        url=_checked(context, url),
        description=description,
        types=_distinct(types),
        state=WebhookState.ACTIVE,
        sealed_secret=context.master_key.seal(secret, seal_context(id)),
        sealed_old_secret=None,
        old_secret_until=None,
        created_at=context.clock.now(),
    )
    note = audit.entry(context, actor, "webhook.created", _id(id), site_id, {"events": made.types})

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, site_id)
        await sites.get(tx, site_id)
        if await webhooks.count(tx, site_id) >= MOST:
            raise Conflict(f"The site has {MOST} webhooks: delete one first.")
        await webhooks.add(tx, made)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    context.interest.forget()
    return Made(made, write_secret(secret))


async def get_webhook(context: Context, site_id: int, webhook_id: int) -> WebhookWithLag:
    async def body(tx: Transaction) -> WebhookWithLag:
        await sites.get(tx, site_id)
        [found] = await _with_lag(tx, [await webhooks.get(tx, site_id, webhook_id)], context.clock.now())
        return found

    return await context.database.read(body)


async def page_of_webhooks(
    context: Context, site_id: int, after_id: int | None, limit: int
) -> Sequence[WebhookWithLag]:
    """Oldest first."""

    async def body(tx: Transaction) -> Sequence[WebhookWithLag]:
        await sites.get(tx, site_id)
        return await _with_lag(
            tx, await webhooks.page(tx, site_id, after_id or 0, limit), context.clock.now()
        )

    return await context.database.read(body)


async def change_webhook(
    context: Context, actor: str, site_id: int, webhook_id: int, change: WebhookChange
) -> WebhookWithLag:
    """One that becomes active again is tried at once, with all that waits. InvalidRequest: the URL."""
    url = None if change.url is None else _checked(context, change.url)
    named = {"url", "description", "events", "state"} - {
        name
        for name, value in zip(("url", "description", "events", "state"), change, strict=True)
        if value is None
    }
    note = audit.entry(
        context, actor, "webhook.changed", _id(webhook_id), site_id, {"changed": sorted(named)}
    )

    async def body(tx: Transaction) -> WebhookWithLag:
        await locks.hold(tx, webhook_id)
        await sites.get(tx, site_id)
        old = await webhooks.get(tx, site_id, webhook_id)
        new = replace(
            old,
            url=url or old.url,
            description=old.description if change.description is None else change.description,
            types=old.types if change.types is None else _distinct(change.types),
            state=change.state or old.state,
        )
        if new.state is not old.state:
            paused = new.state is WebhookState.PAUSED
            new = replace(new, paused_at=note.at if paused else None, failing_since=None, last_error=None)
        await webhooks.save(tx, new)
        if new.state is WebhookState.ACTIVE and (new.state, new.url) != (old.state, old.url):
            await webhook_deliveries.hurry(tx, webhook_id, note.at)
        await stored_audit.add(tx, note)
        [shown] = await _with_lag(tx, [new], note.at)
        return shown

    changed = await context.database.write(body)
    context.interest.forget()
    return changed


async def rotate_secret(context: Context, actor: str, site_id: int, webhook_id: int) -> str:
    """A new secret. The one until now signs, too, for OLD_SECRET_SIGNS; the one before that no more."""
    secret = new_secret()
    sealed = context.master_key.seal(secret, seal_context(webhook_id))
    note = audit.entry(context, actor, "webhook.secret_rotated", _id(webhook_id), site_id)

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, webhook_id)
        await sites.get(tx, site_id)
        old = await webhooks.get(tx, site_id, webhook_id)
        rotated = replace(
            old,
            sealed_secret=sealed,
            sealed_old_secret=old.sealed_secret,
            old_secret_until=note.at + OLD_SECRET_SIGNS,
        )
        await webhooks.save(tx, rotated)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    return write_secret(secret)


async def delete_webhook(context: Context, actor: str, site_id: int, webhook_id: int) -> None:
    """It is told of nothing more; its deliveries are removed in the background."""
    note = audit.entry(context, actor, "webhook.deleted", _id(webhook_id), site_id)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await webhooks.delete(tx, site_id, webhook_id)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    context.interest.forget()


async def _with_lag(tx: Transaction, found: Sequence[Webhook], now: int) -> Sequence[WebhookWithLag]:
    oldest = await webhook_deliveries.oldest_pending(tx, [each.id for each in found])
    return [WebhookWithLag(each, max(0, now - oldest.get(each.id, now))) for each in found]


def _checked(context: Context, url: str) -> str:
    try:
        return str(parse_target(url, context.settings.outbound_private))
    except InvalidTarget as exc:
        raise InvalidRequest(errors=[FieldError("url", str(exc))]) from None


def _distinct(types: Sequence[EventType]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(type.value for type in types))


def _id(webhook_id: int) -> str:
    return encode_id(Kind.WEBHOOK, webhook_id)
