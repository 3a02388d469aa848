"""One subscription: its types, and how they become a row and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import msgspec

from storage.database import Row, Scalar

Attribute = str | int | float | bool
KEY_LENGTH, AUTH_LENGTH = 65, 16
# `accepted_at` tells healthy subscriptions from dead ones: writing it for each push would double the writes.
ACCEPTED_AGAIN_AFTER = 7 * 86_400_000


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
    country: str | None = None  # ISO 3166-1, two letters
    browser: str | None = None
    platform: str | None = None
    displayed_at: int | None = None  # the last time a message was
    clicked_at: int | None = None


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
    country: str | None = None
    browser: str | None = None
    platform: str | None = None
    opted_out: tuple[str, ...] = ()
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
    revived: bool = False  # it had ended


@dataclass(frozen=True, slots=True)
class Imported:
    added: int
    known: int
    conflicts: tuple[int, ...]  # positions in the list: endpoints known with other keys
    overfull: tuple[int, ...] = ()  # those whose tags or attributes would be too many with what is known


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
    seen_at: int


class RecipientRow(NamedTuple):
    """What `plan` may ask of each recipient. The driver's own row is returned, not this class."""

    id: int
    provider: str
    timezone: str | None = None
    activity: bytes | None = None  # packed, see storage.activity


class VisitorRow(NamedTuple):
    """What a message may say of each recipient, or ask about them when their turn comes."""

    id: int
    language: str | None = None
    timezone: str | None = None
    attributes: str | None = None  # JSON
    told: str | None = None  # JSON: what the message's uploaded list (storage.recipients) has for them


class Gone(NamedTuple):
    """A push service said at `at` that the subscription with this endpoint does not work any more."""

    site_id: int
    id: int
    endpoint: str
    at: int


def endpoint_hash(endpoint: str) -> bytes:
    """16 bytes that stand for an endpoint in the unique index."""
    return blake2b(endpoint.encode(), digest_size=16).digest()


Known = TypeVar("Known", Subscription, NewSubscription)


def merge(old: Known, new: NewSubscription) -> Known:
    """Tags, attributes and categories left of both; what `new` says replaces what was known."""
    return replace(
        old,
        external_id=new.external_id or old.external_id,
        language=new.language or old.language,
        timezone=new.timezone or old.timezone,
        tags=tuple(dict.fromkeys((*old.tags, *new.tags))),
        attributes={**old.attributes, **new.attributes},
        country=new.country or old.country,
        browser=new.browser or old.browser,
        platform=new.platform or old.platform,
        opted_out=tuple(dict.fromkeys((*old.opted_out, *new.opted_out))),
    )


def added_values(site_id: int, id: int, new: NewSubscription, now: int) -> tuple[Scalar, ...]:
    """The arguments of the query `add`."""
    wire = (new.provider, new.key_id, new.endpoint, endpoint_hash(new.endpoint), new.p256dh, new.auth)
    personal = (new.external_id, new.language, new.timezone, _json(new.tags), _json(new.attributes))
    learned = (new.country, new.browser, new.platform, _json(new.opted_out))
    return (site_id, id, *wire, new.created_at, now, new.expires_at, *personal, *learned)


def saved_values(s: Subscription) -> tuple[Scalar, ...]:
    """The arguments of the query `save`."""
    personal = (s.external_id, s.language, s.timezone, _json(s.tags), _json(s.attributes), _json(s.opted_out))
    wire = (s.provider, s.key_id, s.endpoint, endpoint_hash(s.endpoint), s.p256dh, s.auth)
    times = (s.seen_at, s.expires_at, s.ended_at)
    learned = (s.country, s.browser, s.platform)
    return (s.site_id, s.id, s.state.value, *wire, *times, *personal, *learned)


def _json(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None  # empty ones cost a row nothing


_decode_labels = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_attributes = msgspec.json.Decoder(dict[str, Attribute]).decode


def from_row(row: Row) -> Subscription:
    """From the columns that the query `get` reads, in its order."""
    (site_id, id, provider, key_id, endpoint, p256dh, auth, state) = row[:8]
    (created_at, seen_at, accepted_at, expires_at, ended_at, external_id, language, timezone) = row[8:16]
    (tags, attributes, opted_out, country, browser, platform, displayed_at, clicked_at) = row[16:]
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
        country=country,
        browser=browser,
        platform=platform,
        displayed_at=displayed_at,
        clicked_at=clicked_at,
    )
