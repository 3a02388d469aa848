"""What the routes for browsers share: which site is asked, whether this page may ask, and how often."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from gateway.api.assets import STATIC, Asset, load_assets
from gateway.api.doorkeeper import bearer
from gateway.api.route import Call
from gateway.api.scripts import Scripts
from gateway.automation_cache import AutomationCache
from gateway.ceiling import NEW_PER_HOUR, HourlyCeiling
from gateway.context import Context
from gateway.demo import DemoLimit
from gateway.enrolment import prove
from gateway.errors import Forbidden, OriginNotAllowed
from gateway.event_counts import EventsCollector
from gateway.ingest import EventIngest
from gateway.limits import AddressLimiter, client_address
from gateway.logs import Log
from gateway.retention import most_token_age
from gateway.site_cache import SiteCache
from storage import sites
from storage.database import Transaction
from storage.ids import Kind
from storage.sites import Site

# Beacons and page views must not cost a preflight: browsers send text/plain unasked (Fetch, section 2.2.2).
JSON_AS_TEXT = ("text/plain", "application/json")
NEVER_STORED = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Browsers:
    """What lives as long as the application."""

    sites: SiteCache
    automations: AutomationCache
    ingest: EventIngest
    ceiling: HourlyCeiling
    calls: AddressLimiter
    refusals: AddressLimiter  # of events that nobody can count
    demo_sends: DemoLimit
    scripts: Scripts
    demo_files: Mapping[str, Asset]
    not_stored: dict[object, Exception]
    """By transport: why events that gateway.api.direct took could not be stored. Their route answers it."""


log = Log(__name__)
BROWSERS = web.AppKey("browsers", Browsers)


def add_browsers(app: web.Application, context: Context) -> None:
    """The state behind `Call.request.app[BROWSERS]`; events are written while the application runs."""
    clock = context.clock
    shares = context.settings.api_processes  # each process has its part of every limit
    known = SiteCache(context.database, clock)
    ingest = EventIngest(
        context.database,
        known,
        context.master_key,
        clock,
        max_token_age=most_token_age(context.settings),
        interest=context.interest,
    )
    context.registry.register(EventsCollector(ingest.counts, lambda: ingest.waiting))
    app[BROWSERS] = Browsers(
        sites=known,
        automations=AutomationCache(context.database, clock),
        ingest=ingest,
        ceiling=HourlyCeiling(clock, NEW_PER_HOUR // shares),
        # Generous: behind one address of a mobile carrier are thousands of visitors.
        calls=AddressLimiter(clock, rate=10 / shares, burst=max(1, 300 // shares)),
        refusals=AddressLimiter(clock, rate=1 / shares, burst=max(1, 100 // shares)),
        demo_sends=DemoLimit(clock),
        scripts=Scripts(STATIC, context.settings.public_url),
        demo_files=load_assets(STATIC / "demo"),
        not_stored={},
    )

    async def write_events(_: web.Application) -> AsyncIterator[None]:
        writing = asyncio.create_task(ingest.run(), name="event ingest")
        writing.add_done_callback(_tell)
        yield
        ingest.close()
        await writing

    app.cleanup_ctx.append(write_events)


def _tell(ended: asyncio.Task[None]) -> None:
    """A task that died would be heard of when the process stops; until then events are answered 503."""
    if not ended.cancelled() and ended.exception() is not None:
        log.error("event_ingest.died", hint="Restart the gateway.", cause=ended.exception())


def limit_address(call: Call[Any, Any], limiter: AddressLimiter) -> None:
    """TooManyRequests when this address has used up its share."""
    limiter.check(client_address(call.request, call.context.settings.trusted_proxies))


async def site_of_page(call: Call[Any, Any]) -> Site:
    """The site of the path. NotFound; OriginNotAllowed unless one of its own pages asks."""
    site_id = call.site_id

    async def body(tx: Transaction) -> Site:
        return await sites.get(tx, site_id)

    site = await call.context.database.read(body)
    if call.request.headers.get(hdrs.ORIGIN) not in site.origins:
        raise OriginNotAllowed
    return site


def own_subscription(call: Call[Any, Any]) -> int:
    """The subscription of the path. Unauthenticated without a token, Forbidden with another's."""
    id = call.id_of(Kind.SUBSCRIPTION)
    if prove(call.context, call.site_id, bearer(call.request)) != id:
        raise Forbidden("This is the token of another subscription.")
    return id
