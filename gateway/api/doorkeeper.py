"""Who is calling, and may they: bearer tokens (RFC 6750) with scopes and sites, the dashboard's sessions."""

from collections import OrderedDict

from aiohttp import hdrs, web

from gateway.api.cookies import request_cookie
from gateway.clock import Clock
from gateway.errors import CsrfRefused, Forbidden, NotFound, Unauthenticated
from gateway.master_key import MasterKey
from gateway.sessions import Session, is_csrf_token, read_session
from gateway.tokens import hash_api_token
from storage import tokens
from storage.database import Database, Transaction
from storage.tokens import ApiToken, Scope

_KEPT_FOR = 2.0  # seconds: how long another process may still honour a token that was revoked
_KEPT_TOKENS = 1_000
_LONGEST = 256
_CHANGES_NOTHING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Doorkeeper:
    """Knows callers by their token. A database look-up per token and two seconds, not per request."""

    def __init__(self, database: Database, clock: Clock, master_key: MasterKey) -> None:
        self._database = database
        self._clock = clock
        self._master_key = master_key
        self._known: OrderedDict[bytes, tuple[float, ApiToken]] = OrderedDict()

    async def identify(self, request: web.Request) -> ApiToken:
        """The token of the request, or of its session where it has no Authorization header.

        Unauthenticated: there is none, or it is unknown, expired or revoked. CsrfRefused: as below.
        """
        if hdrs.AUTHORIZATION not in request.headers and (cookie := request_cookie(request)):
            return (await self.identify_cookie(request, cookie))[1]
        secret = bearer(request)
        if len(secret) > _LONGEST:
            raise Unauthenticated("The token is unknown.")
        return await self.admit(hash_api_token(secret))

    async def identify_cookie(self, request: web.Request, cookie: str) -> tuple[Session, ApiToken]:
        """The session of the dashboard's cookie, and its token.

        Unauthenticated: neither holds any more. CsrfRefused: a browser that has the cookie sends it whoever
        wrote the page; this one is not ours, or it would change something without the session's CSRF token.
        """
        session = read_session(self._master_key, cookie, self._clock.now())
        if session is None:
            raise Unauthenticated("Sign in.")
        require_own_page(request)
        if request.method not in _CHANGES_NOTHING:
            given = request.headers.get("X-CSRF-Token", "")
            if not is_csrf_token(self._master_key, cookie, given):
                raise CsrfRefused("Send the session's `csrf` as X-CSRF-Token.")
        return session, await self.admit(session.token_hash)

    async def admit(self, hashed: bytes) -> ApiToken:
        """The token with this hash. Unauthenticated: it is unknown, expired or revoked."""
        token = await self._find(hashed)
        if token.revoked_at is not None:
            raise Unauthenticated("The token has been revoked.")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise Unauthenticated("The token has expired.")
        return token

    def forget(self) -> None:
        """Tokens have changed: in this process at once, elsewhere within two seconds."""
        self._known.clear()

    async def _find(self, hashed: bytes) -> ApiToken:
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


def require_own_page(request: web.Request) -> None:
    """CsrfRefused where the browser says that a page of another origin makes this request.

    Browsers of today say so themselves (Fetch Metadata, `Sec-Fetch-Site`), whatever a proxy made of the URL;
    where they do not, a change names its Origin, which then has to be the host that was asked.
    """
    told = request.headers.get("Sec-Fetch-Site")
    if told is not None:
        if told not in ("same-origin", "none"):  # "same-site" is another host or port of the same company
            raise CsrfRefused
        return
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.partition("://")[2] != request.host:
        raise CsrfRefused


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
