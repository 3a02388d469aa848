"""From facts in the outbox to the bodies of requests.

An event looks the same to every webhook and in every attempt: its id is the outbox row's and its place
in there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec import Raw, Struct, json

from gateway.logs import Log
from gateway.webhooks.types import TEST
from storage.ids import Kind, encode_id
from storage.outbox import Waiting

log = Log(__name__)

MOST_EVENTS = 100  # in a request
MOST_BYTES = 256 * 1024 - 200  # of its events; the rest is for what is around them

_encode = json.Encoder().encode
_decode = json.Decoder(list[dict[str, Any]]).decode
_KINDS = {"message_id": Kind.MESSAGE, "subscription_id": Kind.SUBSCRIPTION}


class Shown(Struct, frozen=True):
    id: str
    type: str
    timestamp: str  # RFC 3339
    data: dict[str, Any]


class EventsOf(Struct, frozen=True):
    events: list[Raw]


class Body(Struct, frozen=True):
    type: str
    timestamp: str
    data: EventsOf


class Written(NamedTuple):
    """An event as JSON."""

    type: str
    json: bytes


class Packed(NamedTuple):
    """A request."""

    types: tuple[str, ...]
    events: int
    body: str


def write_events(row: Waiting, now: int) -> list[Written]:
    """Of one row of the outbox."""
    at = now if row.at is None else row.at
    return [
        Written(row.type, _encode(_shown(f"evt_{row.id}_{place}", row.type, fact, at)))
        for place, fact in enumerate(_decode(row.facts))
    ]


def pack(events: Iterable[Written], now: int) -> Iterator[Packed]:
    """In their order, as few requests as the limits allow."""
    page: list[Written] = []
    size = 0
    for event in events:
        if page and (len(page) == MOST_EVENTS or size + len(event.json) + 1 > MOST_BYTES):
            yield _packed(page, now)
            page, size = [], 0
        page.append(event)
        size += len(event.json) + 1
    if page:
        yield _packed(page, now)


def pack_for(
    rows: Sequence[Waiting], wanting: Mapping[tuple[int, str], Sequence[int]], now: int
) -> dict[tuple[int, int], list[Packed]]:
    """Requests by (site, webhook). What nobody collects any more is left out."""
    collected: dict[tuple[int, int], list[Written]] = {}
    for row in rows:
        webhooks = wanting.get((row.site_id, row.type), ())
        written: list[Written] = []
        if webhooks:
            try:
                written = write_events(row, now)
            except ValueError as exc:  # a mistake of ours, and no reason to hold up all that comes behind it
                log.error("webhook.facts_unreadable", site_id=row.site_id, type=row.type, cause=exc)
        if written:
            for webhook_id in webhooks:
                collected.setdefault((row.site_id, webhook_id), []).extend(written)
    return {place: list(pack(events, now)) for place, events in collected.items()}


def pack_test(delivery_id: int, webhook_id: int, now: int) -> Packed:
    """What a test delivery says."""
    shown = _shown(
        f"evt_{encode_id(Kind.DELIVERY, delivery_id)}",
        TEST,
        {"webhook": encode_id(Kind.WEBHOOK, webhook_id)},
        now,
    )
    return _packed([Written(TEST, _encode(shown))], now)


def _shown(id: str, type: str, fact: dict[str, Any], at: int) -> Shown:
    if isinstance(fact.get("at"), int):
        at = fact.pop("at")
    data = {}
    for name, value in fact.items():
        if name in _KINDS and isinstance(value, int):
            data[name.removesuffix("_id")] = encode_id(_KINDS[name], value)
        else:
            data[name] = value
    return Shown(id, type, moment(at), data)


def _packed(page: Sequence[Written], now: int) -> Packed:
    events = EventsOf([Raw(event.json) for event in page])
    body = _encode(Body("events", moment(now), events)).decode()
    return Packed(tuple(sorted({event.type for event in page})), len(page), body)


def moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
