"""`/v1/sites/{site}/messages/{message}/release`."""

from msgspec import UNSET

from gateway import audit, releases
from gateway.api.admin.message_types import Message, Release
from gateway.api.admin.message_views import show_message
from gateway.api.route import Call, route
from gateway.errors import WrongState
from storage.ids import Kind
from storage.tokens import Scope


@route(
    "POST",
    "/v1/sites/{site}/messages/{message}/release",
    "Send a message to the rest of its audience",
    scope=Scope.SEND,
    errors=(WrongState,),
    body_optional=True,
)
async def release_message(call: Call[Release, None]) -> Message:
    """The rest waits for a roll-out's first part, or for the winner among variants: then say which."""
    variant = None if call.body.variant is UNSET else call.body.variant
    released = await releases.release_message(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.MESSAGE), variant
    )
    return show_message(released, call.context.clock.now())


ROUTES = (release_message,)
