"""Who is calling, and may they: bearer tokens with scopes and sites (RFC 6750)."""

from collections import OrderedDict

from aiohttp import web

from gateway.clock import Clock
from gateway.errors import Forbidden, NotFound, Unauthenticated
from gateway.tokens import hash_api_token
from storage import tokens
from storage.database import Database, Transaction
from storage.tokens import ApiToken, Scope

_KEPT_FOR = 2.0  # seconds: how long another process may still honour a token that was revoked
_KEPT_TOKENS = 1_000
_LONGEST = 256


class Doorkeeper:
    """Knows callers by their token. A database look-up per token and two seconds, not per request."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, ApiToken]] = OrderedDict()

    async def identify(self, request: web.Request) -> ApiToken:
        """The request's token. Unauthenticated: there is none, or it is unknown, expired or revoked."""
        token = await self._find(bearer(request))
        if token.revoked_at is not None:
            raise Unauthenticated("The token has been revoked.")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise Unauthenticated("The token has expired.")
        return token

    def forget(self) -> None:
        """Tokens have changed: in this process at once, elsewhere within two seconds."""
        self._known.clear()

    async def _find(self, secret: str) -> ApiToken:
        if len(secret) > _LONGEST:
            raise Unauthenticated("The token is unknown.")
        hashed = hash_api_token(secret)
        known = self._known.get(hashed)
        now = self._clock.monotonic()
        if known is not None and now - known[0] < _KEPT_FOR:
            return known[1]

        async def look_up(tx: Transaction) -> ApiToken | None:
            return await tokens.by_hash(tx, hashed)

        token = await self._database.read(look_up)
        if token is None:
            raise Unauthenticated("The token is unknown.")
        self._known[hashed] = (now, token)
        self._known.move_to_end(hashed)
        if len(self._known) > _KEPT_TOKENS:
            self._known.popitem(last=False)
        return token


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)


def bearer(request: web.Request) -> str:
    """What follows `Authorization: Bearer`; Unauthenticated when there is nothing of the kind."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("Send `Authorization: Bearer` with a token.")
    return secret.strip()


def check_access(token: ApiToken, scope: Scope, site_id: int | None) -> None:
    """Nothing, when the token has `scope` and covers `site_id` (None: the route is not about one site).

    NotFound for a token of another site: it must not learn which sites exist. Forbidden without the scope.
    """
    if site_id is not None and token.site_id not in (None, site_id):
        raise NotFound
    if scope not in token.scopes:
        raise Forbidden(f"This needs a token with the scope {scope}.")


def require_all_sites(token: ApiToken) -> None:
    """Forbidden for a token that is bound to one site."""
    if token.site_id is not None:
        raise Forbidden("This needs a token for all sites.")
