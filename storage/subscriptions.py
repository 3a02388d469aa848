"""Subscriptions: a browser's PushSubscription and what the site told us of its visitor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as copy
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from storage.database import Row, Scalar, Transaction
from storage.errors import EndpointTaken as EndpointTaken
from storage.errors import NotFound
from storage.ids import id_ceiling
from storage.queries import load

_SQL = load("subscriptions")

Attribute = str | int | float | bool
_KEY_LENGTH, _AUTH_LENGTH = 65, 16


class SubscriptionState(StrEnum):
    ACTIVE = "active"
    GONE = "gone"  # 404 or 410; revived when the browser refreshes
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"  # expirationTime, or unseen too long
    ERASED = "erased"  # nothing personal is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    site_id: int
    id: int
    provider: str
    key_id: int
    endpoint: str
    p256dh: bytes  # 65 bytes, uncompressed point
    auth: bytes  # 16 bytes
    state: SubscriptionState
    created_at: int
    seen_at: int
    accepted_at: int | None  # the last known accepted push, to the week
    expires_at: int | None  # PushSubscription.expirationTime
    ended_at: int | None
    external_id: str | None
    language: str | None
    timezone: str | None
    tags: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    opted_out: tuple[str, ...]  # categories


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What a browser or an import brings. None, and no tags: nothing said about it."""

    endpoint: str
    provider: str
    key_id: int
    p256dh: bytes
    auth: bytes
    expires_at: int | None = None
    external_id: str | None = None
    language: str | None = None
    timezone: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """None: leave as it is. Tags and attributes are replaced as a whole; "" clears the external id."""

    external_id: str | None = None
    language: str | None = None
    timezone: str | None = None
    tags: tuple[str, ...] | None = None
    attributes: Mapping[str, Attribute] | None = None
    opted_out: tuple[str, ...] | None = None
    seen_at: int | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    id: int
    created: bool


@dataclass(frozen=True, slots=True)
class Imported:
    added: int
    known: int
    conflicts: tuple[int, ...]  # positions in the list: endpoints known with other keys


class MemberRow(NamedTuple):
    """What a sender reads of each member: the columns in order. The driver's own row is returned, not
    this class.
    """

    id: int
    state: str
    endpoint: str
    p256dh: bytes
    auth: bytes
    key_id: int
    expires_at: int | None
    accepted_at: int | None
    external_id: str | None


def endpoint_hash(endpoint: str) -> bytes:
    """16 bytes that stand for an endpoint in the unique index."""
    return blake2b(endpoint.encode(), digest_size=16).digest()


async def register(tx: Transaction, site_id: int, id: int, new: NewSubscription, now: int) -> Registered:
    """Stores a browser's subscription under `id`, or refreshes the one that has its endpoint already.

    Refreshed with the same p256dh and auth only: it becomes active again, tags and attributes are
    merged, what is said replaces what was known. With other keys EndpointTaken. Raises Conflict on an id
    clash.
    """
    if await tx.execute(_SQL["add"], *_new_values(site_id, id, new, now)):
        return Registered(id, created=True)
    known = await by_endpoint(tx, site_id, new.endpoint)
    if known is None:  # it ended between the two statements (PostgreSQL): the second try meets no obstacle
        return await register(tx, site_id, id, new, now)
    await _refresh(tx, known, new, now)
    return Registered(known.id, created=False)


async def replace(tx: Transaction, site_id: int, id: int, new: NewSubscription, now: int) -> Registered:
    """The browser changed its subscription (pushsubscriptionchange): same id, tags and history, new endpoint.

    When the new endpoint is known already with the same keys, that one is answered and the old one ends.
    Raises NotFound without `id` (or when it was erased), EndpointTaken.
    """
    old = await get(tx, site_id, id)
    if old.state is SubscriptionState.ERASED:
        raise NotFound(f"subscription {id}")
    known = await by_endpoint(tx, site_id, new.endpoint)
    if known is None:
        await _refresh(tx, copy(old, endpoint=new.endpoint, p256dh=new.p256dh, auth=new.auth), new, now)
        return Registered(id, created=False)
    await _refresh(tx, known, new, now)
    if known.id != id:
        await end(tx, site_id, id, SubscriptionState.GONE, now)
    return Registered(known.id, created=False)


