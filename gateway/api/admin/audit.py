"""`/v1/audit`."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway import audit
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.errors import FieldError, InvalidRequest, NotFound
from storage.audit import AuditEntry
from storage.ids import Kind, MalformedId, decode_id, encode_id
from storage.tokens import Scope


class Change(Struct, frozen=True):
    """`actor` is a token's id, `cli` or `system`; `action` reads `thing.verb`."""

    at: Moment
    actor: str
    action: str
    target: str
    site: str | None
    detail: dict[str, Any]


class ChangeQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    site: Annotated[str, Meta(max_length=64)] | None = None
    action: (
        Annotated[
            str,
            Meta(
                max_length=64, description="`message.cancelled`, or `message` for all that was done to any."
            ),
        ]
        | None
    ) = None
    actor: Annotated[str, Meta(max_length=64, description="A token's id, `cli` or `system`.")] | None = None


@route("GET", "/v1/audit", "Who changed what, when", scope=Scope.MANAGE)
async def list_changes(call: Call[None, ChangeQuery]) -> Page[Change]:
    """Newest first; a token that is bound to a site sees the changes of that one."""
    query, limit = call.query, call.query.limit
    found = await audit.page(
        call.context,
        read_cursor(query.cursor),
        limit + 1,
        site_id=_site(call.token.site_id, query.site),
        action=query.action,
        actor=query.actor,
    )
    return page_of([_show(each) for each in found], [each.id for each in found], limit)


def _site(bound_to: int | None, wanted: str | None) -> int | None:
    """InvalidRequest: that is no id of a site. NotFound: to this token there is no such site."""
    if wanted is None:
        return bound_to
    try:
        site_id = decode_id(Kind.SITE, wanted)
    except MalformedId:
        raise InvalidRequest(
            "The query is not what this route takes.", [FieldError("site", "This is not the id of a site.")]
        ) from None
    if bound_to not in (None, site_id):
        raise NotFound
    return site_id


def _show(entry: AuditEntry) -> Change:
    return Change(
        at=to_moment(entry.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        site=None if entry.site_id is None else encode_id(Kind.SITE, entry.site_id),
        detail=msgspec.json.decode(entry.detail),
    )


ROUTES = (list_changes,)
