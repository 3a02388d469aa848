"""What one does with a message before it goes: duplicate, test."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway import audit, duplicates, idempotency, message_tests
from gateway.api.admin.audiences import SubscriptionId, distinct_ids
from gateway.api.admin.message_types import Message
from gateway.api.admin.message_views import show_message
from gateway.api.route import Call, Reply, route
from gateway.errors import IdempotencyKeyReused, PayloadTooLarge, WrongState
from gateway.idempotency import IdempotencyKey
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


def _key(call: Call[Any, None], verb: str, message_id: int) -> IdempotencyKey | None:
    """The message belongs to the request: the same body would else be the same one for every message."""
    request = b"%b %d\n%b" % (verb.encode(), message_id, call.raw_body)
    return idempotency.parse_key(call.request.headers.get(idempotency.HEADER), request)


def _reply(shown: Any, *, replayed: bool) -> Reply[Any]:
    return Reply(shown, headers={idempotency.REPLAYED: "true"} if replayed else {})


ROUTES = (duplicate_message, test_message)
