"""Who has received a message since some moment, where `acceptances` does not say it.

It says when a push was accepted to the week only. Whoever had one in the week before the moment is in doubt,
and for them alone deliveries are looked at: those of the largest messages first, because they settle most,
and either as they lie beside each other or one by one, whichever is fewer.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load
from storage.rollups import HOUR
from storage.subscription import ACCEPTED_AGAIN_AFTER

_SQL = load("received")

# How long before the last accepted push the time that was noted may lie, with a day for what was in flight.
ACCEPTED_WITHIN = ACCEPTED_AGAIN_AFTER + 86_400_000

# Receivers who are read at once, of the smallest messages first: a hundred thousand order confirmations must
# not be as many look-ups in each window.
_KNOWN = 200_000


class Sent(NamedTuple):
    """What was sent since some moment, to those who are in doubt."""

    messages: Sequence[tuple[int, int]]  # (id, how many have accepted it), the largest first
    known: Sequence[int]  # who has received one of the smaller messages, which are not among these; in order


async def sent_about(tx: Transaction, site_id: int, since: int, after_id: int, ceiling: int) -> Sent:
    """For subscriptions with after_id < id <= ceiling."""
    until = since + ACCEPTED_WITHIN + HOUR
    counted = await tx.fetch(_SQL["accepted_between"], site_id, since - since % HOUR, until)
    small, large, receivers = [], [], 0
    for message_id, n in sorted(counted, key=lambda row: row[1]):
        receivers += n
        if receivers <= _KNOWN:
            small.append(message_id)
        else:
            large.append((message_id, n))
    rows = await tx.fetch(_SQL["accepted_of"], site_id, small, after_id, ceiling, since) if small else ()
    return Sent(large[::-1], sorted({row[0] for row in rows}))


async def receivers(
    tx: Transaction,
    site_id: int,
    since: int,
    sent: Sent,
    after_id: int,
    end: int,
    size: int,
    tag: str | None,
) -> Sequence[int]:
    """Those in doubt who have received something since, among the `size` with after_id < id <= end.

    `tag`: among those who have it; the others may be a hundred times as many.
    """
    noted = (since - ACCEPTED_WITHIN, since)
    if tag is None:
        rows = await tx.fetch(_SQL["doubtful"], site_id, after_id, end, *noted)
    else:
        rows = await tx.fetch(_SQL["doubtful_of_tag"], site_id, after_id, end, *noted, tag)
    doubtful = {row[0] for row in rows}
    known = sent.known[bisect_right(sent.known, after_id) : bisect_right(sent.known, end)]
    found = doubtful.intersection(known)
    doubtful -= found
    for ids in _together(sent.messages):
        if not doubtful:
            break
        if tag is not None or len(doubtful) * len(ids) < size:
            rows = await tx.fetch(_SQL["accepted_by"], site_id, ids, sorted(doubtful), since)
        else:
            rows = await tx.fetch(_SQL["accepted_of"], site_id, ids, after_id, end, since)
        more = doubtful.intersection([row[0] for row in rows])
        doubtful -= more
        found |= more
    return sorted(found)


def _together(messages: Sequence[tuple[int, int]]) -> Iterator[Sequence[int]]:
    """Message ids, so many at a time that together they went to about as many as the largest of them all."""
    ids: list[int] = []
    room = most = messages[0][1] if messages else 0
    for id, n in messages:
        ids.append(id)
        room -= n
        if room <= 0:
            yield ids
            ids, room = [], most
    if ids:
        yield ids
