"""`/v1/sites/{site}/keys`: application server keys (VAPID, RFC 8292)."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway import audit, keys
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page
from gateway.api.route import Call, route
from gateway.errors import Conflict, WrongState
from storage.ids import Kind, encode_id
from storage.keys import ApplicationServerKey, KeyState
from storage.tokens import Scope


class NewKey(Struct, forbid_unknown_fields=True, frozen=True):
    """Without a private key one is made."""

    private_key: (
        Annotated[str, Meta(max_length=4096, description="To import one: base64url of its 32 bytes, or PEM.")]
        | None
    ) = None


class Key(Struct, frozen=True):
    id: str
    application_server_key: Annotated[str, Meta(description="The public key, base64url, 87 characters.")]
    state: KeyState
    state_reason: Annotated[str | None, Meta(description="Why it is paused: what push services answered.")]
    created_at: Moment


@route("GET", "/v1/sites/{site}/keys", "List application server keys", scope=Scope.READ)
async def list_keys(call: Call[None, None]) -> Page[Key]:
    """Newest first; new subscriptions are made with the newest active one."""
    return Page([_show(each) for each in await keys.list_keys(call.context, call.site_id)])


@route(
    "POST",
    "/v1/sites/{site}/keys",
    "Make or import an application server key",
    scope=Scope.MANAGE,
    status=201,
    errors=(Conflict,),
    body_optional=True,
)
async def add_key(call: Call[NewKey, None]) -> Key:
    """New subscriptions get it at once; those made with older active keys stay valid."""
    actor = audit.actor(call.token)
    return _show(await keys.add_key(call.context, actor, call.site_id, call.body.private_key))


@route(
    "POST",
    "/v1/sites/{site}/keys/{key}/resume",
    "Send with a paused application server key again",
    scope=Scope.MANAGE,
    errors=(WrongState,),
)
async def resume_key(call: Call[None, None]) -> Key:
    """A key is paused when push services refuse what it signs. What waits for it is sent within a minute."""
    actor = audit.actor(call.token)
    return _show(await keys.resume_key(call.context, actor, call.site_id, call.id_of(Kind.KEY)))


@route(
    "DELETE",
    "/v1/sites/{site}/keys/{key}",
    "Retire an application server key",
    scope=Scope.MANAGE,
    errors=(WrongState,),
)
async def retire_key(call: Call[None, None]) -> None:
    """Browsers that subscribed with it subscribe anew, with the newest key, when they next visit the site."""
    await keys.retire_key(call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.KEY))


def _show(key: ApplicationServerKey) -> Key:
    return Key(
        id=encode_id(Kind.KEY, key.id),
        application_server_key=keys.public_text(key),
        state=key.state,
        state_reason=key.state_reason,
        created_at=to_moment(key.created_at),
    )


ROUTES = (list_keys, add_key, resume_key, retire_key)
