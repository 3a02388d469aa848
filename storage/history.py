"""What is stored of one subscription: its deliveries and events of the site's newest messages.

There is no index of them by subscription, as each would cost a page for every row that a blast writes. A
look-up for each message takes its place: ten thousand are some tens of milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("history")

MOST_MESSAGES = 10_000


class Delivered(NamedTuple):
    message_id: int
    outcome: str
    code: int | None
    reason: str | None
    at: int


class Reported(NamedTuple):
    message_id: int
    kind: str
    action: str | None
    at: int


async def deliveries_of(tx: Transaction, site_id: int, subscription_id: int) -> Sequence[Delivered]:
    """Those that have ended, of the newest MOST_MESSAGES messages, in no order."""
    rows = await tx.fetch(_SQL["deliveries_of"], site_id, subscription_id, MOST_MESSAGES)
    return [Delivered(*row) for row in rows]


async def events_of(tx: Transaction, site_id: int, subscription_id: int) -> Sequence[Reported]:
    """As `deliveries_of`."""
    rows = await tx.fetch(_SQL["events_of"], site_id, subscription_id, MOST_MESSAGES)
    return [Reported(*row) for row in rows]


async def contents(tx: Transaction, ids: Sequence[int]) -> Mapping[int, str]:
    """JSON by message, without their audiences, which may be megabytes."""
    return dict(await tx.fetch(_SQL["contents"], list(ids)))
