"""`/v1/sites/{site}/messages/{message}/failures`: whom a message did not reach, and why."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import failures
from gateway.api.lines import stream_lines
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Cursor, Limit, Page, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.errors import RowsRemoved
from gateway.failures import FailedOutcome
from gateway.subscription_lines import CONTENT_TYPE
from storage.deliveries import Outcome
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/messages/{message}/failures"


class ExportQuery(Struct, forbid_unknown_fields=True, frozen=True):
    outcome: FailedOutcome | None = None


class Query(ExportQuery, forbid_unknown_fields=True, frozen=True):
    cursor: Cursor | None = None
    limit: Limit = 50


class Failure(Struct, frozen=True):
    """Without endpoint and keys."""

    subscription: str
    external_id: Annotated[str | None, Meta(description="As the visitor identifies now.")]
    outcome: Outcome
    attempt: Annotated[int, Meta(description="The last one, from 1.")]
    code: Annotated[int | None, Meta(description="The push service's HTTP status, if it answered.")]
    reason: Annotated[str | None, Meta(description="For people; may be reworded.")]
    at: Moment


@route("GET", _PATH, "List whom a message did not reach", scope=Scope.READ, errors=(RowsRemoved,))
async def list_failures(call: Call[None, Query]) -> Page[Failure]:
    """By subscription. Who waits for another attempt is not listed yet; who was left over at `expires_at`

    without any attempt is counted in the message's `progress` only.
    """
    wanted = call.query
    found = await failures.page_of_failures(
        call.context,
        call.site_id,
        call.id_of(Kind.MESSAGE),
        read_cursor(wanted.cursor) or 0,
        wanted.limit + 1,
        _outcome(wanted),
    )
    ids = [each.delivery.subscription_id for each in found]
    return page_of([_show(each) for each in found], ids, wanted.limit)


@route(
    "GET",
    f"{_PATH}/export",
    "Export whom a message did not reach",
    scope=Scope.READ,
    errors=(RowsRemoved,),
    gives=CONTENT_TYPE,
)
async def export_failures(call: Call[None, ExportQuery]) -> web.StreamResponse:
    """The whole list, a line of JSON each."""
    message_id = call.id_of(Kind.MESSAGE)
    pages = await failures.begin_export(call.context, call.site_id, message_id, _outcome(call.query))
    return await stream_lines(call.request, _lines(pages), "failures.ndjson", call.site_id)


async def _lines(pages: AsyncIterator[Sequence[failures.Failure]]) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode
    async for page in pages:
        yield b"".join(encode(_show(each)) + b"\n" for each in page)


def _outcome(query: ExportQuery) -> Outcome | None:
    return None if query.outcome is None else Outcome(query.outcome)


def _show(failure: failures.Failure) -> Failure:
    found = failure.delivery
    assert found.outcome is not None, "a failure is final"
    return Failure(
        subscription=encode_id(Kind.SUBSCRIPTION, found.subscription_id),
        external_id=failure.external_id,
        outcome=found.outcome,
        attempt=found.attempt,
        code=found.code,
        reason=found.reason,
        at=to_moment(found.at),
    )


ROUTES = (list_failures, export_failures)
