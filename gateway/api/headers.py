"""Headers that stand on every answer, failures and streams included; and what OPTIONS answers."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web

from gateway.api.problems import REQUEST_ID
from gateway.api.route import Cors, Route

PUBLIC_PREFIX = "/v1/public/"
ANY_ORIGIN = web.RequestKey("any_origin", bool)
_A_DAY = "86400"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal, because it also sees streams and aiohttp's own errors."""
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Server"] = "webpush-gateway"  # aiohttp's own tells strangers which versions run here
    request_id = request.get(REQUEST_ID)
    if request_id is not None:
        headers["X-Request-Id"] = request_id
    if not request.path.startswith(PUBLIC_PREFIX):
        return
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or request.get(ANY_ORIGIN):
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    else:
        # A stranger's origin too: it may read why it was refused. Nothing else is ever answered to it, and
        # no route takes credentials that a browser adds by itself.
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        headers.add(hdrs.VARY, hdrs.ORIGIN)
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Retry-After, X-Request-Id"


def options_handler(routes: Iterable[Route]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers OPTIONS for the routes of one path: which methods there are, and the preflight of a page."""
    found = tuple(routes)
    methods = {each.method for each in found} | {hdrs.METH_OPTIONS}
    if hdrs.METH_GET in methods:
        methods.add(hdrs.METH_HEAD)
    allowed = ", ".join(sorted(methods))
    public = any(each.cors is not Cors.NONE for each in found)
    any_origin = all(each.cors is Cors.ANY for each in found)

    async def options(request: web.Request) -> web.Response:
        headers = {hdrs.ALLOW: allowed}
        if public:
            request[ANY_ORIGIN] = any_origin
            headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = allowed
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, Content-Type"
            headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _A_DAY
        return web.Response(status=204, headers=headers)

    return options
