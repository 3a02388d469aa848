"""`/v1/sites/{site}/subscriptions`: who can be reached, taken in and handed out as lines of JSON."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import audit
from gateway.api.body import body_pieces, decode_body
from gateway.api.lines import stream_lines
from gateway.api.moments import Moment, to_moment, to_optional_moment
from gateway.api.paging import Cursor, Limit, Page, page_of, read_cursor
from gateway.api.route import JSON, Call, route
from gateway.errors import QuotaExceeded
from gateway.exports import begin_export
from gateway.imports import ImportResult, import_subscriptions
from gateway.subscription_fields import AttributeValue, ExternalId, Tag
from gateway.subscription_lines import CONTENT_TYPE, SubscriptionLine
from gateway.subscriptions import (
    SubscriptionChange,
    change_subscription,
    erase_subscription,
    get_subscription,
    page_of_subscriptions,
)
from storage.ids import Kind, encode_id
from storage.subscriptions import Subscription, SubscriptionState
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/subscriptions"


class Filter(Struct, forbid_unknown_fields=True, frozen=True):
    cursor: Cursor | None = None
    limit: Limit = 50
    external_id: ExternalId | None = None
    tag: Tag | None = None
    state: SubscriptionState | None = None


class Changes(SubscriptionChange, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Fields that are not given stay as they are; an external id of null is forgotten."""


class ShownSubscription(Struct, frozen=True):
    """Without endpoint and keys: who has those can push to the visitor. An export has them."""

    id: str
    state: SubscriptionState
    provider: str
    key_id: Annotated[str, Meta(description="The application server key that it was made with.")]
    external_id: str | None
    language: str | None
    timezone: str | None
    tags: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    opted_out: Annotated[tuple[str, ...], Meta(description="The categories that the visitor has left.")]
    country: Annotated[str | None, Meta(description="As a trusted proxy said, or an import.")]
    browser: str | None
    platform: str | None
    created_at: Moment
    seen_at: Moment
    accepted_at: Annotated[Moment | None, Meta(description="The last accepted push, to the week.")]
    displayed_at: Annotated[Moment | None, Meta(description="The last time a message was displayed.")]
    clicked_at: Annotated[Moment | None, Meta(description="The last time a message was clicked.")]
    expires_at: Moment | None
    ended_at: Moment | None


@route("GET", _PATH, "List subscriptions", scope=Scope.READ)
async def list_subscriptions(call: Call[None, Filter]) -> Page[ShownSubscription]:
    """Oldest first; those that meet every filter given."""
    wanted = call.query
    found = await page_of_subscriptions(
        call.context,
        call.site_id,
        read_cursor(wanted.cursor),
        wanted.limit + 1,
        external_id=wanted.external_id,
        tag=wanted.tag,
        state=wanted.state,
    )
    return page_of([_show(each) for each in found], [each.id for each in found], wanted.limit)


@route("GET", f"{_PATH}/{{subscription}}", "Show a subscription", scope=Scope.READ)
async def show_subscription(call: Call[None, None]) -> ShownSubscription:
    return _show(await get_subscription(call.context, call.site_id, call.id_of(Kind.SUBSCRIPTION)))


@route("PATCH", f"{_PATH}/{{subscription}}", "Change a subscription", scope=Scope.MANAGE)
async def change_one_subscription(call: Call[Changes, None]) -> ShownSubscription:
    actor, id = audit.actor(call.token), call.id_of(Kind.SUBSCRIPTION)
    return _show(await change_subscription(call.context, actor, call.site_id, id, call.body))


@route("DELETE", f"{_PATH}/{{subscription}}", "Erase a subscription", scope=Scope.MANAGE)
async def erase_one_subscription(call: Call[None, None]) -> None:
    """Everything personal is overwritten; counts stay. The same browser may subscribe again."""
    actor, id = audit.actor(call.token), call.id_of(Kind.SUBSCRIPTION)
    await erase_subscription(call.context, actor, call.site_id, id)


@route(
    "POST",
    f"{_PATH}/import",
    "Import subscriptions",
    scope=Scope.MANAGE,
    errors=(QuotaExceeded,),
    takes=(CONTENT_TYPE, "application/jsonl", JSON),
)
async def import_many(call: Call[aiohttp.StreamReader, None]) -> ImportResult:
    """A stream of lines, of any length. Bad lines are reported by their number, the good ones are kept.

    `added` and `known` are durable as soon as they are counted; sending the same stream again is harmless.
    Where the site's quota ends, so does the import, with 403: what came before it is stored.
    """
    decode = partial(decode_body, decoder=_line_decoder)
    actor = audit.actor(call.token)
    return await import_subscriptions(call.context, actor, call.site_id, body_pieces(call.body), decode)


@route("GET", f"{_PATH}/export", "Export subscriptions", scope=Scope.MANAGE, gives=CONTENT_TYPE)
async def export_all(call: Call[None, None]) -> web.StreamResponse:
    """Every active subscription, a line each, in the format that an import reads. Audited."""
    pages = await begin_export(call.context, audit.actor(call.token), call.site_id)
    return await stream_lines(call.request, pages, "subscriptions.ndjson", call.site_id)


def _show(found: Subscription) -> ShownSubscription:
    return ShownSubscription(
        id=encode_id(Kind.SUBSCRIPTION, found.id),
        state=found.state,
        provider=found.provider,
        key_id=encode_id(Kind.KEY, found.key_id),
        external_id=found.external_id,
        language=found.language,
        timezone=found.timezone,
        tags=found.tags,
        attributes=found.attributes,
        opted_out=found.opted_out,
        country=found.country,
        browser=found.browser,
        platform=found.platform,
        created_at=to_moment(found.created_at),
        seen_at=to_moment(found.seen_at),
        accepted_at=to_optional_moment(found.accepted_at),
        displayed_at=to_optional_moment(found.displayed_at),
        clicked_at=to_optional_moment(found.clicked_at),
        expires_at=to_optional_moment(found.expires_at),
        ended_at=to_optional_moment(found.ended_at),
    )


_line_decoder: Final = msgspec.json.Decoder(SubscriptionLine)

ROUTES = (
    list_subscriptions,
    import_many,
    export_all,
    show_subscription,
    change_one_subscription,
    erase_one_subscription,
)
