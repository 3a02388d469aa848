"""The two scripts that websites load: one for their pages, one for their service worker."""

from aiohttp import hdrs, web

from gateway.api.browser import BROWSERS
from gateway.api.route import Call, route
from gateway.api.scripts import JAVASCRIPT

# Deployed pages and workers get a new release at their next look, and may load it under any embedder policy.
_HEADERS = {hdrs.CACHE_CONTROL: "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"}


@route("GET", "/sdk/sw.js", "The code of the service worker", gives=JAVASCRIPT)
async def worker_script(call: Call[None, None]) -> web.StreamResponse:
    """For `importScripts` in the one-line worker that a site hosts."""
    return call.request.app[BROWSERS].scripts.worker.response(call.request, _HEADERS)


@route("GET", "/sdk/{site}.js", "The script that a site embeds", gives=JAVASCRIPT)
async def page_script(call: Call[None, None]) -> web.StreamResponse:
    """Revalidated with each page view, which costs a 304."""
    browsers = call.request.app[BROWSERS]
    site = await browsers.sites.get(call.site_id)
    return browsers.scripts.page_of(site.id).response(call.request, _HEADERS)


ROUTES = (worker_script, page_script)
