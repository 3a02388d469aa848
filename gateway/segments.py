"""Segments: expressions that are saved under a name, for the audiences of messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway import audit
from gateway.campaigns.expressions import Expression, check_expression
from gateway.campaigns.freezing import unknown_messages, write_expression
from gateway.context import Context
from gateway.errors import Conflict, InvalidRequest
from storage import audit as stored_audit
from storage import locks, segments, sites
from storage.database import Body, T, Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.segments import Segment

MOST = 10_000  # of a site

_WRONG = "The segment is not valid."
_TAKEN = "The site has another segment of this name."


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """None: leave as it is."""

    name: str | None = None
    where: Expression | None = None


async def create_segment(context: Context, actor: str, site_id: int, name: str, where: Expression) -> Segment:
    """InvalidRequest: the expression is wrong, or names messages that the site has not; Conflict: the name is
    taken, or the site has MOST; storage.errors.NotFound: no such site.
    """
    _check(where)
    now = context.clock.now()
    segment = Segment(context.ids.next(), site_id, name, write_expression(where), now, now)
    note = audit.entry(
        context, actor, "segment.created", encode_id(Kind.SEGMENT, segment.id), site_id, {"name": name}
    )

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await _check_messages(tx, site_id, where)
        if await segments.count(tx, site_id) >= MOST:
            raise Conflict(f"The site has {MOST} segments: delete one first.")
        await segments.add(tx, segment)
        await stored_audit.add(tx, note)

    await _write(context, body)
    return segment


async def get_segment(context: Context, site_id: int, segment_id: int) -> Segment:
    async def body(tx: Transaction) -> Segment:
        await sites.get(tx, site_id)
        return await segments.get(tx, site_id, segment_id)

    return await context.database.read(body)


async def page_of_segments(
    context: Context, site_id: int, after_id: int | None, limit: int
) -> Sequence[Segment]:
    """Oldest first."""

    async def body(tx: Transaction) -> Sequence[Segment]:
        await sites.get(tx, site_id)
        return await segments.page(tx, site_id, after_id or 0, limit)

    return await context.database.read(body)


async def change_segment(
    context: Context, actor: str, site_id: int, segment_id: int, change: SegmentChange
) -> Segment:
    """As `create_segment`. Messages that have started keep the audience that they started with."""
    if change.where is not None:
        _check(change.where)
    detail = {
        **({} if change.name is None else {"name": change.name}),
        **({} if change.where is None else {"where": write_expression(change.where)}),
    }
    note = audit.entry(
        context, actor, "segment.changed", encode_id(Kind.SEGMENT, segment_id), site_id, detail
    )

    async def body(tx: Transaction) -> Segment:
        await locks.hold(tx, segment_id)
        await sites.get(tx, site_id)
        before = await segments.get(tx, site_id, segment_id)
        if change.where is not None:
            await _check_messages(tx, site_id, change.where)
        after = replace(
            before,
            name=before.name if change.name is None else change.name,
            expression=before.expression if change.where is None else write_expression(change.where),
            changed_at=note.at,
        )
        await segments.change(tx, after)
        await stored_audit.add(tx, note)
        return after

    return await _write(context, body)


async def delete_segment(context: Context, actor: str, site_id: int, segment_id: int) -> None:
    """Messages that have started go on; one that names it and has not is cancelled at its time."""
    note = audit.entry(context, actor, "segment.deleted", encode_id(Kind.SEGMENT, segment_id), site_id)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await segments.delete(tx, site_id, segment_id)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def _write(context: Context, body: Body[T]) -> T:
    try:
        return await context.database.write(body)
    except AlreadyStored as exc:
        raise Conflict(_TAKEN) from exc


def _check(where: Expression) -> None:
    if errors := check_expression(where, "where"):
        raise InvalidRequest(_WRONG, errors)


async def _check_messages(tx: Transaction, site_id: int, where: Expression) -> None:
    if errors := await unknown_messages(tx, site_id, where, "where"):
        raise InvalidRequest(_WRONG, errors)
