"""`/v1/sites/{site}/messages/{message}/failures`: whom a message did not reach, and why."""

import csv
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from io import StringIO
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

CSV = "text/csv"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PATH = "/v1/sites/{site}/messages/{message}/failures"


class ListFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


class ExportQuery(Struct, forbid_unknown_fields=True, frozen=True):
    outcome: FailedOutcome | None = None
    format: ListFormat = ListFormat.NDJSON


class Query(Struct, forbid_unknown_fields=True, frozen=True):
    outcome: FailedOutcome | None = None
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
    also_gives=(CSV,),
)
async def export_failures(call: Call[None, ExportQuery]) -> web.StreamResponse:
    """The whole list, a line of JSON each, or of CSV for spreadsheets."""
    message_id, format = call.id_of(Kind.MESSAGE), call.query.format
    pages = await failures.begin_export(call.context, call.site_id, message_id, _outcome(call.query))
    lines, content_type = (
        (_csv_lines(pages), CSV) if format is ListFormat.CSV else (_lines(pages), CONTENT_TYPE)
    )
    return await stream_lines(call.request, lines, f"failures.{format}", call.site_id, content_type)


async def _lines(pages: AsyncIterator[Sequence[failures.Failure]]) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode
    async for page in pages:
        yield b"".join(encode(_show(each)) + b"\n" for each in page)


async def _csv_lines(pages: AsyncIterator[Sequence[failures.Failure]]) -> AsyncIterator[bytes]:
    """RFC 4180, with a head."""
    yield (",".join(Failure.__struct_fields__) + "\r\n").encode()
    async for page in pages:
        text = StringIO(newline="")
        rows = csv.writer(text)
        for each in page:
            rows.writerow(_cell(value) for value in msgspec.to_builtins(_show(each)).values())
        yield text.getvalue().encode()


def _cell(value: str | int | None) -> str | int | None:
    """A visitor's id that begins like a formula would be one to a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _outcome(query: ExportQuery | Query) -> Outcome | None:
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
