"""What else one does with a message: duplicate it, test it, upload its recipients, withdraw it."""

from functools import partial
from typing import Annotated, Any, Final

import aiohttp
import msgspec
from msgspec import Meta, Struct

from gateway import audit, duplicates, idempotency, message_tests, withdrawals
from gateway.api.admin.audiences import SubscriptionId, distinct_ids
from gateway.api.admin.message_types import Message
from gateway.api.admin.message_views import show_message
from gateway.api.body import body_pieces, decode_body
from gateway.api.route import JSON, Call, Reply, route
from gateway.errors import IdempotencyKeyReused, PayloadTooLarge, RowsRemoved, TooLarge, WrongState
from gateway.idempotency import IdempotencyKey
from gateway.recipient_uploads import RecipientLine, UploadResult, upload_recipients
from gateway.subscription_lines import CONTENT_TYPE
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/messages/{message}"


class NewTest(Struct, frozen=True, forbid_unknown_fields=True):
    subscriptions: Annotated[list[SubscriptionId], Meta(min_length=1, max_length=message_tests.MOST)]


class Test(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The test, of several variants that of the first."""

    tests: Annotated[list[str], Meta(description="All tests of this request: one for each variant.")]


@route(
    "POST",
    f"{_PATH}/duplicate",
    "Make a draft that is like a message",
    scope=Scope.SEND,
    errors=(PayloadTooLarge, IdempotencyKeyReused, WrongState),
    request_headers=(idempotency.HEADER,),
)
async def duplicate_message(call: Call[None, None]) -> Reply[Message]:
    """The same content, rules and audience, whatever has become of the message. Times that have passed are

    left out. It honours `Idempotency-Key`.
    """
    message_id = call.id_of(Kind.MESSAGE)
    created = await duplicates.duplicate_message(
        call.context, audit.actor(call.token), call.site_id, message_id, _key(call, "duplicate", message_id)
    )
    return _reply(show_message(created.found, call.context.clock.now()), replayed=created.replayed)


@route(
    "POST",
    f"{_PATH}/test",
    "Send a message to a few subscriptions first",
    scope=Scope.SEND,
    errors=(PayloadTooLarge, IdempotencyKeyReused, WrongState),
    request_headers=(idempotency.HEADER,),
)
async def test_message(call: Call[NewTest, None]) -> Reply[Test]:
    """A message of its own, transactional, to these only; one for each variant. The message itself, its

    progress and its results stay as they are; lists do not show tests. It honours `Idempotency-Key`.
    """
    message_id = call.id_of(Kind.MESSAGE)
    created, made = await message_tests.send_test(
        call.context,
        audit.actor(call.token),
        call.site_id,
        message_id,
        distinct_ids(call.body.subscriptions, "subscriptions"),
        _key(call, "test", message_id),
    )
    shown = show_message(created.found, call.context.clock.now())
    fields = {name: getattr(shown, name) for name in Message.__struct_fields__}
    tests = [encode_id(Kind.MESSAGE, each.id) for each in made]
    return _reply(Test(**fields, tests=tests), replayed=created.replayed)


@route(
    "PUT",
    f"{_PATH}/recipients",
    "Upload the recipients of a draft",
    scope=Scope.SEND,
    errors=(TooLarge, WrongState),
    takes=(CONTENT_TYPE, "application/jsonl", JSON),
)
async def put_recipients(call: Call[aiohttp.StreamReader, None]) -> UploadResult:
    """Lines of `{"external_id", "data"}`, up to five million, for a draft whose audience is

    `{"uploaded": true}`. They take the place of those that it had. Bad lines are reported by their number,
    the good ones count; a stream that breaks off changes nothing.
    """
    return await upload_recipients(
        call.context,
        audit.actor(call.token),
        call.site_id,
        call.id_of(Kind.MESSAGE),
        body_pieces(call.body),
        partial(decode_body, decoder=_line_decoder),
    )


@route(
    "POST",
    f"{_PATH}/withdraw",
    "Take a message back from those who have not seen it",
    scope=Scope.SEND,
    errors=(WrongState, RowsRemoved),
)
async def withdraw_message(call: Call[None, None]) -> Message:
    """The withdrawal: a message of its own, with progress, that can be paused and cancelled. A message that

    is still being sent is cancelled first. Asked for again it is the same one, unless that was cancelled.
    """
    withdrawn = await withdrawals.withdraw_message(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.MESSAGE)
    )
    return show_message(withdrawn, call.context.clock.now())


def _key(call: Call[Any, None], verb: str, message_id: int) -> IdempotencyKey | None:
    """The message belongs to the request: the same body would else be the same one for every message."""
    request = b"%b %d\n%b" % (verb.encode(), message_id, call.raw_body)
    return idempotency.parse_key(call.request.headers.get(idempotency.HEADER), request)


def _reply(shown: Any, *, replayed: bool) -> Reply[Any]:
    return Reply(shown, headers={idempotency.REPLAYED: "true"} if replayed else {})


_line_decoder: Final = msgspec.json.Decoder(RecipientLine)

ROUTES = (duplicate_message, test_message, put_recipients, withdraw_message)
