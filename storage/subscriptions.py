"""Subscriptions of a site: stored, found, changed and ended. Their types are in storage.subscription."""

from collections.abc import Callable, Sequence
from dataclasses import replace as copy

from storage import automations, growth, recent_pushes, recipients, withdrawals
from storage.database import Row, Transaction
from storage.errors import EndpointTaken as EndpointTaken
from storage.errors import NotFound
from storage.growth import Move, Moved, loss
from storage.ids import id_ceiling
from storage.queries import load
from storage.subscription import (
    AUTH_LENGTH,
    KEY_LENGTH,
    added_values,
    endpoint_hash,
    from_row,
    merge,
    saved_values,
)
from storage.subscription import Attribute as Attribute
from storage.subscription import Change as Change
from storage.subscription import Gone as Gone
from storage.subscription import Imported as Imported
from storage.subscription import MemberRow as MemberRow
from storage.subscription import NewSubscription as NewSubscription
from storage.subscription import Registered as Registered
from storage.subscription import Subscription as Subscription
from storage.subscription import SubscriptionState as SubscriptionState
from storage.subscription import VisitorRow as VisitorRow

_SQL = load("subscriptions")


async def register(tx: Transaction, site_id: int, id: int, new: NewSubscription, now: int) -> Registered:
    """Stores a browser's subscription under `id`, or refreshes the one that has its endpoint already.

    Refreshed with the same p256dh and auth only: it becomes active again, tags and attributes are
    merged, what is said replaces what was known. With other keys EndpointTaken. Raises Conflict on an id
    clash.
    """
    if await tx.execute(_SQL["add"], *added_values(site_id, id, new, now)):
        await growth.add(tx, [Moved(site_id, now, Move.SUBSCRIBED)])
        return Registered(id, created=True)
    known = await _by_endpoint_to_change(tx, site_id, new.endpoint)
    if known is None:  # it ended between the two statements (PostgreSQL): the second try meets no obstacle
        return await register(tx, site_id, id, new, now)
    await _refresh(tx, known, new, now)
    return Registered(known.id, created=False, revived=known.state is not SubscriptionState.ACTIVE)


async def replace(tx: Transaction, site_id: int, id: int, new: NewSubscription, now: int) -> Registered:
    """The browser changed its subscription (pushsubscriptionchange): same id, tags and history, new endpoint.

    When the new endpoint is known already with the same keys, that one is answered and the old one ends.
    Raises NotFound without `id` (or when it was erased), EndpointTaken.
    """
    old = await get_to_change(tx, site_id, id)
    known = await _by_endpoint_to_change(tx, site_id, new.endpoint)
    if known is None:
        await _refresh(tx, copy(old, endpoint=new.endpoint, p256dh=new.p256dh, auth=new.auth), new, now)
        return Registered(id, created=False, revived=old.state is not SubscriptionState.ACTIVE)
    await _refresh(tx, known, new, now)
    if known.id != id:
        await end(tx, site_id, id, SubscriptionState.GONE, now)
    return Registered(known.id, created=False, revived=known.state is not SubscriptionState.ACTIVE)


