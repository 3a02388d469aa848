"""`/v1/sites/{site}/tokens`: API tokens of one site. Those for all sites are made on the command line."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from gateway import access, audit
from gateway.api.doorkeeper import DOORKEEPER
from gateway.api.moments import Moment, from_moment, to_moment, to_optional_moment
from gateway.api.paging import Page
from gateway.api.route import Call, route
from gateway.api.texts import Name
from storage.ids import Kind, encode_id
from storage.tokens import ApiToken, Scope


class NewToken(Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3)]
    expires_at: Moment | None = None


class Token(Struct, frozen=True):
    id: str
    name: str
    scopes: list[Scope]
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None


class TokenWithSecret(Token, frozen=True):
    token: Annotated[str, Meta(description="The secret, shown this once.")]


@route("GET", "/v1/sites/{site}/tokens", "List API tokens", scope=Scope.MANAGE)
async def list_tokens(call: Call[None, None]) -> Page[Token]:
    """Oldest first, revoked ones too."""
    found = await access.list_tokens(call.context, call.site_id)
    return Page([Token(*_shown(each)) for each in found])


@route("POST", "/v1/sites/{site}/tokens", "Make an API token", scope=Scope.MANAGE, status=201)
async def create_token(call: Call[NewToken, None]) -> TokenWithSecret:
    new = call.body
    made = await access.create_token(
        call.context,
        audit.actor(call.token),
        call.site_id,
        new.name,
        new.scopes,
        None if new.expires_at is None else from_moment(new.expires_at, "expires_at"),
    )
    return TokenWithSecret(*_shown(made.token), made.secret)


@route("DELETE", "/v1/sites/{site}/tokens/{token}", "Revoke an API token", scope=Scope.MANAGE)
async def revoke_token(call: Call[None, None]) -> None:
    """It stops working at once in the process that answers, and within two seconds everywhere."""
    await access.revoke_token(call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.TOKEN))
    call.request.app[DOORKEEPER].forget()


def _shown(token: ApiToken) -> tuple[str, str, list[Scope], datetime, datetime | None, datetime | None]:
    return (
        encode_id(Kind.TOKEN, token.id),
        token.name,
        sorted(token.scopes),
        to_moment(token.created_at),
        to_optional_moment(token.expires_at),
        to_optional_moment(token.revoked_at),
    )


ROUTES = (list_tokens, create_token, revoke_token)
