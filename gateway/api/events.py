"""What workers report back: displayed, clicked, closed."""

from typing import Annotated

from msgspec import Meta

from gateway.api.browser import BROWSERS, JSON_AS_TEXT, limit_address
from gateway.api.route import KILOBYTE, Call, Cors, route
from gateway.errors import InvalidRequest, TooManyRequests
from gateway.ingest import MAX_REPORTS, EventReport

Reports = EventReport | Annotated[list[EventReport], Meta(min_length=1, max_length=MAX_REPORTS)]


@route(
    "POST",
    "/v1/public/events",
    "Report what became of notifications",
    errors=(TooManyRequests,),
    body_limit=32 * KILOBYTE,
    takes=JSON_AS_TEXT,
    cors=Cors.ORIGIN,
)
async def report_events(call: Call[Reports, None]) -> None:
    """Answered once it is durable; the first event per message, subscription and kind counts.

    Events whose token is not genuine are ignored. 400 when that leaves none: do not repeat those.
    """
    browsers = call.request.app[BROWSERS]
    not_stored = browsers.not_stored.pop(call.request.transport, None)
    if not_stored is not None:
        raise not_stored
    try:
        events = await browsers.ingest.genuine(call.body if isinstance(call.body, list) else [call.body])
    except InvalidRequest:
        limit_address(
            call, browsers.refusals
        )  # who guesses tokens; never the events of a blast, many from one address
        raise
    await browsers.ingest.record(events)


ROUTES = (report_events,)
