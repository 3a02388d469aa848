"""`/v1/sites/{site}/live`: server-sent events (HTML Living Standard, section 9.2)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from aiohttp import hdrs, web

from gateway import sites
from gateway.api.admin.message_types import Progress, Results
from gateway.api.admin.message_views import show_message
from gateway.api.doorkeeper import DOORKEEPER
from gateway.api.moments import to_moment
from gateway.api.route import Call, route
from gateway.errors import NoStreamToSpare, TooManyStreams, Unauthenticated
from gateway.live import Listener, Live, LiveLimits
from gateway.messages import MessageWithProgress
from storage.errors import StorageUnavailable
from storage.messages import MessageState
from storage.tokens import Scope

_encode = msgspec.json.Encoder().encode

CONTENT_TYPE = "text/event-stream"
LIVE = web.AppKey("live", Live)

_NOTICED = 1.0  # seconds until we see that the reader has left
_HEADERS = {
    hdrs.CONTENT_TYPE: CONTENT_TYPE,
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back until its buffer is full
}


class LiveMessage(msgspec.Struct, frozen=True):
    """As in the message itself."""

    id: str
    series: str | None
    state: MessageState
    state_reason: str | None
    waiting_until: datetime | None
    progress: Progress
    results: Results


class LiveUpdate(msgspec.Struct, frozen=True):
    """`data` of an event: the messages that have changed since the one before."""

    at: datetime
    messages: Sequence[LiveMessage]


def add_live(app: web.Application, live: Live) -> None:
    """Its streams end when the application shuts down, before it waits for requests being answered."""
    app[LIVE] = live

    async def close(_: web.Application) -> None:
        await live.close()

    app.on_shutdown.append(close)


def show_live(found: MessageWithProgress, now: int) -> bytes:
    """An item of `LiveUpdate.messages`."""
    shown = show_message(found, now, with_audience=False)
    return _encode(
        LiveMessage(
            id=shown.id,
            series=shown.series,
            state=shown.state,
            state_reason=shown.state_reason,
            waiting_until=shown.waiting_until,
            progress=shown.progress,
            results=shown.results,
        )
    )


@route(
    "GET",
    "/v1/sites/{site}/live",
    "Watch messages live",
    scope=Scope.READ,
    gives=CONTENT_TYPE,
    shows=LiveUpdate,
    errors=(TooManyStreams, NoStreamToSpare),
)
async def watch_live(call: Call[None, None]) -> web.StreamResponse:
    """Server-sent events, at most one a second.

    The first tells of all messages that send, are paused or ended within the last minute; each later one of
    those that have changed since, as they are now. A comment every 15 seconds when nothing changes. After a
    break just connect again: `Last-Event-ID` is not needed.
    """
    await sites.get_site(call.context, call.site_id)
    response = web.StreamResponse(headers=_HEADERS)
    if call.request.method == hdrs.METH_HEAD:
        await response.prepare(call.request)
        return response
    live = call.request.app[LIVE]
    with live.listen(call.site_id) as listener:
        await response.prepare(call.request)
        try:
            await _stream(call, response, listener, live.limits)
        except (ConnectionResetError, TimeoutError):
            # Gone, or too slow to be told anything. Else aiohttp would wait for the latter once more.
            if call.request.transport is not None:
                call.request.transport.abort()
    return response


async def _stream(
    call: Call[None, None], response: web.StreamResponse, listener: Listener, limits: LiveLimits
) -> None:
    """Until the listener's end, or that of its token. ConnectionResetError, TimeoutError: nobody reads."""
    clock, request = call.context.clock, call.request
    await response.write(b"retry: 3000\n\n")
    written = checked = asyncio.get_running_loop().time()
    while not listener.over:
        news = await listener.news(min(_NOTICED, limits.heartbeat))
        now = asyncio.get_running_loop().time()
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError
        if now - checked >= limits.heartbeat:
            checked = now
            if not await _may_still_read(request):
                return
        if news is None and now - written < limits.heartbeat:
            continue
        async with asyncio.timeout(limits.stalled):
            await response.write(b":\n\n" if news is None else _event(clock.now(), news))
        written = now
        if news is not None:  # what changes meanwhile is in the next one
            await asyncio.sleep(limits.look_every)


async def _may_still_read(request: web.Request) -> bool:
    """A revoked token ends its streams, too."""
    try:
        await request.app[DOORKEEPER].identify(request)
    except Unauthenticated:
        return False
    except StorageUnavailable:
        return True  # not known: asked again later
    return True


def _event(now: int, messages: Sequence[bytes]) -> bytes:
    at = _encode(to_moment(now))
    return b'id: %d\nevent: messages\ndata: {"at":%b,"messages":[%b]}\n\n' % (now, at, b",".join(messages))


ROUTES = (watch_live,)
