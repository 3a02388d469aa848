"""`token new`, `token list`, `token revoke`."""

from argparse import Namespace

from gateway import access, audit
from gateway.app import open_context
from gateway.errors import InvalidRequest
from gateway.settings import Settings
from storage import tokens
from storage.database import Transaction
from storage.ids import Kind, MalformedId, decode_id, encode_id
from storage.tokens import ApiToken, Scope


def read_id(kind: Kind, text: str) -> int:
    """An id that somebody typed. InvalidRequest when it is none of this kind."""
    try:
        return decode_id(kind, text)
    except MalformedId:
        raise InvalidRequest(f"{text!r} is not an id: it looks like {encode_id(kind, 0)}.") from None


async def new(settings: Settings, args: Namespace) -> None:
    site_id = None if args.site is None else read_id(Kind.SITE, args.site)
    scopes = [Scope(each) for each in args.scope or list(Scope)]
    async with open_context(settings) as context:
        made = await access.create_token(context, audit.COMMAND_LINE, site_id, args.name, scopes)
    print(f"{encode_id(Kind.TOKEN, made.token.id)}  {' '.join(sorted(made.token.scopes))}")
    print(f"{made.secret}  (shown this once)")


async def show(settings: Settings, args: Namespace) -> None:
    site_id = None if args.site is None else read_id(Kind.SITE, args.site)
    async with open_context(settings) as context:
        found = await access.list_tokens(context, site_id)
        now = context.clock.now()
    for token in found:
        covers = "all sites" if token.site_id is None else encode_id(Kind.SITE, token.site_id)
        scopes = " ".join(sorted(token.scopes))
        print(f"{encode_id(Kind.TOKEN, token.id)}  {covers}  {scopes}  {_state(token, now)}  {token.name}")


async def revoke(settings: Settings, args: Namespace) -> None:
    token_id = read_id(Kind.TOKEN, args.token)
    async with open_context(settings) as context:

        async def body(tx: Transaction) -> ApiToken:
            return await tokens.get(tx, token_id)

        token = await context.database.read(body)
        await access.revoke_token(context, audit.COMMAND_LINE, token.site_id, token_id)
    print(f"{args.token} is revoked.")


def _state(token: ApiToken, now: int) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "active"
