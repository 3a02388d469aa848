"""What happened to a subscription: what it was sent, what its browser reported, what the site told of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct, json

from gateway.context import Context
from gateway.subscriptions import existing
from storage import events, history, sites
from storage.database import Transaction
from storage.deliveries import Outcome
from storage.events import EventKind
from storage.rollups import FAILED
from storage.subscriptions import Subscription, SubscriptionState

MOST_EVENTS = 1_000  # of the site's own, the newest
_TOGETHER = 1_000  # entries of one millisecond that a cursor tells apart


@dataclass(frozen=True, slots=True)
class Entry:
    """`message_id` None: it has to do with no message. `detail`: why, which button, which event."""

    at: int
    kind: str
    message_id: int | None = None
    detail: str | None = None
    title: str | None = None


class Placed(NamedTuple):
    """An entry, and the cursor behind it."""

    entry: Entry
    cursor: int


class _Titled(Struct):
    title: str = ""


class _Content(Struct):
    notification: _Titled


_decode = json.Decoder(_Content).decode


async def subscription_history(
    context: Context, site_id: int, id: int, cursor: int | None, limit: int
) -> Sequence[Placed]:
    """Newest first, from behind `cursor`. storage.errors.NotFound, also when it was erased."""

    async def body(tx: Transaction) -> Sequence[Placed]:
        await sites.get(tx, site_id)
        subscription = await existing(tx, site_id, id)
        entries = [
            *_delivered(await history.deliveries_of(tx, site_id, id)),
            *_reported(await history.events_of(tx, site_id, id)),
        ]
        entries += _own(subscription, entries)
        told = await events.custom_of_subscription(tx, site_id, id, MOST_EVENTS)
        entries += [Entry(each.at, "event", detail=each.name) for each in told]
        placed = [each for each in _place(entries) if cursor is None or each.cursor > cursor][:limit]
        contents = await history.contents(
            tx, sorted({each.entry.message_id for each in placed if each.entry.message_id is not None})
        )
        titles = {message_id: _decode(content).notification.title for message_id, content in contents.items()}
        return [
            Placed(replace(entry, title=titles.get(entry.message_id or 0)), after) for entry, after in placed
        ]

    return await context.database.read_apart(body)


def _delivered(found: Sequence[history.Delivered]) -> Iterator[Entry]:
    for message_id, outcome, code, reason, at in found:
        kind, detail = outcome, reason
        if outcome in FAILED:
            kind = "failed"
            detail = f"{outcome}: {reason or code}" if reason or code else outcome
        elif outcome == Outcome.ACCEPTED:
            detail = None
        yield Entry(at, kind, message_id, detail)


def _reported(found: Sequence[history.Reported]) -> Iterator[Entry]:
    for message_id, kind, action, at in found:
        yield Entry(at, kind, message_id, action)


def _own(subscription: Subscription, entries: Sequence[Entry]) -> Iterator[Entry]:
    """How it began and ended; the end only if no message tells of it."""
    yield Entry(subscription.created_at, "subscribed")
    state, ended_at = subscription.state, subscription.ended_at
    if ended_at is None or state is SubscriptionState.ACTIVE:
        return
    tells = {SubscriptionState.GONE: Outcome.GONE, SubscriptionState.UNSUBSCRIBED: EventKind.UNSUBSCRIBED}
    if not any(each.kind == tells.get(state) and each.at >= ended_at for each in entries):
        yield Entry(ended_at, state.value)


def _place(entries: Sequence[Entry]) -> Iterator[Placed]:
    """Newest first, each with a number that grows from entry to entry: what is new moves none of them."""
    ordered = sorted(entries, key=lambda each: (-each.at, each.message_id or 0, each.kind))
    for at, together in groupby(ordered, key=lambda each: each.at):
        for number, entry in enumerate(together):
            yield Placed(entry, min(number, _TOGETHER - 1) - at * _TOGETHER)
