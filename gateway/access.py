"""API tokens: made, listed, revoked; and the first one, without which nobody could make another."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway import audit
from gateway.context import Context
from gateway.errors import CannotStart, FieldError, InvalidRequest, NotFound
from gateway.tokens import hash_api_token, new_api_token
from storage import audit as stored_audit
from storage import meta, sites, tokens
from storage.audit import AuditEntry
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.tokens import ApiToken, Scope

ALL_SCOPES = frozenset(Scope)
PRESET_NAME = "GATEWAY_ADMIN_TOKEN"
GENERATED_NAME = "made at the first start"

_FIRST_TOKEN = "admin token"  # noqa: S105 - a key of the meta table


@dataclass(frozen=True, slots=True)
class NewToken:
    """The only moment at which the secret exists in clear."""

    token: ApiToken
    secret: str = field(repr=False)


async def create_token(
    context: Context,
    actor: str,
    site_id: int | None,
    name: str,
    scopes: Collection[Scope],
    expires_at: int | None = None,
) -> NewToken:
    """A token for one site, or (None) for all. NotFound: no such site; InvalidRequest: born dead."""
    now = context.clock.now()
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest(errors=[FieldError("expires_at", "This is in the past.")])
    secret = new_api_token()
    token = ApiToken(
        id=context.ids.next(),
        site_id=site_id,
        name=name,
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    note = audit.entry(
        context,
        actor,
        "token.created",
        encode_id(Kind.TOKEN, token.id),
        site_id,
        {"name": name, "scopes": sorted(token.scopes)},
    )

    async def body(tx: Transaction) -> None:
        if site_id is not None:
            await sites.get(tx, site_id)
        await tokens.add(tx, token, hash_api_token(secret))
        await stored_audit.add(tx, note)

    await context.database.write(body)
    return NewToken(token, secret)


async def list_tokens(context: Context, site_id: int | None) -> Sequence[ApiToken]:
    """Those bound to the site, revoked ones too; with None those that cover all sites."""

    async def body(tx: Transaction) -> Sequence[ApiToken]:
        if site_id is not None:
            await sites.get(tx, site_id)
        return await tokens.of_site(tx, site_id)

    return await context.database.read(body)


async def revoke_token(context: Context, actor: str, site_id: int | None, token_id: int) -> None:
    """NotFound: there is no such token among those of the site. Revoking one twice is no error."""
    note = audit.entry(context, actor, "token.revoked", encode_id(Kind.TOKEN, token_id), site_id)

    async def body(tx: Transaction) -> None:
        if site_id is not None:
            await sites.get(tx, site_id)
        token = await tokens.get(tx, token_id)
        if token.site_id != site_id:
            raise NotFound
        if token.revoked_at is None:
            await tokens.revoke(tx, token_id, note.at)
            await stored_audit.add(tx, note)

    await context.database.write(body)


async def ensure_admin_token(context: Context) -> str | None:
    """At every start: see to it that somebody may do everything. Any number of processes may do so at once.

    With a preset token: store it, and revoke one that was preset before. Without: make a token if there has
    never been one for all sites; return its secret, to be shown once. CannotStart: the preset was revoked.
    """
    preset = context.settings.admin_token
    if preset is not None:
        await _store_preset(context, preset)
        return None
    made = _admin_token(context, GENERATED_NAME)
    secret = new_api_token()
    note = _creation(context, made)

    async def body(tx: Transaction) -> bool:
        if await tokens.of_site(tx, None):
            return False
        if await meta.set_if_absent(tx, _FIRST_TOKEN, note.target) != note.target:
            return False  # another process was first, and shows its own
        await tokens.add(tx, made, hash_api_token(secret))
        await stored_audit.add(tx, note)
        return True

    return secret if await context.database.write(body) else None


async def _store_preset(context: Context, secret: str) -> None:
    hashed = hash_api_token(secret)
    made = _admin_token(context, PRESET_NAME)
    note = _creation(context, made)

    async def body(tx: Transaction) -> None:
        known = await tokens.by_hash(tx, hashed)
        if known is not None:
            if known.revoked_at is not None:
                raise CannotStart("GATEWAY_ADMIN_TOKEN was revoked: set another token, or none.")
            return
        for earlier in await tokens.of_site(tx, None):
            if earlier.name == PRESET_NAME:
                await tokens.revoke(tx, earlier.id, note.at)
        await tokens.add(tx, made, hashed)
        await stored_audit.add(tx, note)

    with suppress(AlreadyStored):  # another process stored it in the same moment
        await context.database.write(body)


def _admin_token(context: Context, name: str) -> ApiToken:
    return ApiToken(context.ids.next(), None, name, ALL_SCOPES, context.clock.now())


def _creation(context: Context, token: ApiToken) -> AuditEntry:
    return audit.entry(
        context,
        audit.SYSTEM,
        "token.created",
        encode_id(Kind.TOKEN, token.id),
        token.site_id,
        {"name": token.name, "scopes": sorted(token.scopes)},
    )
