"""Rates, granted when batches are claimed: claiming n of something with a rate takes n/rate of its time.

A rate belongs to a message, a site, a provider, or a site on a provider. Whoever claims gets a share of the
time, from when to when its members are to be sent; the next claim of the same thing starts where it ends. So
a rate holds over any number of senders. Time that a sender did not use is lost, never caught up with.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from storage import throttles
from storage.database import Row, Transaction
from storage.queries import load

_MESSAGES = load("messages")

# No share begins later than this: one claim must not take hours of a slow site's time to one sender.
AHEAD = 5_000


class Share(NamedTuple):
    """Milliseconds since the epoch, and milliseconds."""

    start_at: int
    length: int


class Claimed(Protocol):
    """The batch of storage.batches, which needs this module."""

    @property
    def id(self) -> int: ...
    @property
    def site_id(self) -> int: ...
    @property
    def message_id(self) -> int: ...
    @property
    def provider(self) -> str: ...
    @property
    def size(self) -> int: ...


B = TypeVar("B", bound=Claimed)
Key = tuple[int, str] | int  # of a throttle, or a message's id
Rates = dict[Key, tuple[int, int]]  # messages a second, and when the time granted so far ends


async def rates_of(tx: Transaction, batches: Sequence[Claimed], messages: Sequence[Row]) -> Rates:
    """Every rate that one of the batches is under. `messages`: (id, rate or None, next_at) of theirs."""
    rates: Rates = {id: (rate, next_at) for id, rate, next_at in messages if rate is not None}
    sites = sorted({throttles.EVERY_SITE, *(batch.site_id for batch in batches)})
    for site_id, provider, rate, next_at in await throttles.rates(tx, sites):
        rates[site_id, provider] = (rate, next_at)
    return rates


async def grant(
    tx: Transaction, batches: Sequence[B], rates: Rates, now: int
) -> tuple[list[tuple[B, Share | None]], list[int]]:
    """Each batch with its share (None: it has no rate), and the ids of those whose time is too far off."""
    granted: list[tuple[B, Share | None]] = []
    refused: list[int] = []
    moved: Rates = {}
    for batch in batches:
        keys = [key for key in _keys(batch) if key in rates]
        if not keys:
            granted.append((batch, None))
            continue
        start_at = max(now, *(rates[key][1] for key in keys))
        if start_at >= now + AHEAD:
            refused.append(batch.id)
            continue
        for key in keys:
            rate = rates[key][0]
            moved[key] = rates[key] = (rate, start_at + -(-batch.size * 1_000 // rate))
        length = max(rates[key][1] for key in keys) - start_at
        granted.append((batch, Share(start_at, length)))
    for key, (_, next_at) in moved.items():
        if isinstance(key, tuple):
            await throttles.pace(tx, *key, next_at)
        else:
            await tx.execute(_MESSAGES["pace"], key, next_at)
    return granted, refused


def _keys(batch: Claimed) -> tuple[Key, ...]:
    return (
        batch.message_id,
        (batch.site_id, throttles.EVERY_PROVIDER),
        (batch.site_id, batch.provider),
        (throttles.EVERY_SITE, throttles.EVERY_PROVIDER),
        (throttles.EVERY_SITE, batch.provider),
    )
