"""Deliveries: one message to one subscription, and how it ended. The sender's hot path ends here.

Compare and set per row makes recording safe to repeat: attempt 1 inserts if there is no row, attempt n
updates where attempt n-1 is still open. Counters move by the rows that really changed, in the same
transaction, so that a batch that was reclaimed, or a flush that was repeated, counts nothing twice.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple

from storage import rollups
from storage.database import Row, Transaction
from storage.queries import load
from storage.rollups import HOUR, RETRYING, SKIPPED, Rollup

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
    LATE = "late"  # the local time of the message had passed where they are, and it says to skip them
    CANCELLED = "cancelled"
    OPTED_OUT = "opted_out"  # they left the category of the message
    FREQUENCY_CAP = "frequency_cap"  # they got as many of late as the site wants them to, or one just now
    HOLDOUT = "holdout"  # in the group that gets nothing, to compare with
    NOT_OFFERED = "not_offered"  # of a withdrawal: the push service takes nothing back
    DISPLAYED = "displayed"  # of a withdrawal: their browser has reported that it shows the message
    NOT_WAITING = "not_waiting"  # of a withdrawal: the push service has delivered or forgotten the message
    DRY_RUN = "dry_run"  # made ready for the push service and not sent: the message asked for that


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


def _columns(*names: str) -> Callable[[Result], Any]:
    """Fields of a result as a tuple, by position: half a million a minute pass here."""
    return itemgetter(*map(Result._fields.index, names))


Said = tuple[int, int, int, int, Outcome | None, int | None, str | None, str]
_said = _columns("site_id", "message_id", "attempt", "variant", "outcome", "code", "reason", "provider")
_attempt = _columns("message_id", "subscription_id", "attempt")


async def record(tx: Transaction, results: Sequence[Result]) -> set[tuple[int, int]]:
    """Stores results of any messages and moves the counters; which (message_id, subscription_id) changed.

    Of several results for one attempt of one delivery the first counts. A result whose attempt was
    recorded before, or whose previous attempt was not, changes nothing.
    """
    backwards = results[::-1]  # so that the first replaces those after it
    distinct = dict(zip(map(_attempt, backwards), backwards, strict=True))
    by_attempt: defaultdict[int, defaultdict[Said, dict[int, int]]]
    by_attempt = defaultdict(lambda: defaultdict(dict))
    for result in distinct.values():
        by_attempt[result.attempt][_said(result)][result.subscription_id] = result.at
    changed: set[tuple[int, int]] = set()
    moved: list[Rollup] = []
    for attempt, groups in sorted(by_attempt.items()):  # a flush may hold two attempts of one delivery
        query = _SQL["record_first"] if attempt == 1 else _SQL["record_later"]
        rows = await tx.fetch_groups(query, [(said[:-1], members) for said, members in groups.items()])
        stored = {(message_id, subscription_id) for message_id, subscription_id in rows}
        for said, members in groups.items():
            moved += _moved(said, [at for id, at in members.items() if (said[1], id) in stored])
        changed |= stored
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


def _deliveries(rows: Sequence[Row]) -> Sequence[Delivery]:
    return [
        Delivery(id, attempt, variant, None if ended is None else Outcome(ended), reason, code, at)
        for id, attempt, variant, ended, reason, code, at in rows
    ]


def _moved(said: Said, ats: Iterable[int]) -> Iterator[Rollup]:
    """How the counters move by results that say the same, stored at these times."""
    site_id, message_id, attempt, variant, outcome, _, reason, provider = said
    kind = RETRYING if outcome is None else outcome.value
    if outcome is Outcome.SKIPPED:
        kind = SKIPPED + (reason or "")
    for hour, n in Counter(at // HOUR for at in ats).items():
        place = (site_id, message_id, variant, provider, hour * HOUR)
        if attempt == 1 or outcome is not None:
            yield Rollup(*place, kind, n)
        if attempt > 1 and outcome is not None:
            yield Rollup(*place, RETRYING, -n)
