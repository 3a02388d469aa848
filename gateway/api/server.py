"""The HTTP API as one aiohttp application: routes, failures, headers. gateway.openfiles listens."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from gateway.api import dashboard, demo, events, images, public, sdk
from gateway.api.admin import ADMIN_ROUTES
from gateway.api.admin.live import add_live, show_live
from gateway.api.admin.segments import ESTIMATES
from gateway.api.body import check_content_type, decode_body, decode_query, read_body
from gateway.api.browser import add_browsers
from gateway.api.direct import add_direct
from gateway.api.documents import add_documents
from gateway.api.doorkeeper import DOORKEEPER, Doorkeeper, check_access
from gateway.api.headers import ANY_ORIGIN, add_headers, options_handler
from gateway.api.no_content import NoContent
from gateway.api.outbound import add_outbound
from gateway.api.problems import problems
from gateway.api.requests import RequestCounts, counted
from gateway.api.route import JSON, Call, Cors, Reply, Route, path_id
from gateway.context import Context
from gateway.estimates import Estimates
from gateway.limits import AddressLimiter
from gateway.live import Live, LiveLimits
from gateway.outbound import Outbound
from storage.ids import Kind

CONTEXT = web.AppKey("context", Context)

ALL_ROUTES: tuple[Route, ...] = (
    *ADMIN_ROUTES,
    *public.ROUTES,
    *events.ROUTES,
    *sdk.ROUTES,
    *demo.ROUTES,
    *dashboard.ROUTES,
    *images.ROUTES,
)

_encode = msgspec.json.Encoder().encode


def build_application(context: Context, *, live_limits: LiveLimits | None = None) -> web.Application:
    """Everything that `serve` and `api` answer. The caller opens and closes what `context` holds."""
    requests = RequestCounts()
    context.registry.register(requests)
    app = web.Application(middlewares=[counted(requests), problems])
    app[CONTEXT] = context
    app[DOORKEEPER] = Doorkeeper(context.database, context.clock, context.master_key)
    app[ESTIMATES] = Estimates(context)
    add_outbound(app, Outbound())
    add_browsers(app, context)
    add_direct(app, requests)
    add_live(app, Live(context, show_live, live_limits or LiveLimits()))
    app.on_response_prepare.append(add_headers)
    add_routes(app, ALL_ROUTES)
    demo.add_slash(app)
    images.add_images(app, context)
    # Who tries tokens has this many guesses of 2^256, and leaves the other addresses theirs.
    dashboard.add_dashboard(app, AddressLimiter(context.clock, rate=0.2, burst=20))
    add_documents(app, ALL_ROUTES)
    return app


def make_runner(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """What answers connections that an accept loop hands over.

    Nothing is decompressed: aiohttp does that as bytes come in, before any route could refuse them, and a
    stranger's 200 kB of gzip cost half a second.
    """
    return web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout, auto_decompress=False)


def add_routes(app: web.Application, routes: Sequence[Route]) -> None:
    """All routes of one path share a resource; OPTIONS is answered for each."""
    by_path = sorted(routes, key=_path)
    for path, of_path in groupby(by_path, key=_path):
        group = list(of_path)
        resource = app.router.add_resource(path)
        for each in group:
            handler = handler_for(each, app)
            resource.add_route(each.method, handler)
            if each.method == "GET" and not any(other.method == "HEAD" for other in group):
                resource.add_route("HEAD", handler)
        resource.add_route("OPTIONS", options_handler(group))


def _path(each: Route) -> str:
    return each.path


def handler_for(route: Route, app: web.Application) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The route as aiohttp calls it: token, query, body, handler, answer, in this order."""
    context, doorkeeper = app[CONTEXT], app[DOORKEEPER]
    of_a_site = "{site}" in route.path
    read_call_body = _body_reader(route)

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.cors is Cors.ANY:
            request[ANY_ORIGIN] = True
        token = None
        if route.scope is not None:
            # The token first: who has none learns nothing, not even whether a path is well formed.
            token = await doorkeeper.identify(request)
            check_access(token, route.scope, path_id(request.match_info, Kind.SITE) if of_a_site else None)
        query = None if route.query is None else decode_query(request, route.query)
        raw, body = await read_call_body(request)
        answer = await route.handler(Call(context, request, body, query, raw, token))
        return to_response(route, answer)

    return handle


def _body_reader(route: Route) -> Callable[[web.Request], Awaitable[tuple[bytes, Any]]]:
    if route.body is None:

        async def nothing(_: web.Request) -> tuple[bytes, None]:
            return b"", None

        return nothing
    if route.streams_body:

        async def stream(request: web.Request) -> tuple[bytes, aiohttp.StreamReader]:
            check_content_type(request, route)
            return b"", request.content

        return stream
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(route.body)

    async def whole(request: web.Request) -> tuple[bytes, Any]:
        if request.can_read_body or not route.body_optional:
            check_content_type(request, route)
        raw = await read_body(request, route.body_limit)
        return raw, decode_body(raw or b"{}" if route.body_optional else raw, decoder)

    return whole


def to_response(route: Route, answer: object) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    status, headers = route.status, None
    if isinstance(answer, Reply):
        status, headers, answer = answer.status or status, answer.headers, answer.value
    if answer is None:
        if status == 204 and headers is None and route.cors is Cors.ORIGIN:
            return NoContent()
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, headers=headers, body=_encode(answer), content_type=JSON)
