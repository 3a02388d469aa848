"""`/admin/`: the dashboard's files, and the session behind which its pages call the API."""

from typing import Annotated

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from gateway import VERSION
from gateway.api.assets import STATIC, load_assets
from gateway.api.browser import NEVER_STORED
from gateway.api.cookies import ended_cookie, request_cookie, session_cookie
from gateway.api.doorkeeper import DOORKEEPER, require_own_page
from gateway.api.moments import Moment, to_moment
from gateway.api.route import Call, Reply, route
from gateway.errors import CsrfRefused, NotFound, TooManyRequests, Unauthenticated
from gateway.limits import AddressLimiter, client_address
from gateway.sessions import csrf_token, issue_session
from gateway.tokens import hash_api_token
from storage.ids import Kind, encode_id
from storage.tokens import Scope

ATTEMPTS = web.AppKey("session attempts", AddressLimiter)

# Nothing from elsewhere but pictures in previews, nothing inline, in nobody's frame.
_HEADERS = {
    hdrs.CACHE_CONTROL: "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=1, max_length=256, description="An API token.")]


class DashboardSession(Struct, frozen=True):
    scopes: list[Scope]
    site: Annotated[str | None, Meta(description="The site that the token is bound to; null: all sites.")]
    csrf: Annotated[str, Meta(description="For `X-CSRF-Token`, with every method but GET and HEAD.")]
    expires_at: Moment
    version: str


@route(
    "POST",
    "/admin/session",
    "Sign in to the dashboard",
    errors=(Unauthenticated, CsrfRefused, TooManyRequests),
)
async def start_session(call: Call[NewSession, None]) -> Reply[None]:
    """Answers a cookie that stands for the token for twelve hours, out of scripts' reach."""
    require_own_page(call.request)
    call.request.app[ATTEMPTS].check(client_address(call.request, call.context.settings.trusted_proxies))
    hashed = hash_api_token(call.body.token)
    await call.request.app[DOORKEEPER].admit(hashed)
    cookie = issue_session(call.context.master_key, hashed, call.context.clock.now())
    return Reply(None, headers={hdrs.SET_COOKIE: session_cookie(call.context, cookie), **NEVER_STORED})


@route("GET", "/admin/session", "Who is signed in to the dashboard", errors=(Unauthenticated,))
async def show_session(call: Call[None, None]) -> Reply[DashboardSession]:
    """With the cookie; an Authorization header is not looked at."""
    cookie = request_cookie(call.request)
    session, token = await call.request.app[DOORKEEPER].identify_cookie(call.request, cookie)
    ends_at = min(session.expires_at, token.expires_at or session.expires_at)
    shown = DashboardSession(
        scopes=sorted(token.scopes),
        site=None if token.site_id is None else encode_id(Kind.SITE, token.site_id),
        csrf=csrf_token(call.context.master_key, cookie),
        expires_at=to_moment(ends_at),
        version=VERSION,
    )
    return Reply(shown, headers=NEVER_STORED)


@route(
    "DELETE",
    "/admin/session",
    "Sign out of the dashboard",
    errors=(Unauthenticated, CsrfRefused),
    request_headers=("X-CSRF-Token",),
)
async def end_session(call: Call[None, None]) -> Reply[None]:
    """Takes the cookie away from this browser. Revoke the token to end its sessions everywhere."""
    await call.request.app[DOORKEEPER].identify_cookie(call.request, request_cookie(call.request))
    return Reply(None, headers={hdrs.SET_COOKIE: ended_cookie(call.context), **NEVER_STORED})


ROUTES = (start_session, show_session, end_session)


def add_dashboard(app: web.Application, attempts: AddressLimiter) -> None:
    """The files of `static/admin/`, read once; `/admin` leads to them."""
    app[ATTEMPTS] = attempts
    files = load_assets(STATIC / "admin")
    assets = {name: asset for name, asset in files.items() if not name.endswith(".d.ts")}

    async def redirect(_: web.Request) -> web.Response:
        # Relative, so that it also holds behind a proxy that adds a path.
        return web.Response(status=308, headers={hdrs.LOCATION: "admin/"})

    async def file(request: web.Request) -> web.Response:
        asset = assets.get(request.match_info["file"] or "index.html")
        if asset is None:
            raise NotFound
        return asset.response(request, _HEADERS)

    app.router.add_get("/admin", redirect)
    app.router.add_get("/admin/{file:.*}", file)
