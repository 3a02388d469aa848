"""Events: what browsers report back about a message, and the site's own events of a subscription."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from storage import rollups
from storage.database import Transaction
from storage.queries import load
from storage.rollups import Rollup

_SQL = load("events")


class EventKind(StrEnum):
    DISPLAYED = "displayed"
    CLICKED = "clicked"
    CLOSED = "closed"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True)
class Event:
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


async def record(tx: Transaction, events: Sequence[Event]) -> int:
    """Stores those that are the first of their (message, subscription, kind) and counts them; how many were.

    The provider in the rollup is the subscription's, "other" when the subscription is no more.
    """
    first: dict[tuple[int, int, str], Event] = {}
    for event in events:
        first.setdefault((event.message_id, event.subscription_id, event.kind.value), event)
    if not first:
        return 0
    rows = [
        (e.site_id, e.message_id, e.subscription_id, e.kind.value, e.variant, e.action, e.at)
        for e in sorted(first.values(), key=lambda e: (e.message_id, e.subscription_id))
    ]
    stored = [
        first[message_id, subscription_id, kind]
        for message_id, subscription_id, kind in await tx.fetch_rows(_SQL["record"], rows)
    ]
    if not stored:
        return 0
    found = await tx.fetch_rows(_SQL["providers"], [(e.site_id, e.subscription_id) for e in stored])
    providers = {(site_id, id): provider for site_id, id, provider in found}
    await rollups.add_many(
        tx,
        [
            Rollup(
                e.site_id,
                e.message_id,
                e.variant,
                providers.get((e.site_id, e.subscription_id), "other"),
                e.at,
                e.kind.value,
                1,
            )
            for e in stored
        ],
    )
    return len(stored)


async def track(tx: Transaction, event: CustomEvent) -> None:
    """Stores one of the site's own events."""
    await tx.execute(
        _SQL["track"], event.site_id, event.id, event.subscription_id, event.name, event.data, event.at
    )


async def custom_of_subscription(
    tx: Transaction, site_id: int, subscription_id: int, limit: int = 100
) -> Sequence[CustomEvent]:
    """The newest custom events of one subscription, newest first."""
    rows = await tx.fetch(_SQL["custom_of_subscription"], site_id, subscription_id, limit)
    return [CustomEvent(*row) for row in rows]
