"""`/v1/sites/{site}/messages`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from gateway import audit, idempotency, messages, replays
from gateway.api.admin.message_types import Message, MessageChange, NewMessage, Replay, merge, read_draft
from gateway.api.admin.message_views import show_message
from gateway.api.admin.template_use import fill_in, fill_in_change
from gateway.api.moments import from_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor, write_cursor
from gateway.api.route import KILOBYTE, Call, Reply, route
from gateway.errors import (
    Conflict,
    FieldError,
    IdempotencyKeyReused,
    InvalidRequest,
    PayloadTooLarge,
    QuotaExceeded,
    RowsRemoved,
    WrongState,
)
from gateway.message_search import search_messages
from storage.ids import Kind, MalformedId, decode_id
from storage.messages import MessageState
from storage.tokens import Scope

_BODY_LIMIT = 1024 * KILOBYTE  # 10,000 recipients with some data each


@route(
    "POST",
    "/v1/sites/{site}/messages",
    "Send a message, now or later",
    scope=Scope.SEND,
    status=202,
    errors=(PayloadTooLarge, QuotaExceeded, Conflict, IdempotencyKeyReused),
    body_limit=_BODY_LIMIT,
    request_headers=(idempotency.HEADER,),
)
async def create_message(call: Call[NewMessage, None]) -> Reply[Message]:
    """With an `Idempotency-Key` the same request within 24 hours makes one message, however often it comes:

    the answer is then the stored message and `Idempotency-Replayed: true`.
    """
    key = idempotency.parse_key(call.request.headers.get(idempotency.HEADER), call.raw_body)
    if call.body.template is not None:  # which may have changed since the first time
        replayed = await messages.find_created(call.context, call.site_id, key)
        if replayed is not None:
            return _created(call, replayed)
    draft = read_draft(await fill_in(call.context, call.site_id, call.body))
    created = await messages.create_message(call.context, audit.actor(call.token), call.site_id, draft, key)
    return _created(call, created)


class MessageQuery(PageQuery, frozen=True):
    series: Annotated[str | None, Meta(description="`msg_…`: the occurrences of this recurring message.")] = (
        None
    )
    state: MessageState | None = None
    title: (
        Annotated[
            str, Meta(min_length=1, max_length=200, description="A part of the title, whatever the case.")
        ]
        | None
    ) = None


@route("GET", "/v1/sites/{site}/messages", "List messages", scope=Scope.READ)
async def list_messages(call: Call[None, MessageQuery]) -> Page[Message]:
    """Newest first, without their audiences. With `state` or `title` a page may hold fewer than there are

    further on, even none, for as long as there is a `next`: each looks through 5,000 messages.
    """
    limit, now = call.query.limit, call.context.clock.now()
    before_id = read_cursor(call.query.cursor)
    if call.query.state is not None or call.query.title is not None:
        if call.query.series is not None:
            raise InvalidRequest(
                errors=[FieldError("series", "Occurrences are not searched: leave out the rest.")]
            )
        result = await search_messages(
            call.context, call.site_id, before_id, limit, state=call.query.state, title=call.query.title
        )
        items = [show_message(each, now, with_audience=False) for each in result.items]
        return Page(items, None if result.next_id is None else write_cursor(result.next_id))
    series_id = None if call.query.series is None else _series_id(call.query.series)
    found = await messages.page_of_messages(call.context, call.site_id, before_id, limit + 1, series_id)
    shown = [show_message(each, now, with_audience=False) for each in found]
    return page_of(shown, [each.message.id for each in found], limit)


def _series_id(text: str) -> int:
    try:
        return decode_id(Kind.MESSAGE, text)
    except MalformedId:
        raise InvalidRequest(errors=[FieldError("series", "This is not the id of a message.")]) from None


@route(
    "GET", "/v1/sites/{site}/messages/{message}", "Show a message, its progress and results", scope=Scope.READ
)
async def get_message(call: Call[None, None]) -> Message:
    found = await messages.get_message(call.context, call.site_id, call.id_of(Kind.MESSAGE))
    return show_message(found, call.context.clock.now())


@route(
    "PATCH",
    "/v1/sites/{site}/messages/{message}",
    "Change a message before it starts",
    scope=Scope.SEND,
    errors=(PayloadTooLarge, QuotaExceeded, WrongState, Conflict),
    body_limit=_BODY_LIMIT,
)
async def change_message(call: Call[MessageChange, None]) -> Message:
    change, options = await fill_in_change(call.context, call.site_id, call.body)
    changed = await messages.change_message(
        call.context,
        audit.actor(call.token),
        call.site_id,
        call.id_of(Kind.MESSAGE),
        partial(merge, change, now=call.context.clock.now(), template_options=options),
    )
    return show_message(changed, call.context.clock.now())


@route(
    "POST",
    "/v1/sites/{site}/messages/{message}/cancel",
    "Send a message to nobody else",
    scope=Scope.SEND,
    errors=(WrongState,),
)
async def cancel_message(call: Call[None, None]) -> Message:
    """Who has not got it yet counts as skipped, shortly after the answer."""
    cancelled = await messages.cancel_message(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.MESSAGE)
    )
    return show_message(cancelled, call.context.clock.now())


@route(
    "POST",
    "/v1/sites/{site}/messages/{message}/pause",
    "Pause a message",
    scope=Scope.SEND,
    errors=(WrongState,),
)
async def pause_message(call: Call[None, None]) -> Message:
    """Nothing more of it is sent within a second. Pausing one that is paused changes nothing.

    `expires_at` goes on counting, and so does the TTL of those who are tried again.
    """
    paused = await messages.pause_message(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.MESSAGE)
    )
    return show_message(paused, call.context.clock.now())


@route(
    "POST",
    "/v1/sites/{site}/messages/{message}/resume",
    "Go on with a paused message",
    scope=Scope.SEND,
    errors=(WrongState,),
)
async def resume_message(call: Call[None, None]) -> Message:
    """Nobody gets it twice, nobody is left out. One that had not started is scheduled again."""
    resumed = await messages.resume_message(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.MESSAGE)
    )
    return show_message(resumed, call.context.clock.now())


@route(
    "POST",
    "/v1/sites/{site}/messages/{message}/replay",
    "Send a message to those whom it did not reach",
    scope=Scope.SEND,
    status=202,
    errors=(PayloadTooLarge, QuotaExceeded, IdempotencyKeyReused, WrongState, RowsRemoved),
    body_optional=True,
    request_headers=(idempotency.HEADER,),
)
async def replay_message(call: Call[Replay, None]) -> Reply[Message]:
    """A new message with the same content, due now, to those of its failures who are active. When its

    `expires_at` has passed, say another one, or null.
    """
    message_id, given = call.id_of(Kind.MESSAGE), call.body.expires_at
    # The message belongs to the request: an empty body would else be the same one for every message.
    request = b"%d\n%b" % (message_id, call.raw_body)
    key = idempotency.parse_key(call.request.headers.get(idempotency.HEADER), request)
    expires_at = from_moment(given, "expires_at") if isinstance(given, datetime) else given
    outcomes = call.body.outcomes or None
    created = await replays.replay_message(
        call.context, audit.actor(call.token), call.site_id, message_id, expires_at, outcomes, key
    )
    return _created(call, created)


def _created(call: Call[Any, None], created: messages.Created) -> Reply[Message]:
    shown = show_message(created.found, call.context.clock.now())
    return Reply(shown, headers={idempotency.REPLAYED: "true"} if created.replayed else {})


ROUTES = (
    create_message,
    list_messages,
    get_message,
    change_message,
    cancel_message,
    pause_message,
    resume_message,
    replay_message,
)
