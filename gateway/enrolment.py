"""What browsers do with their own subscription: make it, change it, end it.

A browser proves itself with the token of its subscription, an external id with the site's signature; all else
that a page says is a claim, and stored as one.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated

from msgspec import Meta, Struct, structs

from gateway.automation_cache import AutomationCache
from gateway.campaigns.automations import entries
from gateway.categories import known_categories
from gateway.ceiling import HourlyCeiling
from gateway.context import Context
from gateway.errors import FieldError, Forbidden, InvalidRequest, KnownWithOtherKeys, WrongState
from gateway.push_subscription import PushSubscriptionJson, parse_push_subscription
from gateway.quotas import check_subscribers, hold
from gateway.site_settings import read_settings
from gateway.sites import identity_key
from gateway.subscription_fields import (
    Attributes,
    ExternalId,
    Language,
    Tags,
    Timezone,
    check_fields,
    check_totals,
    signature_fits,
)
from gateway.subscriptions import SubscriptionChange, apply_change
from gateway.tokens import SUBSCRIPTION_TOKENS, issue_subscription_token, read_subscription_token
from gateway.visitor import Visitor
from gateway.webpush.errors import InvalidKey
from gateway.webpush.keys import decode_p256dh
from storage import automations, events, keys, rollups, subscriptions
from storage.database import Transaction
from storage.errors import EndpointTaken
from storage.errors import NotFound as NotStored
from storage.events import Event, EventKind
from storage.ids import Kind, MalformedId, decode_id
from storage.keys import KeyState
from storage.rollups import Rollup
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription, Registered, SubscriptionState

NO_MESSAGE = 0  # roll-ups of the site itself: a visitor who leaves need not leave over a message
OVER_A_MESSAGE = 24 * 3_600_000  # milliseconds from a display until somebody leaves over it

_UNSUBSCRIBED = EventKind.UNSUBSCRIBED.value
_UNKNOWN_KEY = "This is not an application server key of the site."

Signature = Annotated[
    str, Meta(max_length=64, description="HMAC-SHA256(identity key, external_id) in hex or base64url.")
]


class Replaced(Struct, kw_only=True):
    """The browser's subscription until now, and the proof that it is its own."""

    id: Annotated[str, Meta(max_length=64)]
    token: Annotated[str, Meta(max_length=64)]


class Enrolment(Struct, kw_only=True):
    """A browser's subscription and what its page says of the visitor."""

    subscription: PushSubscriptionJson
    application_server_key: (
        Annotated[
            str,
            Meta(
                max_length=128,
                description="What the browser subscribed with, base64url; default: the newest active one.",
            ),
        ]
        | None
    ) = None
    tags: Tags | None = None
    attributes: Attributes | None = None
    language: Language | None = None
    timezone: Timezone | None = None
    external_id: ExternalId | None = None
    external_id_signature: Signature | None = None
    replaces: Replaced | None = None


class OwnChange(SubscriptionChange, kw_only=True, frozen=True):
    """Fields that are not given stay as they are; an external id of null is forgotten."""

    external_id_signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """`created` is False when the browser was known already. The token is for its eyes only."""

    id: int
    token: str
    created: bool


async def enrol(
    context: Context,
    ceiling: HourlyCeiling,
    known: AutomationCache,
    site: Site,
    enrolment: Enrolment,
    visitor: Visitor,
) -> Enrolled:
    """Make, refresh, revive or replace a browser's subscription. Who is new or comes back enters automations.

    InvalidRequest; Forbidden: `replaces` with a stranger's token; KnownWithOtherKeys; WrongState: no active
    key; TooManyRequests: the ceiling; QuotaExceeded.
    """
    now = context.clock.now()
    new = _checked(context, site, enrolment, visitor, now)
    public_key = _public_key(enrolment.application_server_key)
    replaced = None if enrolment.replaces is None else _replaced(context, site.id, enrolment.replaces)
    id = context.ids.next()
    full = ceiling.is_reached(site.id)
    entered = entries((await known.get(site.id)).on_subscribe, now)
    quotas = read_settings(site).quotas

    async def body(tx: Transaction) -> Registered:
        await hold(tx, site.id, quotas)
        bound = replace(new, key_id=await _key_id(tx, site.id, public_key, new.endpoint))
        registered = await _store(tx, site.id, id, replaced, bound, now)
        if registered.created and full:
            raise ceiling.refusal()
        stored = await subscriptions.get(tx, site.id, registered.id)
        passed = check_totals(stored.tags, stored.attributes)
        if passed:
            raise InvalidRequest("The subscription cannot be changed.", passed)
        if registered.revived:  # what it was in has ended with it
            await automations.leave_all(tx, site.id, registered.id)
        if registered.created or registered.revived:
            await check_subscribers(tx, site.id, quotas)
            await automations.enter(tx, site.id, [registered.id], entered)
        return registered

    try:
        registered = await context.database.write(body)
    except EndpointTaken as exc:
        raise KnownWithOtherKeys from exc
    if registered.created:
        ceiling.count(site.id)
    token = issue_subscription_token(_token_key(context, site.id), site.id, registered.id)
    return Enrolled(registered.id, token, registered.created)


def prove(context: Context, site_id: int, token: str) -> int:
    """The id of the subscription whose token this is; Forbidden when it is nobody's."""
    id = read_subscription_token(_token_key(context, site_id), site_id, token)
    if id is None:
        raise Forbidden("This is not the token of a subscription of this site.")
    return id


