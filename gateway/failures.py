"""Whom a message did not reach, and why: listed and handed out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.context import Context
from gateway.retention import check_kept
from storage import deliveries, messages, sites, subscriptions
from storage.database import Transaction
from storage.deliveries import Delivery, Outcome
from storage.subscriptions import MemberRow

# Those of storage.deliveries.Outcome that mean that somebody was not reached.
FailedOutcome = Literal["expired", "gone", "rejected", "render_failed", "too_large", "unauthorized"]

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """`external_id` None: the visitor has none, has been erased, or the subscription was deleted."""

    delivery: Delivery
    external_id: str | None


async def page_of_failures(
    context: Context, site_id: int, message_id: int, after_id: int, limit: int, outcome: Outcome | None
) -> Sequence[Failure]:
    """By subscription, from the one after `after_id`; with one outcome when it is given.

    Only final outcomes of attempts: who waits for another attempt may still be reached, and who was left
    over when a message expired, without one attempt, is counted and not listed. RowsRemoved;
    storage.errors.NotFound.
    """

    async def body(tx: Transaction) -> Sequence[Failure]:
        await sites.get(tx, site_id)
        await messages.get(tx, site_id, message_id)
        return await _failures(context, tx, site_id, message_id, after_id, limit, outcome)

    return await context.database.read(body)


async def begin_export(
    context: Context, site_id: int, message_id: int, outcome: Outcome | None
) -> AsyncIterator[Sequence[Failure]]:
    """All of them, some hundred at a time, each page read when it is asked for. As `page_of_failures`."""
    first = await page_of_failures(context, site_id, message_id, 0, _PAGE, outcome)
    return _pages(context, site_id, message_id, first, outcome)


async def _pages(
    context: Context, site_id: int, message_id: int, page: Sequence[Failure], outcome: Outcome | None
) -> AsyncIterator[Sequence[Failure]]:
    while page:
        yield page
        after_id = page[-1].delivery.subscription_id

        async def body(tx: Transaction, after_id: int = after_id) -> Sequence[Failure]:
            return await _failures(context, tx, site_id, message_id, after_id, _PAGE, outcome)

        page = await context.database.read(body)


async def _failures(
    context: Context,
    tx: Transaction,
    site_id: int,
    message_id: int,
    after_id: int,
    limit: int,
    outcome: Outcome | None,
) -> Sequence[Failure]:
    await check_kept(tx, context.settings, message_id)
    found = await deliveries.failed_page(tx, site_id, message_id, after_id, limit, outcome)
    if not found:
        return ()
    rows = await subscriptions.members(tx, site_id, [each.subscription_id for each in found])
    members = map(MemberRow._make, rows)
    external_ids = {each.id: each.external_id for each in members}
    return [Failure(each, external_ids.get(each.subscription_id)) for each in found]