async def get(tx: Transaction, site_id: int, id: int) -> Subscription:
    """In any state. Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"subscription {id}")
    return _subscription(row)


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
    return [_subscription(row) for row in rows]


async def export_page(
    tx: Transaction, site_id: int, after_id: int = 0, limit: int = 500
) -> Sequence[Subscription]:
    """Active subscriptions by id, from the one after `after_id`."""
    return await page(tx, site_id, after_id, limit, state=SubscriptionState.ACTIVE)


async def change(tx: Transaction, site_id: int, id: int, change: Change) -> Subscription:
    """As it is afterwards. Raises NotFound, also when it was erased."""
    old = await get(tx, site_id, id)
    if old.state is SubscriptionState.ERASED:
        raise NotFound(f"subscription {id}")
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
    if await tx.execute(_SQL["end"], site_id, id, state.value, now):
        return True
    await get(tx, site_id, id)
    return False


async def erase(tx: Transaction, site_id: int, id: int, now: int) -> None:
    """Overwrites everything personal and keeps a tombstone, so that old counts still add up. Raises NotFound.

    SQLite runs with `secure_delete`: the old bytes are overwritten in the file, too.
    """
    tombstone = endpoint_hash(f"erased {id}")  # unique, and no endpoint's
    empty = (tombstone, bytes(_KEY_LENGTH), bytes(_AUTH_LENGTH))
    if not await tx.execute(_SQL["erase"], site_id, id, now, *empty):
        raise NotFound(f"subscription {id}")
    await tx.execute(_SQL["erase_custom_events"], site_id, id)


async def add_many(
    tx: Transaction, site_id: int, rows: Sequence[tuple[int, NewSubscription]], now: int
) -> Imported:
    """Imports (id, subscription) pairs, a page of some hundred at a time.

    An endpoint that is known with the same keys gets the tags and attributes merged and keeps id and state.
    """
    known = {s.endpoint: s for s in await _by_endpoints(tx, site_id, [new.endpoint for _, new in rows])}
    fresh: dict[str, tuple[int, NewSubscription]] = {}
    merged: dict[int, Subscription] = {}
    conflicts = []
    for position, (id, new) in enumerate(rows):
        old = known.get(new.endpoint)
        earlier = fresh.get(new.endpoint)
        other = old or (earlier and earlier[1])
        if other and (other.p256dh, other.auth) != (new.p256dh, new.auth):
            conflicts.append(position)
        elif old:
            merged[old.id] = _merge(merged.get(old.id, old), new)
        elif earlier is None:
            fresh[new.endpoint] = (id, new)
    await tx.execute_many(_SQL["add"], [_new_values(site_id, id, new, now) for id, new in fresh.values()])
    for subscription in merged.values():
        await _save(tx, subscription)
    return Imported(len(fresh), len(rows) - len(fresh) - len(conflicts), tuple(conflicts))


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
    tx: Transaction, site_id: int, after_id: int, ceiling: int, limit: int
) -> Sequence[tuple[int, str]]:
    """(id, provider) of the next active subscriptions with after_id < id <= ceiling, by id. Hot path."""
    return await tx.fetch(_SQL["audience_step"], site_id, after_id, ceiling, limit)


async def by_ids(tx: Transaction, site_id: int, ids: Sequence[int]) -> Sequence[tuple[int, str, str]]:
    """(id, provider, state) of those that exist."""
    return await tx.fetch(_SQL["by_ids"], site_id, list(ids))


async def by_external_ids(
    tx: Transaction, site_id: int, external_ids: Sequence[str]
) -> Sequence[tuple[str, int, str, str]]:
    """(external_id, id, provider, state); one external id may have several subscriptions, or none."""
    return await tx.fetch(_SQL["by_external_ids"], site_id, list(external_ids))


async def gone(tx: Transaction, site_id: int, ids: Sequence[int], now: int) -> int:
    """A push service said 404 or 410: active → gone, or deleted if it never accepted a push (strangers
    may register
    endpoints that never worked). How many were active."""
    deleted = await tx.execute(_SQL["delete_never_accepted"], site_id, list(ids))
    return deleted + await tx.execute(_SQL["gone"], site_id, list(ids), now)


async def accepted(tx: Transaction, site_id: int, ids: Sequence[int], now: int) -> None:
    """Remembers that they accepted a push. Pass only those whose stored `accepted_at` is older than a
    week.
    """
    await tx.execute(_SQL["accepted"], site_id, list(ids), now)


async def expire_due(tx: Transaction, now: int, limit: int = 500) -> int:
    """active → expired for those whose `expires_at` has passed, on any site; how many."""
    return await tx.execute(_SQL["expire_due"], now, limit)


async def by_endpoint(tx: Transaction, site_id: int, endpoint: str) -> Subscription | None:
    """In any state but erased: an erased one has no endpoint left."""
    found = await _by_endpoints(tx, site_id, [endpoint])
    return found[0] if found else None


async def _by_endpoints(tx: Transaction, site_id: int, endpoints: Sequence[str]) -> Sequence[Subscription]:
    hashes = [endpoint_hash(endpoint) for endpoint in endpoints]
    return [_subscription(row) for row in await tx.fetch(_SQL["by_endpoints"], site_id, hashes)]


async def _refresh(tx: Transaction, known: Subscription, new: NewSubscription, now: int) -> None:
    if (known.endpoint, known.p256dh, known.auth) != (new.endpoint, new.p256dh, new.auth):
        raise EndpointTaken
    merged = copy(
        _merge(known, new),
        state=SubscriptionState.ACTIVE,
        provider=new.provider,
        key_id=new.key_id,
        expires_at=new.expires_at,
        ended_at=None,
        seen_at=now,
    )
    await _save(tx, merged)


def _merge(old: Subscription, new: NewSubscription) -> Subscription:
    return copy(
        old,
        external_id=new.external_id or old.external_id,
        language=new.language or old.language,
        timezone=new.timezone or old.timezone,
        tags=tuple(dict.fromkeys((*old.tags, *new.tags))),
        attributes={**old.attributes, **new.attributes},
    )


async def _save(tx: Transaction, s: Subscription) -> None:
    personal = (s.external_id, s.language, s.timezone, _json(s.tags), _json(s.attributes), _json(s.opted_out))
    wire = (s.provider, s.key_id, s.endpoint, endpoint_hash(s.endpoint), s.p256dh, s.auth)
    times = (s.seen_at, s.expires_at, s.ended_at)
    await tx.execute(_SQL["save"], s.site_id, s.id, s.state.value, *wire, *times, *personal)


def _new_values(site_id: int, id: int, new: NewSubscription, now: int) -> tuple[Scalar, ...]:
    wire = (new.provider, new.key_id, new.endpoint, endpoint_hash(new.endpoint), new.p256dh, new.auth)
    personal = (new.external_id, new.language, new.timezone, _json(new.tags), _json(new.attributes))
    return (site_id, id, *wire, new.created_at, now, new.expires_at, *personal)


def _json(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None  # empty ones cost a row nothing


_decode_labels = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_attributes = msgspec.json.Decoder(dict[str, Attribute]).decode


def _subscription(row: Row) -> Subscription:
    *plain, tags, attributes, opted_out = row
    (site_id, id, provider, key_id, endpoint, p256dh, auth, state) = plain[:8]
    (created_at, seen_at, accepted_at, expires_at, ended_at, external_id, language, timezone) = plain[8:]
    return Subscription(
        site_id=site_id,
        id=id,
        provider=provider,
        key_id=key_id,
        endpoint=endpoint,
        p256dh=p256dh,
        auth=auth,
        state=SubscriptionState(state),
        created_at=created_at,
        seen_at=seen_at,
        accepted_at=accepted_at,
        expires_at=expires_at,
        ended_at=ended_at,
        external_id=external_id,
        language=language,
        timezone=timezone,
        tags=_decode_labels(tags) if tags else (),
        attributes=_decode_attributes(attributes) if attributes else {},
        opted_out=_decode_labels(opted_out) if opted_out else (),
    )
