"""`/demo/`: a page that subscribes and sends itself a notification. Only where a demo site exists."""

from typing import Annotated

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from gateway.api.assets import Asset
from gateway.api.browser import BROWSERS
from gateway.api.doorkeeper import bearer
from gateway.api.route import Call, Reply, route
from gateway.api.scripts import JAVASCRIPT
from gateway.demo import demo_progress, demo_site, send_demo
from gateway.enrolment import prove
from gateway.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated
from gateway.sites import snippet
from storage.ids import Kind, MalformedId, decode_id, encode_id

_WORKER = Asset.of(b'importScripts("/sdk/sw.js");\n', JAVASCRIPT)
# Nothing from elsewhere, nothing inline, in nobody's frame; a worker of its own at the root.
_HEADERS = {
    hdrs.CACHE_CONTROL: "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


class DemoConfiguration(Struct, frozen=True):
    site: str
    snippet: str
    gateway: str


class DemoSend(Struct, frozen=True):
    subscription: Annotated[str, Meta(max_length=64, description="The sender's own: its token is the proof.")]


class DemoSent(Struct, frozen=True):
    message: str


class DemoProgress(Struct, frozen=True):
    audience: int
    accepted: int
    gone: int
    failed: int
    expired: int
    skipped: int
    retrying: int
    remaining: int


class DemoResults(Struct, frozen=True):
    displayed: int
    clicked: int
    closed: int


class DemoMessage(Struct, frozen=True):
    progress: DemoProgress
    results: DemoResults


@route("GET", "/demo/", "The demo page", errors=(NotFound,), gives="text/html")
async def demo_page(call: Call[None, None]) -> web.StreamResponse:
    return await _file(call, "index.html")


@route("GET", "/demo/{file}", "What the demo page loads", gives="*/*")
async def demo_file(call: Call[None, None]) -> web.StreamResponse:
    return await _file(call, call.request.match_info["file"])


@route("GET", "/push-sw.js", "The demo site's worker", errors=(NotFound,), gives=JAVASCRIPT)
async def demo_worker(call: Call[None, None]) -> web.StreamResponse:
    """The one line that every site hosts."""
    await demo_site(call.context)
    return _WORKER.response(call.request, _HEADERS)


@route("GET", "/demo/config.json", "What the demo page needs to know", errors=(NotFound,))
async def demo_configuration(call: Call[None, None]) -> Reply[DemoConfiguration]:
    site = await demo_site(call.context)
    gateway = call.context.settings.public_url
    answer = DemoConfiguration(encode_id(Kind.SITE, site.id), snippet(gateway, site.id), gateway)
    return Reply(answer, headers={"Cache-Control": "no-cache"})


@route(
    "POST",
    "/demo/send",
    "Send the demo's text to oneself",
    status=202,
    errors=(Unauthenticated, Forbidden, NotFound, TooManyRequests),
    bearer=True,
)
async def send_to_myself(call: Call[DemoSend, None]) -> DemoSent:
    """With the token of a subscription of the demo site; six a minute."""
    site = await demo_site(call.context)
    own = prove(call.context, site.id, bearer(call.request))
    if _id_of(call.body.subscription) != own:
        raise Forbidden("This is the token of another subscription.")
    call.request.app[BROWSERS].demo_sends.take(own)
    return DemoSent(await send_demo(call.context, site, own))


@route(
    "GET",
    "/demo/progress/{message}",
    "How one's own demo message fares",
    errors=(Unauthenticated, Forbidden),
    bearer=True,
)
async def progress_of_mine(call: Call[None, None]) -> DemoMessage:
    """With the token of the subscription that sent it."""
    site = await demo_site(call.context)
    own = prove(call.context, site.id, bearer(call.request))
    progress, results = await demo_progress(call.context, site, own, call.id_of(Kind.MESSAGE))
    return DemoMessage(
        DemoProgress(
            audience=progress.audience,
            accepted=progress.accepted,
            gone=progress.gone,
            failed=progress.failed,
            expired=progress.expired,
            skipped=progress.skipped,
            retrying=progress.retrying,
            remaining=progress.remaining,
        ),
        DemoResults(results.displayed, results.clicked, results.closed),
    )


async def _file(call: Call[None, None], name: str) -> web.StreamResponse:
    asset = call.request.app[BROWSERS].demo_files.get(name)
    if asset is None:
        raise NotFound
    await demo_site(call.context)
    return asset.response(call.request, _HEADERS)


def _id_of(text: str) -> int:
    try:
        return decode_id(Kind.SUBSCRIPTION, text)
    except MalformedId:
        raise NotFound("There is no such subscription.") from None


ROUTES = (
    demo_page,
    demo_configuration,
    demo_worker,
    send_to_myself,
    progress_of_mine,
    demo_file,
)


def add_slash(app: web.Application) -> None:
    """`/demo` leads to the page."""

    async def redirect(_: web.Request) -> web.Response:
        # Relative, so that it also holds behind a proxy that adds a path.
        return web.Response(status=308, headers={hdrs.LOCATION: "demo/"})

    app.router.add_get("/demo", redirect)
