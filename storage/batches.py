"""Batches: at most 500 subscriptions of one message on one provider, sent by one sender at a time.

The only unit of scheduling. Whatever moves recipients in time writes a new batch with another `due_at` in the
transaction that finishes the old one. A batch is immutable but for its lease; a finished batch is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage import pacing, throttles
from storage.database import Row, Transaction
from storage.ids import pack as pack
from storage.ids import unpack as unpack
from storage.queries import load

_SQL = load("batches")

MAX_MEMBERS = 500
TRANSACTIONAL = 0  # lanes: the lower is always claimed first
BULK = 1
LOOK = 128  # messages that a claim looks at
NAP = 4_000  # milliseconds that it does not look again at one of so many that had nothing to claim
NAPS = 32  # so many messages a claim puts to sleep at most: each is a row to write
PROVIDERS = ("fcm", "mozilla", "apple", "wns", "other")


@dataclass(frozen=True, slots=True)
class Batch:
    id: int
    site_id: int
    message_id: int
    provider: str
    members: bytes  # `pack`ed subscription ids
    size: int
    due_at: int | None  # None: held
    attempt: int  # the attempt that its members are waiting for; the first is 1
    stage: int
    variant: int
    lane: int
    created_at: int
    leases: int = 0  # how often it was claimed; 1 on its first claim, so nobody has sent any of it before
    window_ends_at: int | None = None  # from then on it must not be sent as it stands: plan its members anew
    paced_from: int = 0  # of a claimed batch with a rate: send its members evenly from here on …
    paced_for: int = 0  # … for so many milliseconds; 0: there is no rate
    waits_for_key: bool = False  # due later only because a key is paused (`storage.keys.end_wait`)


async def add_many(tx: Transaction, batches: Sequence[Batch]) -> None:
    """Inserts them free of any lease and wakes the senders. Raises Conflict on an id clash."""
    if not batches:
        return
    await tx.execute_many(
        _SQL["add"],
        [
            (
                batch.id,
                batch.site_id,
                batch.message_id,
                batch.provider,
                batch.members,
                batch.size,
                batch.due_at,
                batch.attempt,
                batch.stage,
                batch.variant,
                batch.lane,
                batch.created_at,
                batch.leases,
                batch.window_ends_at,
                int(batch.waits_for_key),
            )
            for batch in batches
        ],
    )
    due = [batch.due_at for batch in batches if batch.due_at is not None]
    if due:
        await tx.execute(_SQL["wake"], sorted({batch.message_id for batch in batches}), min(due))
    await tx.notify_work()


async def claim(
    tx: Transaction,
    owner: str,
    now: int,
    lease_ms: int,
    limit: int = 1,
    lanes: Sequence[int] = (TRANSACTIONAL, BULK),
    providers: Sequence[str] = PROVIDERS,
    paced: bool = True,
    room: int | None = None,
) -> list[Batch]:
    """Leases up to `limit` batches to `owner` for `lease_ms`, none after the one that reaches `room` members;
    two callers never receive the same batch.

    Claimable: due, of a message that is `sending`, free or with its lease run out, of one of `providers`, and
    not held by a throttle. What has a rate (its message, site or provider) is granted its time in this very
    transaction, and only with `paced`. Order: the lower lane, then the site and message whose turn it is,
    then the provider, then the batch due first. Taking a turn moves the message behind the others by as many
    places as its site has messages sending in that lane, so that sites share alike, however many messages
    each of them sends.
    """
    open_providers = await throttles.open_providers(tx, now, providers, paced=paced)
    if not open_providers:
        return []
    first, last = min(lanes), max(lanes)
    arguments = (owner, now, lease_ms, limit, first, last, open_providers, int(paced), LOOK)
    picked = [_batch(row) for row in await tx.fetch(_SQL["claim"], *arguments)]
    if len(picked) < limit:
        # Either these were all there are, or so many had nothing that they must not be looked at every time.
        walked = await tx.fetch(_SQL["walked"], now, first, last, int(paced), LOOK)
        claimed_from = {batch.message_id for batch in picked}
        idle = [row[0] for row in walked if row[0] not in claimed_from]
        if len(walked) == LOOK and idle:
            await tx.execute(_SQL["nap"], sorted(idle[:NAPS]), now, now + NAP)
            await tx.notify_work()  # there are more to look at
    if not picked:
        return []
    if room is not None:
        picked, too_many = _fitting(picked, room)
        if too_many:
            await tx.execute(_SQL["unclaim"], too_many, owner)
    claimed = sorted({batch.message_id for batch in picked})
    await tx.execute(_SQL["advance_turns"], claimed)  # before they move on: it notes the turn they had
    message_rates = await tx.fetch(_SQL["take_turn"], claimed)
    rates = await pacing.rates_of(tx, picked, message_rates)
    if not rates:
        return picked
    granted, refused = await pacing.grant(tx, picked, rates, now)
    if refused:
        await tx.execute(_SQL["unclaim"], refused, owner)
    return [
        batch if share is None else replace(batch, paced_from=share.start_at, paced_for=share.length)
        for batch, share in granted
    ]


async def claim_of_message(
    tx: Transaction, message_id: int, owner: str, lease_ms: int, limit: int = 1
) -> list[Batch]:
    """As `claim`, for one message in any state and whatever is due when: for the batches that a cancelled or
    expired message leaves behind, whose members must be judged row by row."""
    rows = await tx.fetch(_SQL["claim_of_message"], message_id, owner, limit, lease_ms)
    return [_batch(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Late:
    """Who of a message waits for a provider that is held, and has no time left."""

    message_id: int
    provider: str
    untried: bool  # also who was not tried at all, though their turn had come by then
    tried_before: int  # who was first tried then or earlier


async def overdue(tx: Transaction, late: Sequence[Late], now: int) -> list[Late]:
    """Those of `late` of which anything is due and free."""
    rows = [(each.message_id, each.provider, int(each.untried), each.tried_before, now) for each in late]
    return [
        Late(message_id, provider, bool(untried), tried_before)
        for message_id, provider, untried, tried_before in await tx.fetch_rows(_SQL["overdue"], rows)
    ]


async def claim_overdue(
    tx: Transaction, late: Late, owner: str, lease_ms: int, now: int, limit: int = 1
) -> list[Batch]:
    """As `claim_of_message`, of those who are `late`."""
    rows = await tx.fetch(
        _SQL["claim_overdue"],
        late.message_id,
        owner,
        limit,
        lease_ms,
        late.provider,
        now,
        int(late.untried),
        late.tried_before,
    )
    return [_batch(row) for row in rows]


async def extend(tx: Transaction, ids: Sequence[int], owner: str, lease_ms: int) -> set[int]:
    """Renews the leases; the ids of those that `owner` still holds."""
    rows = await tx.fetch(_SQL["extend"], list(ids), owner, lease_ms)
    return {row[0] for row in rows}


async def finish_many(tx: Transaction, ids: Sequence[int], owner: str) -> dict[int, int]:
    """Deletes those that `owner` holds; how often each of them was claimed, by id.

    Of the others what was sent is recorded all the same, but what is left of them is somebody else's now.
    """
    rows = await tx.fetch(_SQL["finish_many"], list(ids), owner)
    return {row[0]: row[1] for row in rows}


async def release(tx: Transaction, ids: Sequence[int], owner: str) -> None:
    """Gives them back at once, those that are still ours."""
    if await tx.execute(_SQL["release"], list(ids), owner):
        await tx.notify_work()


async def unclaim(tx: Transaction, ids: Sequence[int], owner: str) -> None:
    """Gives those back that are still ours and of which nothing was sent, as if nobody had claimed them."""
    if await tx.execute(_SQL["unclaim"], list(ids), owner):
        await tx.notify_work()


async def release_owner(tx: Transaction, owner: str) -> int:
    """Gives back everything a dead sender held; how many."""
    released = await tx.execute(_SQL["release_owner"], owner)
    if released:
        await tx.notify_work()
    return released


async def drop_untouched(tx: Transaction, message_id: int, limit: int = 1_000) -> list[tuple[str, int, int]]:
    """Deletes up to `limit` batches that nobody ever claimed and that wait for attempt 1.

    Their members have no deliveries: the caller counts them, in this transaction, by (provider, variant,
    size), without writing a row for each.
    """
    return [(row[0], row[1], row[2]) for row in await tx.fetch(_SQL["drop_untouched"], message_id, limit)]


async def leftovers(tx: Transaction, limit: int = 100) -> Sequence[int]:
    """Ids of messages that have ended (sent, cancelled, expired) and still own batches that nobody leases."""
    return [row[0] for row in await tx.fetch(_SQL["leftovers"], limit)]


async def count_of_message(tx: Transaction, message_id: int) -> int:
    """How many batches the message has left."""
    row = await tx.fetch_one(_SQL["count_of_message"], message_id)
    return 0 if row is None else int(row[0])


def _fitting(picked: Sequence[Batch], room: int) -> tuple[list[Batch], list[int]]:
    """Batches up to the one with which `room` is reached, and the ids of the others."""
    size = 0
    for fitting, batch in enumerate(picked, start=1):
        size += batch.size
        if size >= room:
            return list(picked[:fitting]), [each.id for each in picked[fitting:]]
    return list(picked), []


def _batch(row: Row) -> Batch:
    return Batch(*row)
