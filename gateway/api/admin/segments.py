"""`/v1/sites/{site}/segments`: whom a message may address, under names; and how many that would be now."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import audit, segments
from gateway.api.admin.audiences import Audience, to_spec
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import KILOBYTE, Call, route
from gateway.api.texts import Name
from gateway.campaigns.expressions import Expression
from gateway.campaigns.freezing import read_expression
from gateway.errors import Conflict, TooManyRequests, Unavailable
from gateway.estimates import Estimate, Estimates
from gateway.segments import SegmentChange
from storage import segments as stored
from storage.ids import Kind, encode_id
from storage.tokens import Scope

ESTIMATES = web.AppKey("estimates", Estimates)

_PATH = "/v1/sites/{site}/segments"
_LOOK_AFTER = 0.1  # seconds between looks whether the caller is still there


class NewSegment(Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[Name, Meta(description="Unique within the site.")]
    where: Expression


class SegmentChanges(Struct, forbid_unknown_fields=True, frozen=True):
    """What is not given stays as it is."""

    name: Name | UnsetType = UNSET
    where: Expression | UnsetType = UNSET


class Segment(Struct, frozen=True):
    id: str
    name: str
    where: Expression
    created_at: Moment
    changed_at: Moment


class AudienceAsked(Struct, forbid_unknown_fields=True, frozen=True):
    audience: Audience


class AudienceEstimate(Struct, frozen=True):
    """Active subscriptions at this moment; who of them is skipped for a reason is known when it is sent."""

    count: int
    by_provider: Mapping[str, int]


@route("POST", _PATH, "Save a segment", scope=Scope.SEND, status=201, errors=(Conflict,))
async def create_segment(call: Call[NewSegment, None]) -> Segment:
    new = call.body
    return _show(
        await segments.create_segment(
            call.context, audit.actor(call.token), call.site_id, new.name, new.where
        )
    )


@route("GET", _PATH, "List segments", scope=Scope.READ)
async def list_segments(call: Call[None, PageQuery]) -> Page[Segment]:
    """Oldest first."""
    limit = call.query.limit
    found = await segments.page_of_segments(
        call.context, call.site_id, read_cursor(call.query.cursor), limit + 1
    )
    return page_of([_show(each) for each in found], [each.id for each in found], limit)


@route("GET", f"{_PATH}/{{segment}}", "Show a segment", scope=Scope.READ)
async def get_segment(call: Call[None, None]) -> Segment:
    return _show(await segments.get_segment(call.context, call.site_id, call.id_of(Kind.SEGMENT)))


@route("PATCH", f"{_PATH}/{{segment}}", "Change a segment", scope=Scope.SEND, errors=(Conflict,))
async def change_segment(call: Call[SegmentChanges, None]) -> Segment:
    """Messages that have started keep the audience that they started with."""
    change = SegmentChange(
        name=None if call.body.name is UNSET else call.body.name,
        where=None if call.body.where is UNSET else call.body.where,
    )
    actor = audit.actor(call.token)
    return _show(
        await segments.change_segment(call.context, actor, call.site_id, call.id_of(Kind.SEGMENT), change)
    )


@route("DELETE", f"{_PATH}/{{segment}}", "Delete a segment", scope=Scope.SEND)
async def delete_segment(call: Call[None, None]) -> None:
    """Messages that have started go on. One that names it and has not started is cancelled at its time."""
    actor = audit.actor(call.token)
    await segments.delete_segment(call.context, actor, call.site_id, call.id_of(Kind.SEGMENT))


@route(
    "POST",
    "/v1/sites/{site}/audience/estimate",
    "Estimate an audience",
    scope=Scope.READ,
    errors=(TooManyRequests,),
    body_limit=1024 * KILOBYTE,
)
async def estimate_audience(call: Call[AudienceAsked, None]) -> AudienceEstimate:
    """Counted as if a message started now. It ends when the caller hangs up."""
    estimates = call.request.app[ESTIMATES]
    found = await _while_asked(call.request, estimates.make(call.site_id, to_spec(call.body.audience)))
    return AudienceEstimate(found.count, found.by_provider)


async def _while_asked(request: web.Request, making: Coroutine[Any, Any, Estimate]) -> Estimate:
    """aiohttp tells a handler of a caller who has gone only when it writes to them."""
    task = asyncio.create_task(making, name="estimate")
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_AFTER)
            if request.transport is None or request.transport.is_closing():
                raise Unavailable("The caller has gone.")
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def _show(found: stored.Segment) -> Segment:
    return Segment(
        id=encode_id(Kind.SEGMENT, found.id),
        name=found.name,
        where=read_expression(found.expression),
        created_at=to_moment(found.created_at),
        changed_at=to_moment(found.changed_at),
    )


ROUTES = (
    create_segment,
    list_segments,
    get_segment,
    change_segment,
    delete_segment,
    estimate_audience,
)
