"""Reads whom a message addresses: step by step when it may be everybody, at once when they are named."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET, DecodeError

from gateway.audience import AudienceSpec, read_audience
from gateway.campaigns.freezing import frozen_condition, is_expression
from gateway.campaigns.plan import Timetable
from gateway.campaigns.rules import read_rules
from storage import audiences, deliveries, recipients, site_hours, subscriptions, withdrawals
from storage.database import Database, Row, Transaction
from storage.deliveries import Outcome
from storage.messages import Message
from storage.received import Sent
from storage.subscriptions import SubscriptionState

NAMES = 10_000  # in one read


class Step(NamedTuple):
    """One page of an audience: whom it found, where the next one begins, and whether there is none."""

    rows: Sequence[Row]  # columns of RecipientRow; of a plain message id and provider
    end: int
    last: bool


class Named(NamedTuple):
    """The named part of the world that exists. `unknown` counts names that are nobody's."""

    rows: Sequence[Row]
    unknown: int


def is_named(audience: AudienceSpec) -> bool:
    """Whether it is small enough to be read and frozen in one transaction."""
    of_another = audience.failures_of is not UNSET or audience.withdrawal_of is not UNSET
    in_steps = audience.all is True or of_another or audience.uploaded is not UNSET
    return not (in_steps or is_expression(audience))


async def hours_of_sites(tx: Transaction, found: Iterable[Message], now: int) -> Mapping[int, Sequence[int]]:
    """What Timetable.of needs of sites, by id: those of messages that go out at everybody's best hour."""
    asking = {message.site_id for message in found if _goes_by_hours(message)}
    return await site_hours.of_sites(tx, asking, now)


def _goes_by_hours(message: Message) -> bool:
    try:
        return read_rules(message).best_hour is not None
    except DecodeError:  # whoever makes its timetable is told of that
        return False


async def look_ahead(tx: Transaction, timetable: Timetable) -> Mapping[int, Sent] | None:
    """What the next steps of an expression's audience ask of the counters, read once for them all."""
    message = timetable.message
    if message.resolved is None or message.freeze_ceiling is None:
        return None
    condition = frozen_condition(message.resolved)
    return await audiences.look(tx, message.site_id, condition, message.freeze_cursor, message.freeze_ceiling)


async def read_step(
    tx: Transaction, timetable: Timetable, cursor: int, limit: int, sent: Mapping[int, Sent] | None = None
) -> Step:
    """The page behind `cursor`, in one snapshot. `sent`: what `look_ahead` has found."""
    message = timetable.message
    audience = read_audience(message.audience_spec)
    if audience.failures_of is not UNSET:
        return await _failures(tx, timetable, audience, cursor, limit)
    if audience.withdrawal_of is not UNSET:
        return await _unseen(tx, timetable, audience.withdrawal_of, cursor, limit)
    ceiling = message.freeze_ceiling
    assert ceiling is not None, "a message that has started has a ceiling"
    details = not timetable.is_plain
    if audience.uploaded is not UNSET:
        list_id = audience.uploaded
        page = await recipients.step(tx, message.site_id, list_id, cursor, ceiling, limit, details=details)
        return Step(*page)
    if message.resolved is not None:
        condition = frozen_condition(message.resolved)
        found = await audiences.step(
            tx, message.site_id, condition, cursor, ceiling, limit, details=details, sent=sent
        )
        return Step(*found)
    rows = await subscriptions.audience_step(tx, message.site_id, cursor, ceiling, limit, details=details)
    return Step(rows, rows[-1][0] if rows else cursor, len(rows) < limit)


async def _failures(
    tx: Transaction, timetable: Timetable, audience: AudienceSpec, cursor: int, limit: int
) -> Step:
    """Those who can be sent to (again): whoever is gone stays so."""
    site_id = timetable.message.site_id
    assert audience.failures_of is not UNSET
    failed = await deliveries.failed_page(tx, site_id, audience.failures_of, cursor, limit)
    ids = [each.subscription_id for each in failed if audience.asks_for(each.outcome)]
    found = await subscriptions.by_ids(tx, site_id, ids) if ids else ()
    rows = await _active(tx, timetable, [row[:3] for row in found])
    return Step(rows, failed[-1].subscription_id if failed else cursor, len(failed) < limit)


async def _unseen(tx: Transaction, timetable: Timetable, withdrawn_id: int, cursor: int, limit: int) -> Step:
    """Those to whom a message may still be brought: push services took it, and no longer ago than its TTL.

    Not those from whom an earlier withdrawal, cancelled since, has taken it back.
    """
    message = timetable.message
    sent = await deliveries.page(tx, message.site_id, withdrawn_id, cursor, limit)
    since = message.created_at - message.ttl * 1_000
    ids = [each.subscription_id for each in sent if each.outcome is Outcome.ACCEPTED and each.at > since]
    passed: set[int] = set()
    if ids:
        passed |= await withdrawals.reported(tx, message.site_id, withdrawn_id, ids)
        passed |= await withdrawals.taken_back(tx, message.site_id, withdrawn_id, ids)
    rows = await read_active(tx, timetable, [id for id in ids if id not in passed])
    return Step(rows, sent[-1].subscription_id if sent else cursor, len(sent) < limit)


async def count_unknown(database: Database, message: Message) -> int:
    """Uploaded names that nobody has, read page by page; 0 for audiences that were not uploaded."""
    list_id = read_audience(message.audience_spec).uploaded
    unknown, after = 0, "" if list_id else None
    while list_id and after is not None:
        found, after = await database.read(
            lambda tx, name=after: recipients.unknown_after(tx, message.site_id, list_id, name, NAMES)  # type: ignore[misc]
        )
        unknown += found
    return unknown


async def read_named(tx: Transaction, timetable: Timetable) -> Named:
    """Whom the names mean at this moment. All in one snapshot: between two, a visitor could change names."""
    message = timetable.message
    audience = read_audience(message.audience_spec)
    names = audience.named_external_ids
    if names is not None and audience.subscriptions is UNSET:
        known = await subscriptions.by_external_ids(tx, message.site_id, names)
        rows = await _active(tx, timetable, [row[1:] for row in known])
        return Named(rows, len(names) - len({external_id for external_id, *_ in known}))
    assert audience.subscriptions is not UNSET
    found = await subscriptions.by_ids(tx, message.site_id, audience.subscriptions)
    rows = await _active(tx, timetable, found)
    return Named(rows, len(audience.subscriptions) - len(found))


async def read_active(tx: Transaction, timetable: Timetable, ids: Sequence[int]) -> Sequence[Row]:
    """Those of `ids` that can be sent to."""
    return await _active(tx, timetable, await subscriptions.by_ids(tx, timetable.message.site_id, ids))


async def _active(
    tx: Transaction, timetable: Timetable, found: Sequence[tuple[int, str, str]]
) -> Sequence[Row]:
    """Those of (id, provider, state) that can be sent to."""
    active = [(id, provider) for id, provider, state in found if state == SubscriptionState.ACTIVE]
    if timetable.is_plain or not active:
        return active
    return await subscriptions.details(tx, timetable.message.site_id, [id for id, _ in active])
