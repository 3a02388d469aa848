"""Facts of pushes and of what browsers report, put into the outbox in the transaction that records them."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from msgspec import Struct, json

from gateway.webhooks.types import EventType
from storage import outbox
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.outbox import Wanted

_encode = json.Encoder().encode

_PUSHED = {
    Outcome.ACCEPTED: EventType.PUSH_ACCEPTED,
    **dict.fromkeys(
        (
            Outcome.GONE,
            Outcome.UNAUTHORIZED,
            Outcome.TOO_LARGE,
            Outcome.REJECTED,
            Outcome.RENDER_FAILED,
            Outcome.EXPIRED,
        ),
        EventType.PUSH_FAILED,
    ),
}
_REPORTED = {
    EventKind.DISPLAYED: EventType.EVENT_DISPLAYED,
    EventKind.CLICKED: EventType.EVENT_CLICKED,
    EventKind.CLOSED: EventType.EVENT_CLOSED,
}


class PushFact(Struct, frozen=True):
    message_id: int
    subscription_id: int
    provider: str
    variant: int
    outcome: str
    status: int | None
    reason: str | None
    at: int


class EventFact(Struct, frozen=True):
    message_id: int
    subscription_id: int
    variant: int
    action: str | None
    at: int


async def tell_of_pushes(
    tx: Transaction, results: Sequence[Result], changed: Collection[tuple[int, int]], wanted: Wanted
) -> None:
    """Of the results that changed a delivery, those whose sites want to hear of them."""
    told: defaultdict[tuple[int, str], dict[tuple[int, int], PushFact]] = defaultdict(dict)
    for r in results:
        types = wanted.get(r.site_id)
        if types is None or r.outcome is None:
            continue
        type = _PUSHED.get(r.outcome)
        delivery = (r.message_id, r.subscription_id)
        if type in types and type is not None and delivery in changed:
            fact = PushFact(*delivery, r.provider, r.variant, r.outcome.value, r.code, r.reason, r.at)
            told[r.site_id, type.value].setdefault(delivery, fact)
    for (site_id, name), facts in sorted(told.items()):
        await _add(tx, site_id, name, list(facts.values()))


async def tell_of_events(tx: Transaction, stored: Sequence[Event], wanted: Wanted) -> None:
    """Of events that were stored just now, those whose sites want to hear of them."""
    told: defaultdict[tuple[int, str], list[EventFact]] = defaultdict(list)
    for event in stored:
        types, type = wanted.get(event.site_id), _REPORTED.get(event.kind)
        if types is not None and type is not None and type in types:
            fact = EventFact(event.message_id, event.subscription_id, event.variant, event.action, event.at)
            told[event.site_id, type.value].append(fact)
    for (site_id, name), facts in sorted(told.items()):
        await _add(tx, site_id, name, facts)


async def _add(
    tx: Transaction, site_id: int, type: str, facts: Sequence[PushFact] | Sequence[EventFact]
) -> None:
    await outbox.add(tx, site_id, type, [_encode(fact).decode() for fact in facts], facts[-1].at)
