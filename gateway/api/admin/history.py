"""`/v1/sites/{site}/subscriptions/{subscription}/history`: what happened to a subscription."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Cursor, Limit, Page, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.subscription_history import subscription_history
from storage.ids import Kind, encode_id
from storage.tokens import Scope


class HistoryQuery(Struct, forbid_unknown_fields=True, frozen=True):
    cursor: Cursor | None = None
    limit: Limit = 50


class HistoryEntry(Struct, frozen=True, kw_only=True):
    at: Moment
    kind: Annotated[
        str,
        Meta(
            description="Of a message `accepted`, `failed`, `gone`, `expired`, `skipped`, `displayed`, "
            "`clicked`, `closed`, `unsubscribed`; without one `subscribed`, `gone`, `expired`, "
            "`unsubscribed`, `event`."
        ),
    ]
    message: str | None
    title: str | None
    detail: Annotated[str | None, Meta(description="Why, which button, or the event's name.")]


@route(
    "GET",
    "/v1/sites/{site}/subscriptions/{subscription}/history",
    "What happened to a subscription",
    scope=Scope.READ,
)
async def show_history(call: Call[None, HistoryQuery]) -> Page[HistoryEntry]:
    """Newest first: of the site's newest 10,000 messages, as long as their raw rows are kept."""
    wanted = call.query
    found = await subscription_history(
        call.context,
        call.site_id,
        call.id_of(Kind.SUBSCRIPTION),
        read_cursor(wanted.cursor),
        wanted.limit + 1,
    )
    entries = [
        HistoryEntry(
            at=to_moment(entry.at),
            kind=entry.kind,
            message=None if entry.message_id is None else encode_id(Kind.MESSAGE, entry.message_id),
            title=entry.title,
            detail=entry.detail,
        )
        for entry, _ in found
    ]
    return page_of(entries, [cursor for _, cursor in found], wanted.limit)


ROUTES = (show_history,)
