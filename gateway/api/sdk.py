"""The two scripts that websites load: one for their pages, one for their service worker."""

from aiohttp import hdrs, web

from gateway.api.browser import BROWSERS
from gateway.api.route import Call, route
from gateway.api.scripts import JAVASCRIPT
from gateway.site_settings import read_settings

# Deployed pages and workers get a new release at their next look, and may load it under any embedder policy.
_HEADERS = {hdrs.CACHE_CONTROL: "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"}


@route("GET", "/sdk/sw.js", "The code of the service worker", gives=JAVASCRIPT)
async def worker_script(call: Call[None, None]) -> web.StreamResponse:
    """For `importScripts` in the one-line worker that a site hosts: the stable one, for all sites."""
    return call.request.app[BROWSERS].scripts.worker().response(call.request, _HEADERS)


@route("GET", "/sdk/{site}/sw.js", "The code of a site's service worker", gives=JAVASCRIPT)
async def worker_script_of_site(call: Call[None, None]) -> web.StreamResponse:
    """The same, of the channel that the site has set."""
    browsers = call.request.app[BROWSERS]
    site = await browsers.sites.get(call.site_id)
    channel = read_settings(site).sdk_channel
    return browsers.scripts.worker(channel).response(call.request, _HEADERS)


@route("GET", "/sdk/{site}.js", "The script that a site embeds", gives=JAVASCRIPT)
async def page_script(call: Call[None, None]) -> web.StreamResponse:
    """Revalidated with each page view, which costs a 304."""
    browsers = call.request.app[BROWSERS]
    site = await browsers.sites.get(call.site_id)
    channel = read_settings(site).sdk_channel
    return browsers.scripts.page_of(site.id, channel).response(call.request, _HEADERS)


ROUTES = (worker_script, worker_script_of_site, page_script)
