"""`/v1/audit`."""

from typing import Any

import msgspec
from msgspec import Struct

from gateway import audit
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, route
from storage.audit import AuditEntry
from storage.ids import Kind, encode_id
from storage.tokens import Scope


class Change(Struct, frozen=True):
    """`actor` is a token's id, `cli` or `system`; `action` reads `thing.verb`."""

    at: Moment
    actor: str
    action: str
    target: str
    site: str | None
    detail: dict[str, Any]


@route("GET", "/v1/audit", "Who changed what, when", scope=Scope.MANAGE)
async def list_changes(call: Call[None, PageQuery]) -> Page[Change]:
    """Newest first; a token that is bound to a site sees the changes of that one."""
    limit = call.query.limit
    found = await audit.page(call.context, call.token.site_id, read_cursor(call.query.cursor), limit + 1)
    return page_of([_show(each) for each in found], [each.id for each in found], limit)


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
