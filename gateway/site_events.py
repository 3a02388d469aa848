"""Events of the site's own, told by its pages or its back end: kept, and what automations make of them."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, json

from gateway.automation_cache import AutomationCache
from gateway.campaigns.automations import Reaction, entries
from gateway.context import Context
from gateway.errors import InvalidRequest
from gateway.idempotency import IdempotencyKey, find_result, remember
from gateway.nesting import check_nesting
from gateway.subscription_fields import PRINTABLE
from gateway.subscriptions import existing
from storage import automations, events, sites, subscriptions
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.events import CustomEvent
from storage.subscriptions import SubscriptionState

MOST_OF_VISITOR = 1_000  # subscriptions to which an event of one external id matters: the newest

EventName = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]

_NOTHING = Reaction()


class SiteEvent(Struct, kw_only=True):
    """Something that the site itself calls an event: a purchase, a finished level."""

    name: EventName
    data: dict[str, Any] | None = None


class Told(Struct, frozen=True):
    """Of how many active subscriptions it was stored; `replayed`: by an earlier request."""

    subscriptions: int
    replayed: bool = False


async def track(context: Context, known: AutomationCache, site_id: int, id: int, event: SiteEvent) -> None:
    """Keep an event that a page tells of. NotFound: the subscription was erased; InvalidRequest."""
    _check(event)
    reaction = (await known.get(site_id)).on_event.get(event.name, _NOTHING)
    stored = _stored(context, site_id, id, event)

    async def body(tx: Transaction) -> None:
        found = await existing(tx, site_id, id)
        ids = {id}
        if reaction.ends_any and found.external_id is not None:
            # What the visitor did on this device they have done: not only here.
            ids |= {other for other, _ in await _all_of(tx, site_id, found.external_id)}
        await events.track(tx, [stored])
        active = [id] if found.state is SubscriptionState.ACTIVE else []
        await _react(tx, site_id, reaction, ids, active, stored.at)

    await context.database.write(body)


async def tell(
    context: Context,
    known: AutomationCache,
    site_id: int,
    whose: int | str,
    event: SiteEvent,
    key: IdempotencyKey | None = None,
) -> Told:
    """Keep an event that the back end tells of: of one subscription (an id), or of all that are active of an
    external id, which may be none; of MOST_OF_VISITOR at most.

    storage.errors.NotFound, InvalidRequest, IdempotencyKeyReused.
    """
    _check(event)
    reaction = (await known.get(site_id)).on_event.get(event.name, _NOTHING)
    found = await context.database.read(lambda tx: _find(tx, site_id, whose))
    stored = {id: _stored(context, site_id, id, event) for id in _active(found)}

    async def body(tx: Transaction) -> Told:
        if key is not None and (before := await find_result(tx, site_id, key)) is not None:
            return Told(before, replayed=True)
        now_found = await _find(tx, site_id, whose)
        active = [id for id in _active(now_found) if id in stored]
        await events.track(tx, [stored[id] for id in active])
        await _react(tx, site_id, reaction, {id for id, _ in now_found}, active, now)
        if key is not None:
            await remember(tx, site_id, key, len(active), now)
        return Told(len(active))

    now = context.clock.now()
    try:
        return await context.database.write(body)
    except AlreadyStored:  # the same request at the same moment won
        return await context.database.write(body)


async def _find(tx: Transaction, site_id: int, whose: int | str) -> Sequence[tuple[int, str]]:
    """(id, state) of the subscriptions that are meant. Raises storage.errors.NotFound."""
    await sites.get(tx, site_id)
    if isinstance(whose, int):
        return [(whose, (await existing(tx, site_id, whose)).state)]
    return await _all_of(tx, site_id, whose)


async def _all_of(tx: Transaction, site_id: int, external_id: str) -> Sequence[tuple[int, str]]:
    """No more than MOST_OF_VISITOR: a shop may call a million browsers `guest`."""
    return await subscriptions.newest_of_visitor(tx, site_id, external_id, MOST_OF_VISITOR)


def _active(found: Sequence[tuple[int, str]]) -> list[int]:
    return [id for id, state in found if state == SubscriptionState.ACTIVE]


async def _react(
    tx: Transaction, site_id: int, reaction: Reaction, ids: set[int], active: Sequence[int], now: int
) -> None:
    """In the event's own transaction: `ids` leave what it ends, those who are `active` come in."""
    for leaving, ended in ((ids, reaction.ends), (ids.difference(active), reaction.elsewhere)):
        if leaving and ended:
            await automations.leave(tx, site_id, leaving, ended)
    if reaction.begins and active:
        await automations.enter(tx, site_id, active, entries(reaction.begins, now))


def _check(event: SiteEvent) -> None:
    errors = check_nesting(event.data, "data")
    if errors:
        raise InvalidRequest(errors=errors)


def _stored(context: Context, site_id: int, subscription_id: int, event: SiteEvent) -> CustomEvent:
    return CustomEvent(
        id=context.ids.next(),
        site_id=site_id,
        subscription_id=subscription_id,
        name=event.name,
        data=None if event.data is None else json.encode(event.data).decode(),
        at=context.clock.now(),
    )
