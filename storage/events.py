"""Events: what browsers report back about a message, and the site's own events of a subscription."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from storage import breakdowns, habits, rollups
from storage.activity import hour_of_day
from storage.breakdowns import DAY, UNKNOWN, Dimension, Told
from storage.database import Row, Transaction
from storage.habits import Look
from storage.queries import load
from storage.rollups import Rollup

_SQL = load("events")

LOOKED_AT = 200  # messages: a look-up for each, there is no index of events by subscription

_NO_ZONES: Mapping[int, str] = MappingProxyType({})
_NOBODY = ("other", None, None, None)  # provider, zone, browser and country of a subscription that is no more


class EventKind(StrEnum):
    DISPLAYED = "displayed"
    CLICKED = "clicked"
    CLOSED = "closed"
    UNSUBSCRIBED = "unsubscribed"


class Event(NamedTuple):
    site_id: int
    message_id: int
    subscription_id: int
    variant: int
    kind: EventKind
    action: str | None  # the button that was clicked
    at: int


@dataclass(frozen=True, slots=True)
class CustomEvent:
    id: int
    site_id: int
    subscription_id: int
    name: str
    data: str | None  # JSON
    at: int


async def record(tx: Transaction, events: Sequence[Event], zones: Mapping[int, str] = _NO_ZONES) -> int:
    """As `record_first`; how many they were."""
    return len(await record_first(tx, events, zones))


async def record_first(
    tx: Transaction, events: Sequence[Event], zones: Mapping[int, str] = _NO_ZONES
) -> Sequence[Event]:
    """Stores those that are the first of their (message, subscription, kind) and counts them: which ones.

    The provider in the rollup is the subscription's, "other" when the subscription is no more. `zones` are
    those of sites, for visitors whose own zone is not known.
    """
    first: dict[tuple[int, int, str], Event] = {}
    for event in events:
        first.setdefault((event.message_id, event.subscription_id, event.kind.value), event)
    if not first:
        return ()
    rows = [
        (e.site_id, e.message_id, e.subscription_id, e.kind.value, e.variant, e.action, e.at)
        for e in sorted(first.values(), key=lambda e: (e.message_id, e.subscription_id, e.kind))
    ]
    stored = [
        first[message_id, subscription_id, kind]
        for message_id, subscription_id, kind in await tx.fetch_rows(_SQL["record"], rows)
    ]
    if not stored:
        return ()
    reporters = sorted({(e.site_id, e.subscription_id) for e in stored})
    found = {row[:2]: row[2:] for row in map(tuple, await tx.fetch_rows(_SQL["reporters"], reporters))}
    await habits.note(tx, _telling(stored, found, zones))
    await breakdowns.add(tx, _broken_down(stored, found))
    await rollups.add_many(  # last: others wait for its rows, all that is sent to the site counts there
        tx,
        [
            Rollup(
                e.site_id,
                e.message_id,
                e.variant,
                found.get((e.site_id, e.subscription_id), _NOBODY)[0],
                e.at,
                e.kind.value,
                1,
            )
            for e in stored
        ],
    )
    return stored


def _broken_down(stored: Sequence[Event], found: Mapping[Row, Row]) -> Iterator[Told]:
    alike: Counter[tuple[int, int, int, str, str, str, str | None]] = Counter()
    for event in stored:
        if event.kind is EventKind.UNSUBSCRIBED:
            continue
        _, _, browser, country = found.get((event.site_id, event.subscription_id), _NOBODY)
        place = (event.site_id, event.message_id, event.at // DAY * DAY)
        action = event.action if event.kind is EventKind.CLICKED else None
        alike[*place, browser or UNKNOWN, country or UNKNOWN, event.kind.value, action] += 1
    for (site_id, message_id, day, browser, country, kind, action), n in alike.items():
        yield Told(site_id, message_id, day, Dimension.BROWSER, browser, kind, n)
        yield Told(site_id, message_id, day, Dimension.COUNTRY, country, kind, n)
        if action:
            yield Told(site_id, message_id, day, Dimension.ACTION, action, kind, n)


def _telling(stored: Sequence[Event], found: Mapping[Row, Row], zones: Mapping[int, str]) -> Sequence[Look]:
    """What tells something of visitors' hours. Closing does not: it happens by itself, too."""
    looks = []
    for event in stored:
        visitor = (event.site_id, event.subscription_id)
        if visitor in found and event.kind in (EventKind.DISPLAYED, EventKind.CLICKED):
            hour = hour_of_day(event.at, found[visitor][1] or zones.get(event.site_id))
            looks.append(Look(*visitor, event.at, int(event.kind is EventKind.CLICKED), hour))
    return looks


async def displayed_last(tx: Transaction, site_id: int, subscription_id: int, since: int) -> Event | None:
    """Of the site's newest LOOKED_AT messages the one that was displayed last, at `since` or later."""
    row = await tx.fetch_one(_SQL["displayed_last"], site_id, subscription_id, since, LOOKED_AT)
    if row is None:
        return None
    message_id, variant, at = row
    return Event(site_id, message_id, subscription_id, variant, EventKind.DISPLAYED, None, at)


async def track(tx: Transaction, events: Sequence[CustomEvent]) -> None:
    """Stores the site's own events."""
    await tx.execute_many(
        _SQL["track"], [(e.site_id, e.id, e.subscription_id, e.name, e.data, e.at) for e in events]
    )


async def custom_of_subscription(
    tx: Transaction, site_id: int, subscription_id: int, limit: int = 100
) -> Sequence[CustomEvent]:
    """The newest custom events of one subscription, newest first."""
    rows = await tx.fetch(_SQL["custom_of_subscription"], site_id, subscription_id, limit)
    return [CustomEvent(*row) for row in rows]
