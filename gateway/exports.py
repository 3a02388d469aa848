"""Handing out subscriptions in the format that an import reads, keys and all."""

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from gateway import audit
from gateway.context import Context
from gateway.push_subscription import PushKeys
from gateway.subscription_lines import SubscriptionLine
from gateway.visitor import Browser, Platform
from gateway.webpush.keys import encode_base64url
from storage import audit as stored_audit
from storage import keys, sites, subscriptions
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.subscriptions import Subscription

_PAGE = 500


async def begin_export(context: Context, actor: str, site_id: int) -> AsyncIterator[bytes]:
    """Every active subscription of the site, some hundred lines at a time, read when they are asked for.

    Audited before the first byte. storage.errors.NotFound: no such site.
    """
    note = audit.entry(context, actor, "subscriptions.exported", encode_id(Kind.SITE, site_id), site_id)

    async def body(tx: Transaction) -> Mapping[int, str]:
        await sites.get(tx, site_id)
        await stored_audit.add(tx, note)
        return {key.id: encode_base64url(key.public_key) for key in await keys.of_site(tx, site_id)}

    return _pages(context, site_id, await context.database.write(body))


async def _pages(context: Context, site_id: int, public_keys: Mapping[int, str]) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode
    after_id = 0
    while True:

        async def body(tx: Transaction, after_id: int = after_id) -> Sequence[Subscription]:
            return await subscriptions.export_page(tx, site_id, after_id, _PAGE)

        page = await context.database.read(body)
        if not page:
            return
        after_id = page[-1].id
        yield b"".join(encode(_line(each, public_keys)) + b"\n" for each in page)


def _line(subscription: Subscription, public_keys: Mapping[int, str]) -> SubscriptionLine:
    return SubscriptionLine(
        endpoint=subscription.endpoint,
        keys=PushKeys(encode_base64url(subscription.p256dh), encode_base64url(subscription.auth)),
        expiration_time=subscription.expires_at,
        tags=list(subscription.tags) or None,
        attributes=dict(subscription.attributes) or None,
        external_id=subscription.external_id,
        language=subscription.language,
        timezone=subscription.timezone,
        country=subscription.country,
        browser=None if subscription.browser is None else Browser(subscription.browser),
        platform=None if subscription.platform is None else Platform(subscription.platform),
        opted_out=list(subscription.opted_out) or None,
        key_id=encode_id(Kind.KEY, subscription.key_id),
        application_server_key=public_keys.get(subscription.key_id),
    )
