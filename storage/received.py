"""Who has received a message since some moment, where `acceptances` does not say it.

It says when a push was accepted to the week only: whoever had one in the week before the moment is in doubt.
Deliveries tell, and those of one message in a window lie beside each other: to read them all takes a third of
the time of as many look-ups. But a site that sends to everybody ten times a day has millions of them in each
window, and the largest two messages have settled all but a few, who are cheap to look up.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load
from storage.rollups import HOUR
from storage.subscription import ACCEPTED_AGAIN_AFTER

_SQL = load("received")

# How long before the last accepted push the time that was noted may lie, with a day for what was in flight.
ACCEPTED_WITHIN = ACCEPTED_AGAIN_AFTER + 86_400_000
_LOOK_UP = 3  # what it costs, in deliveries that are read as they lie
_AT_ONCE, _FIRST = 5, 2  # times the receivers of the largest message
# Receivers who are read at once, of the smallest messages first: a hundred thousand order confirmations must
# not be as many look-ups in each window.
_KNOWN = 200_000


class Sent(NamedTuple):
    """What was sent since some moment to those who may be in doubt: messages by id, the largest first."""

    first: Sequence[int]
    rest: Sequence[int]
    share: float  # how many accepted one of the rest, for each who accepted the largest message
    known: Sequence[int]  # who has received a smaller message than all of these, in order


class Asked(NamedTuple):
    """Of those in doubt these have received something, and whom deliveries of the messages tell of."""

    known: Sequence[int]
    messages: Sequence[int]


class Unreached(NamedTuple):
    """Of those in doubt all but these have received something."""

    ids: Sequence[int]


Settled = Asked | Unreached


async def sent_since(tx: Transaction, site_id: int, since: int, after_id: int, ceiling: int) -> Sent:
    """To subscriptions with after_id < id <= ceiling."""
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
    first, rest, share = _split(large[::-1])
    return Sent(first, rest, share, sorted({row[0] for row in rows}))


def _split(messages: Sequence[tuple[int, int]]) -> tuple[Sequence[int], Sequence[int], float]:
    """Of (id, receivers), the largest first, those that are asked first, the others, and these' share."""
    ids, most = [id for id, _ in messages], messages[0][1] if messages else 1
    if sum(n for _, n in messages) <= _AT_ONCE * most:
        return ids, (), 0.0
    position = sum(1 for together in accumulate(n for _, n in messages) if together <= _FIRST * most)
    return ids[:position], ids[position:], sum(n for _, n in messages[position:]) / most


async def settle(
    tx: Transaction,
    site_id: int,
    since: int,
    sent: Sent,
    after_id: int,
    end: int,
    size: int,
    tag: str | None,
) -> Settled:
    """For the `size` subscriptions with after_id < id <= end.

    `tag`: they have it, and the others in between may be a hundred times as many.
    """
    known = sent.known[bisect_right(sent.known, after_id) : bisect_right(sent.known, end)]
    noted = (since - ACCEPTED_WITHIN, since)
    if tag is not None:
        messages = [*sent.first, *sent.rest]
        rows = await tx.fetch(_SQL["doubtful_of_tag"], site_id, after_id, end, *noted, tag)
    elif sent.rest:
        messages = list(sent.rest)
        rows = await tx.fetch(_SQL["doubtful"], site_id, after_id, end, *noted, list(sent.first))
    else:
        return Asked(known, sent.first)
    left = {row[0] for row in rows}.difference(known)
    if tag is None and len(left) * len(messages) * _LOOK_UP > sent.share * size:
        return Asked(known, [*sent.first, *sent.rest])
    rows = await tx.fetch(_SQL["accepted_by"], site_id, messages, sorted(left), since) if left else ()
    return Unreached(sorted(left.difference([row[0] for row in rows])))