async def get(tx: Transaction, site_id: int, id: int) -> Subscription:
    """In any state. Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"subscription {id}")
    return from_row(row)


async def get_to_change(tx: Transaction, site_id: int, id: int) -> Subscription:
    """For a change that depends on what it reads: nobody else changes it until this transaction ends.

    Raises NotFound, also when it was erased.
    """
    row = await tx.fetch_one(_SQL["get_to_change"], site_id, id)
    if row is None or (old := from_row(row)).state is SubscriptionState.ERASED:
        raise NotFound(f"subscription {id}")
    return old


async def page(
    tx: Transaction,
    site_id: int,
    after_id: int = 0,
    limit: int = 100,
    *,
    external_id: str | None = None,
    tag: str | None = None,
    state: SubscriptionState | None = None,
) -> Sequence[Subscription]:
    """By id, from the one after `after_id`; those that meet every filter given.

    A tag that nobody has makes it read the whole site.
    """
    wanted = None if state is None else state.value
    if external_id is not None:
        rows = await tx.fetch(_SQL["page_by_external_id"], site_id, after_id, limit, tag, wanted, external_id)
    elif tag is not None or state is not None:
        rows = await tx.fetch(_SQL["page_filtered"], site_id, after_id, limit, tag, wanted)
    else:
        rows = await tx.fetch(_SQL["page"], site_id, after_id, limit)
    return [from_row(row) for row in rows]


async def export_page(
    tx: Transaction, site_id: int, after_id: int = 0, limit: int = 500
) -> Sequence[Subscription]:
    """Active subscriptions by id, from the one after `after_id`."""
    return await page(tx, site_id, after_id, limit, state=SubscriptionState.ACTIVE)


async def change(tx: Transaction, site_id: int, id: int, change: Change) -> Subscription:
    """As it is afterwards. Raises NotFound, also when it was erased."""
    old = await get_to_change(tx, site_id, id)
    new = copy(
        old,
        external_id=old.external_id if change.external_id is None else change.external_id or None,
        language=change.language or old.language,
        timezone=change.timezone or old.timezone,
        tags=old.tags if change.tags is None else change.tags,
        attributes=old.attributes if change.attributes is None else change.attributes,
        opted_out=old.opted_out if change.opted_out is None else change.opted_out,
        seen_at=change.seen_at or old.seen_at,
    )
    await _save(tx, new)
    return new


async def end(tx: Transaction, site_id: int, id: int, state: SubscriptionState, now: int) -> bool:
    """active → `state`; False when it was not active (any more). Raises NotFound."""
    ended = await tx.fetch_one(_SQL["end"], site_id, id, state.value, now)
    if ended is not None:
        await growth.add(tx, [Moved(site_id, now, loss(state, bool(ended[0])))])
        return True
    await get(tx, site_id, id)
    return False


async def erase(tx: Transaction, site_id: int, id: int, now: int) -> None:
    """Overwrites everything personal and keeps a tombstone, so that old counts still add up. Raises NotFound.

    With the last subscription of an external id goes what was uploaded for it.
    SQLite overwrites the old bytes in their page (`secure_delete = fast`); copies in its log end with the
    next checkpoint, dead rows on PostgreSQL with the next vacuum.
    """
    row = await tx.fetch_one(_SQL["get_to_change"], site_id, id)
    if row is None:
        raise NotFound(f"subscription {id}")
    old, visitor = from_row(row).state, from_row(row).external_id
    tombstone = endpoint_hash(f"erased {id}")  # unique, and no endpoint's
    await tx.execute(_SQL["erase"], site_id, id, now, tombstone, bytes(KEY_LENGTH), bytes(AUTH_LENGTH))
    if old is SubscriptionState.ACTIVE:
        await growth.add(tx, [Moved(site_id, now, Move.ERASED)])
    if visitor is not None and not await newest_of_visitor(tx, site_id, visitor, 1):
        await recipients.erase(tx, site_id, visitor)
    await tx.execute(_SQL["erase_custom_events"], site_id, id)
    await automations.forget(tx, [(site_id, id)])
    await recent_pushes.erase(tx, site_id, id)
    await withdrawals.erase_locations(tx, site_id, id)


async def add_many(
    tx: Transaction,
    site_id: int,
    rows: Sequence[tuple[int, NewSubscription]],
    now: int,
    fits: Callable[[Subscription | NewSubscription], bool] = lambda _: True,
) -> Imported:
    """Imports (id, subscription) pairs, a page of some hundred at a time.

    An endpoint that is known with the same keys gets the tags and attributes merged and keeps id and state;
    where the merged one does not fit it stays as it is.
    """
    known = {s.endpoint: s for s in await _by_endpoints(tx, site_id, [new.endpoint for _, new in rows])}
    fresh: dict[str, tuple[int, NewSubscription]] = {}
    said: dict[int, list[tuple[int, NewSubscription]]] = {}
    conflicts, overfull = [], []
    for position, (id, new) in enumerate(rows):
        old = known.get(new.endpoint)
        earlier = fresh.get(new.endpoint)
        other = old or (earlier and earlier[1])
        if other and (other.p256dh, other.auth) != (new.p256dh, new.auth):
            conflicts.append(position)
        elif old:
            if merge(old, new) != old:
                said.setdefault(old.id, []).append((position, new))
        elif earlier is None:
            fresh[new.endpoint] = (id, new)
        elif fits(both := merge(earlier[1], new)):
            fresh[new.endpoint] = (earlier[0], both)
        else:
            overfull.append(position)
    await tx.execute_many(_SQL["add"], [added_values(site_id, id, new, now) for id, new in fresh.values()])
    # Of a page's browser that subscribed meanwhile (PostgreSQL) there is a row, and it is not this one.
    added = len(await by_ids(tx, site_id, [id for id, _ in fresh.values()])) if fresh else 0
    for id in sorted(said):
        merged = await get_to_change(tx, site_id, id)
        for position, new in said[id]:
            more = merge(merged, new)
            if fits(more):
                merged = more
            else:
                overfull.append(position)
        await _save(tx, merged)
    await growth.add(tx, [Moved(site_id, now, Move.SUBSCRIBED, added)])  # after all that others may hold
    refused = len(conflicts) + len(overfull)
    return Imported(added, len(rows) - added - refused, tuple(conflicts), tuple(overfull))


async def count_by_state(tx: Transaction, site_id: int) -> dict[SubscriptionState, int]:
    """Reads the whole site (about a second a million): for pages that people look at, not for loops."""
    rows = await tx.fetch(_SQL["count_by_state"], site_id)
    return {SubscriptionState(state): n for state, n in rows}


async def count_new_since(tx: Transaction, site_id: int, at: int, limit: int) -> int:
    """How many were first stored since `at`, by their ids; counts no further than `limit`."""
    row = await tx.fetch_one(_SQL["count_new_since"], site_id, id_ceiling(at - 1), limit)
    return 0 if row is None else int(row[0])


async def members(tx: Transaction, site_id: int, ids: Sequence[int]) -> Sequence[Row]:
    """The members of a batch, each with MemberRow's columns, in no order; deleted ones are absent. Hot
    path.
    """
    return await tx.fetch(_SQL["members"], site_id, list(ids))


async def audience_step(
    tx: Transaction, site_id: int, after_id: int, ceiling: int, limit: int, *, details: bool = False
) -> Sequence[Row]:
    """(id, provider) of the next active subscriptions with after_id < id <= ceiling, by id. Hot path.

    `details`: with the columns of RecipientRow instead.
    """
    query = _SQL["audience_step_details"] if details else _SQL["audience_step"]
    return await tx.fetch(query, site_id, after_id, ceiling, limit)


async def details(tx: Transaction, site_id: int, ids: Sequence[int]) -> Sequence[Row]:
    """The columns of RecipientRow of those that exist, in no order."""
    return await tx.fetch(_SQL["details"], site_id, list(ids))


async def visitors(tx: Transaction, site_id: int, ids: Sequence[int]) -> dict[int, VisitorRow]:
    """By id, those that exist. For messages that say something of each recipient."""
    return {row[0]: VisitorRow(*row) for row in await tx.fetch(_SQL["visitors"], site_id, list(ids))}


async def opted_out(tx: Transaction, site_id: int, ids: Sequence[int], category: str) -> set[int]:
    """Those of `ids` that have left the category."""
    return {row[0] for row in await tx.fetch(_SQL["opted_out"], site_id, list(ids), category)}


async def by_ids(tx: Transaction, site_id: int, ids: Sequence[int]) -> Sequence[tuple[int, str, str]]:
    """(id, provider, state) of those that exist."""
    return await tx.fetch(_SQL["by_ids"], site_id, list(ids))


async def by_external_ids(
    tx: Transaction, site_id: int, external_ids: Sequence[str]
) -> Sequence[tuple[str, int, str, str]]:
    """(external_id, id, provider, state); one external id may have several subscriptions, or none."""
    return await tx.fetch(_SQL["by_external_ids"], site_id, list(external_ids))


async def newest_of_visitor(
    tx: Transaction, site_id: int, external_id: str, limit: int
) -> Sequence[tuple[int, str]]:
    """(id, state) of the newest subscriptions with an external id, in any state, the newest first."""
    return await tx.fetch(_SQL["newest_of_visitor"], site_id, external_id, limit)


async def gone(tx: Transaction, found: Sequence[Gone]) -> int:
    """active → gone for those that still have the endpoint that a push service said it of; how many.

    A browser may have replaced its endpoint since. One that never accepted a push is removed a day later
    (`forget_never_accepted`).
    """
    ended = await tx.fetch_rows(_SQL["gone"], sorted(set(found)))
    await growth.add(
        tx, [Moved(site_id, at, loss(SubscriptionState.GONE, bool(never))) for site_id, at, never in ended]
    )
    return len(ended)


async def accepted(tx: Transaction, site_id: int, ids: Sequence[int], now: int) -> None:
    """Remembers that they accepted a push. Pass only those whose stored `accepted_at` is older than a
    week.
    """
    await tx.execute(_SQL["accepted"], site_id, sorted(set(ids)), now)


async def expire_due(tx: Transaction, now: int, limit: int = 500) -> int:
    """active → expired for those whose `expires_at` has passed, on any site; how many."""
    ended = await tx.fetch(_SQL["expire_due"], now, limit)
    await growth.add(tx, [Moved(site_id, now, Move.EXPIRED) for (site_id,) in ended])
    return len(ended)


async def revert_gone(tx: Transaction, provider: str, since: int, until: int, limit: int = 5_000) -> int:
    """gone → active for those of a provider, on any site, that ended from `since` to `until`; how many.

    Repeat until it is 0: the push service was out of its mind, and a million may have to come back. They
    count as never lost.
    """
    found = await tx.fetch(_SQL["gone_between"], provider, since, until, limit)
    if not found:
        return 0
    back = {tuple(row) for row in await tx.fetch_rows(_SQL["revert_gone"], [row[:2] for row in found])}
    await growth.add(
        tx,
        [
            Moved(site_id, at, loss(SubscriptionState.GONE, bool(never)), -1)
            for site_id, id, at, never in found
            if (site_id, id) in back
        ],
    )
    return len(back)


async def forget_never_accepted(tx: Transaction, before: int, limit: int = 1_000) -> int:
    """Removes those that ended as gone before `before` and never accepted a push; how many.

    Strangers may register endpoints that never worked: nothing of them needs to be kept for old counts.
    """
    removed = await tx.fetch(_SQL["forget_never_accepted"], before, limit)
    await automations.forget(tx, [(site_id, id) for site_id, id in removed])
    return len(removed)


async def by_endpoint(tx: Transaction, site_id: int, endpoint: str) -> Subscription | None:
    """In any state but erased: an erased one has no endpoint left."""
    found = await _by_endpoints(tx, site_id, [endpoint])
    return found[0] if found else None


async def _by_endpoint_to_change(tx: Transaction, site_id: int, endpoint: str) -> Subscription | None:
    row = await tx.fetch_one(_SQL["by_endpoint_to_change"], site_id, endpoint_hash(endpoint))
    return None if row is None else from_row(row)


async def _by_endpoints(tx: Transaction, site_id: int, endpoints: Sequence[str]) -> Sequence[Subscription]:
    hashes = [endpoint_hash(endpoint) for endpoint in endpoints]
    return [from_row(row) for row in await tx.fetch(_SQL["by_endpoints"], site_id, hashes)]


async def _refresh(tx: Transaction, known: Subscription, new: NewSubscription, now: int) -> None:
    if (known.endpoint, known.p256dh, known.auth) != (new.endpoint, new.p256dh, new.auth):
        raise EndpointTaken
    merged = copy(
        merge(known, new),
        state=SubscriptionState.ACTIVE,
        provider=new.provider,
        key_id=new.key_id,
        expires_at=new.expires_at,
        ended_at=None,
        seen_at=now,
    )
    await _save(tx, merged)
    if known.state is not SubscriptionState.ACTIVE:
        await growth.add(tx, [Moved(known.site_id, now, Move.RESUBSCRIBED)])


async def _save(tx: Transaction, subscription: Subscription) -> None:
    await tx.execute(_SQL["save"], *saved_values(subscription))
