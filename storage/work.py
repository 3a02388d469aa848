"""How much there is to do, and how much of it stands still."""

from typing import NamedTuple

from storage.database import Transaction
from storage.queries import load

_SQL = load("work")


class Work(NamedTuple):
    sending: int  # messages
    paused: int
    scheduled: int
    paused_keys: int


async def counts(tx: Transaction) -> Work:
    """At this moment, of all sites."""
    row = await tx.fetch_one(_SQL["counts"])
    return Work(0, 0, 0, 0) if row is None else Work(*row)