async def change_own(context: Context, site: Site, id: int, change: OwnChange) -> None:
    """Categories that the site has not are passed over.

    NotFound when it was erased; InvalidRequest: a limit would be passed, the external id is not signed.
    """
    if isinstance(change.external_id, str):
        errors = _unsigned(context, site, change.external_id, change.external_id_signature)
        if errors:
            raise InvalidRequest(errors=errors)

    async def body(tx: Transaction) -> None:
        # Whoever subscribes anew says again what they have left: it may have been deleted since.
        known = await known_categories(tx, site.id, change.opt_out)
        await apply_change(tx, site.id, id, structs.replace(change, opt_out=known))

    await context.database.write(body)


async def end_own(context: Context, site_id: int, id: int) -> None:
    """The visitor wants no more. Repeating it changes nothing; NotFound when it was erased.

    Counted for the message that their browser displayed last, if that was within a day.
    """
    now = context.clock.now()

    async def body(tx: Transaction) -> None:
        stored = await subscriptions.get_to_change(tx, site_id, id)
        await automations.leave_all(tx, site_id, id)
        if stored.state is not SubscriptionState.ACTIVE:
            return
        over = await events.displayed_last(tx, site_id, id, now - OVER_A_MESSAGE)
        left = over and Event(site_id, over.message_id, id, over.variant, EventKind.UNSUBSCRIBED, None, now)
        # They may have left over it before: the first time is its own.
        if left is None or not await events.record(tx, [left]):
            await rollups.add_many(
                tx, [Rollup(site_id, NO_MESSAGE, 0, stored.provider, now, _UNSUBSCRIBED, 1)]
            )
        # Last, as senders do: they count what they sent, and then whom a push service calls gone.
        await subscriptions.end(tx, site_id, id, SubscriptionState.UNSUBSCRIBED, now)

    await context.database.write(body)


def _checked(
    context: Context, site: Site, enrolment: Enrolment, visitor: Visitor, now: int
) -> NewSubscription:
    """InvalidRequest with everything that can be seen without the database."""
    errors = check_fields(enrolment.attributes, enrolment.timezone)
    if enrolment.external_id is not None:
        errors += _unsigned(context, site, enrolment.external_id, enrolment.external_id_signature)
    if errors:
        raise InvalidRequest(errors=errors)
    given = enrolment.subscription
    parsed = parse_push_subscription(
        given.endpoint, given.keys, given.expiration_time, context.push_hosts, now, "subscription."
    )
    return NewSubscription(
        endpoint=parsed.endpoint.url,
        provider=parsed.endpoint.provider,
        key_id=0,
        p256dh=parsed.p256dh,
        auth=parsed.auth,
        expires_at=parsed.expires_at,
        external_id=enrolment.external_id,
        language=enrolment.language,
        timezone=enrolment.timezone,
        tags=tuple(dict.fromkeys(enrolment.tags or ())),
        attributes=enrolment.attributes or {},
        country=visitor.country,
        browser=visitor.browser,
        platform=visitor.platform,
        created_at=now,
    )


def _unsigned(context: Context, site: Site, external_id: str, signature: str | None) -> list[FieldError]:
    """What is wrong with a page's claim to be this visitor."""
    if site.identity is Identity.UNSIGNED:
        return []
    key = identity_key(context.master_key, site.id).encode()
    if signature is not None and signature_fits(key, external_id, signature):
        return []
    path = "external_id_signature"
    return [
        FieldError(
            path, "An external id needs HMAC-SHA256(identity key, external_id) of the site's back end."
        )
    ]


def _public_key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return decode_p256dh(text)
    except InvalidKey:
        raise InvalidRequest(errors=[FieldError("application_server_key", _UNKNOWN_KEY)]) from None


async def _key_id(tx: Transaction, site_id: int, public_key: bytes | None, endpoint: str) -> int:
    """The key that a browser subscribed with. One that does not say: what is known of it, else the newest."""
    if public_key is not None:
        for key in await keys.of_site(tx, site_id):
            if key.public_key == public_key and key.state is not KeyState.RETIRED:
                return key.id
        raise InvalidRequest(errors=[FieldError("application_server_key", _UNKNOWN_KEY)])
    known = await subscriptions.by_endpoint(tx, site_id, endpoint)
    if known is not None:
        return known.key_id
    newest = await keys.newest_active(tx, site_id)
    if newest is None:
        raise WrongState("The site has no active application server key.")
    return newest.id


def _replaced(context: Context, site_id: int, replaces: Replaced) -> int:
    """The id that the new endpoint takes over. Never a bare claim: the token proves it."""
    try:
        id = decode_id(Kind.SUBSCRIPTION, replaces.id)
    except MalformedId:
        raise InvalidRequest(
            errors=[FieldError("replaces.id", "This is not the id of a subscription.")]
        ) from None
    if prove(context, site_id, replaces.token) != id:
        raise Forbidden("This is the token of another subscription.")
    return id


async def _store(
    tx: Transaction, site_id: int, id: int, replaced: int | None, new: NewSubscription, now: int
) -> Registered:
    if replaced is not None:
        with suppress(NotStored):  # pruned or erased meanwhile: the browser is here all the same
            return await subscriptions.replace(tx, site_id, replaced, new, now)
    return await subscriptions.register(tx, site_id, id, new, now)


def _token_key(context: Context, site_id: int) -> bytes:
    return context.master_key.derive(SUBSCRIPTION_TOKENS, site_id)
