"""Deliveries: one message to one subscription, and how it ended. The sender's hot path ends here.

Compare and set per row makes recording safe to repeat: attempt 1 inserts if there is no row, attempt n
updates where attempt n-1 is still open. Counters move by the rows that really changed, in the same
transaction, so that a batch that was reclaimed, or a flush that was repeated, counts nothing twice.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from storage import rollups
from storage.database import Row, Transaction
from storage.queries import load
from storage.rollups import RETRYING, SKIPPED, Rollup

_SQL = load("deliveries")


class Outcome(StrEnum):
    """How a delivery ended. Exactly one for each subscription of an audience."""

    ACCEPTED = "accepted"  # the push service took it (RFC 8030 section 5)
    GONE = "gone"  # 404 or 410
    UNAUTHORIZED = "unauthorized"  # 401 or 403
    TOO_LARGE = "too_large"
    REJECTED = "rejected"
    RENDER_FAILED = "render_failed"
    EXPIRED = "expired"  # TTL or expires_at passed before it was accepted
    SKIPPED = "skipped"  # not sendable when its turn came; always with a SkipReason


class SkipReason(StrEnum):
    GONE = "gone"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"  # the subscription's own expirationTime
    ERASED = "erased"
    DELETED = "deleted"  # there is no such subscription any more
    KEY_RETIRED = "key_retired"
    CANCELLED = "cancelled"


class Result(NamedTuple):
    """What became of one attempt. `outcome` None: another attempt follows (its batch is in this transaction).

    A tuple, because half a million of them a minute are made.
    """

    site_id: int
    message_id: int
    subscription_id: int
    provider: str
    attempt: int  # from 1
    variant: int
    outcome: Outcome | None
    reason: str | None  # a SkipReason when skipped, otherwise a short text for the failure list
    code: int | None  # HTTP status, if there was an answer
    at: int


class Delivery(NamedTuple):
    subscription_id: int
    attempt: int
    variant: int
    outcome: Outcome | None
    reason: str | None
    code: int | None
    at: int


async def record(tx: Transaction, results: Sequence[Result]) -> set[tuple[int, int]]:
    """Stores results of any messages and moves the counters; which (message_id, subscription_id) changed.

    Of several results for one attempt of one delivery the first counts. A result whose attempt was
    recorded before, or whose previous attempt was not, changes nothing.
    """
    firsts: dict[tuple[int, int, int], Result] = {}
    later: dict[tuple[int, int, int], Result] = {}
    for result in results:
        key = (result[1], result[2], result[4])
        (firsts if result[4] == 1 else later).setdefault(key, result)
    moved: list[Rollup] = []
    changed = set()
    if firsts:
        for key in await _store(tx, "record_first", firsts.values()):
            moved.append(_rollup(firsts[key], _kind(firsts[key]), 1))
            changed.add(key[:2])
    # Attempt by attempt: a flush may hold two attempts of one delivery.
    for attempt in sorted({key[2] for key in later}):
        for key in await _store(tx, "record_later", [r for k, r in later.items() if k[2] == attempt]):
            result = later[key]
            if result.outcome is not None:
                moved += (_rollup(result, RETRYING, -1), _rollup(result, _kind(result), 1))
            changed.add(key[:2])
    await rollups.add_many(tx, moved)
    return changed


async def at_attempt(
    tx: Transaction, site_id: int, message_id: int, ids: Sequence[int], attempt: int
) -> set[int] | None:
    """Those of `ids` that are still to be sent at this attempt; None means all of them (the usual case).

    A batch of attempt 1 that is claimed for the first time (`Batch.leases == 1`) need not ask.
    """
    if attempt == 1:
        rows = await tx.fetch(_SQL["recorded"], site_id, message_id, list(ids))
        return set(ids).difference(row[0] for row in rows) if rows else None
    rows = await tx.fetch(_SQL["open_at"], site_id, message_id, list(ids), attempt - 1)
    return {row[0] for row in rows} if len(rows) < len(ids) else None


async def called_gone(tx: Transaction, site_id: int, message_id: int, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that wait for another attempt because the last one was answered 404 or 410."""
    rows = await tx.fetch(_SQL["called_gone"], site_id, message_id, list(ids))
    return {row[0] for row in rows}


async def page(
    tx: Transaction,
    site_id: int,
    message_id: int,
    after_id: int = 0,
    limit: int = 100,
    outcome: Outcome | None = None,
) -> Sequence[Delivery]:
    """Deliveries of one message by subscription id; those with one outcome when it is given."""
    wanted = None if outcome is None else outcome.value
    return _deliveries(await tx.fetch(_SQL["page"], site_id, message_id, after_id, limit, wanted))


async def failed_page(
    tx: Transaction,
    site_id: int,
    message_id: int,
    after_id: int = 0,
    limit: int = 100,
    outcome: Outcome | None = None,
) -> Sequence[Delivery]:
    """Those that ended neither accepted nor skipped, by subscription id; with one outcome when it is given.

    Reads the failed ones only, however many were accepted.
    """
    wanted = None if outcome is None else outcome.value
    return _deliveries(await tx.fetch(_SQL["failed_page"], site_id, message_id, after_id, limit, wanted))


async def failed_ids(
    tx: Transaction, site_id: int, message_id: int, after_id: int, limit: int
) -> Sequence[int]:
    """The subscriptions of `failed_page`, for the audience of a message to all of them."""
    rows = await tx.fetch(_SQL["failed_page"], site_id, message_id, after_id, limit, None)
    return [row[0] for row in rows]


def _deliveries(rows: Sequence[Row]) -> Sequence[Delivery]:
    return [
        Delivery(id, attempt, variant, None if ended is None else Outcome(ended), reason, code, at)
        for id, attempt, variant, ended, reason, code, at in rows
    ]


async def _store(tx: Transaction, query: str, results: Iterable[Result]) -> list[tuple[int, int, int]]:
    """The (message, subscription, attempt) of the rows that changed. Sorted, so that two flushes lock in
    one order.
    """
    rows = sorted(
        (r.site_id, r.message_id, r.subscription_id, r.attempt, r.variant, r.outcome, r.code, r.reason, r.at)
        for r in results
    )
    return [(row[0], row[1], row[2]) for row in await tx.fetch_rows(_SQL[query], rows)]


def _kind(result: Result) -> str:
    if result.outcome is None:
        return RETRYING
    return SKIPPED + (result.reason or "") if result.outcome is Outcome.SKIPPED else result.outcome.value


def _rollup(result: Result, kind: str, n: int) -> Rollup:
    return Rollup(result.site_id, result.message_id, result.variant, result.provider, result.at, kind, n)
