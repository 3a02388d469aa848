"""Routes for the pages of a site: what they need to know, and their browsers' own subscriptions."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.assets import etag_of, knows
from gateway.api.browser import (
    BROWSERS,
    JSON_AS_TEXT,
    NEVER_STORED,
    limit_address,
    own_subscription,
    site_of_page,
)
from gateway.api.doorkeeper import bearer
from gateway.api.route import KILOBYTE, Call, Cors, Reply, route
from gateway.enrolment import Enrolment, OwnChange, change_own, end_own, enrol, prove
from gateway.errors import (
    Forbidden,
    KnownWithOtherKeys,
    OriginNotAllowed,
    QuotaExceeded,
    TooManyRequests,
    Unauthenticated,
    WrongState,
)
from gateway.site_events import SiteEvent, track
from gateway.visitor import visitor_of
from gateway.webpush.keys import encode_base64url
from storage import categories, keys, sites
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.keys import KeyState

# Browsers ask again each time, which costs a 304: a page must see at once that its key was retired.
_SHARED_SHORTLY = "public, max-age=0, s-maxage=10"


class WorkerFile(Struct, frozen=True):
    """Where the site hosts the one-line worker, and the scope that the SDK registers it with."""

    path: str = "/push-sw.js"
    scope: str = "/push-gateway/"


class PublicCategory(Struct, frozen=True):
    """What visitors may leave, by its name."""

    name: str
    title: str


class PublicConfiguration(Struct, frozen=True):
    site: str
    application_server_keys: Annotated[
        tuple[str, ...], Meta(description="Active ones, newest first, base64url.")
    ]
    worker: WorkerFile = WorkerFile()
    prompt: dict[str, Any] = {}
    categories: tuple[PublicCategory, ...] = ()


class EnrolledBrowser(Struct, frozen=True):
    id: str
    token: Annotated[str, Meta(description="With it this browser, and only it, changes its own record.")]


@route(
    "GET",
    "/v1/public/{site}",
    "What the pages of a site need to know",
    shows=PublicConfiguration,
    cors=Cors.ANY,
)
async def public_configuration(call: Call[None, None]) -> Reply[PublicConfiguration]:
    """With an ETag; 304 while nothing has changed."""
    site_id = call.site_id

    async def body(tx: Transaction) -> PublicConfiguration:
        await sites.get(tx, site_id)
        of_site = await keys.of_site(tx, site_id)
        return PublicConfiguration(
            encode_id(Kind.SITE, site_id),
            tuple(encode_base64url(key.public_key) for key in of_site if key.state is KeyState.ACTIVE),
            categories=tuple(
                PublicCategory(each.name, each.title) for each in await categories.of_site(tx, site_id)
            ),
        )

    found = await call.context.database.read(body)
    etag = etag_of(msgspec.json.encode(found))
    headers = {"Cache-Control": _SHARED_SHORTLY, "ETag": etag}
    if knows(call.request, etag):
        raise web.HTTPNotModified(headers=headers)
    return Reply(found, headers=headers)


@route(
    "POST",
    "/v1/public/{site}/subscriptions",
    "Make, refresh or replace a browser's subscription",
    status=201,
    other_statuses=(200,),
    errors=(OriginNotAllowed, Forbidden, QuotaExceeded, KnownWithOtherKeys, WrongState, TooManyRequests),
    takes=JSON_AS_TEXT,
    cors=Cors.ORIGIN,
)
async def enrol_browser(call: Call[Enrolment, None]) -> Reply[EnrolledBrowser]:
    """201 for a new one; 200 with the same id when it is known with the same keys, or replaced."""
    browsers = call.request.app[BROWSERS]
    limit_address(call, browsers.calls)
    site = await site_of_page(call)
    known = call.context.settings
    visitor = visitor_of(call.request, known.country_header, known.trusted_proxies)
    enrolled = await enrol(call.context, browsers.ceiling, browsers.automations, site, call.body, visitor)
    answer = EnrolledBrowser(encode_id(Kind.SUBSCRIPTION, enrolled.id), enrolled.token)
    return Reply(answer, 201 if enrolled.created else 200, NEVER_STORED)


@route(
    "PATCH",
    "/v1/public/{site}/subscriptions/{subscription}",
    "Change what the site says of this browser's visitor",
    errors=(OriginNotAllowed, Unauthenticated, Forbidden, TooManyRequests),
    takes=JSON_AS_TEXT,
    cors=Cors.ORIGIN,
    bearer=True,
)
async def change_own_subscription(call: Call[OwnChange, None]) -> None:
    """With the subscription's own token."""
    limit_address(call, call.request.app[BROWSERS].calls)
    site = await site_of_page(call)
    await change_own(call.context, site, own_subscription(call), call.body)


@route(
    "DELETE",
    "/v1/public/{site}/subscriptions/{subscription}",
    "The visitor wants no more",
    errors=(OriginNotAllowed, Unauthenticated, Forbidden, TooManyRequests),
    cors=Cors.ORIGIN,
    bearer=True,
)
async def end_own_subscription(call: Call[None, None]) -> None:
    """With the subscription's own token."""
    limit_address(call, call.request.app[BROWSERS].calls)
    site = await site_of_page(call)
    await end_own(call.context, site.id, own_subscription(call))


@route(
    "POST",
    "/v1/public/{site}/track",
    "Tell of an event of the site's own",
    errors=(OriginNotAllowed, Unauthenticated, Forbidden, TooManyRequests),
    body_limit=8 * KILOBYTE,
    takes=JSON_AS_TEXT,
    cors=Cors.ORIGIN,
    bearer=True,
)
async def track_event(call: Call[SiteEvent, None]) -> None:
    """With the token of a subscription, which also says whose event it is."""
    browsers = call.request.app[BROWSERS]
    limit_address(call, browsers.calls)
    site = await site_of_page(call)
    id = prove(call.context, site.id, bearer(call.request))
    await track(call.context, browsers.automations, site.id, id, call.body)


ROUTES = (public_configuration, enrol_browser, change_own_subscription, end_own_subscription, track_event)
