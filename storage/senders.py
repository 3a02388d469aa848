"""Senders as they report themselves, from any machine. Nothing is decided by it: leases are on batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.queries import load

_SQL = load("senders")


@dataclass(frozen=True, slots=True)
class Sender:
    owner: str  # under which it leases batches
    host: str
    pid: int
    started_at: int
    seen_at: int
    figures: str  # JSON, as gateway.figures writes it


async def report(tx: Transaction, sender: Sender) -> None:
    """Add or replace what is known of it."""
    values = (sender.host, sender.pid, sender.started_at, sender.seen_at, sender.figures)
    await tx.execute(_SQL["report"], sender.owner, *values)


async def seen_since(tx: Transaction, at: int) -> Sequence[Sender]:
    """By host and owner."""
    return [Sender(*row) for row in await tx.fetch(_SQL["seen_since"], at)]


async def forget(tx: Transaction, owner: str) -> None:
    """It has stopped."""
    await tx.execute(_SQL["forget"], owner)


async def forget_unseen(tx: Transaction, before: int) -> int:
    """Those that died without a word; how many."""
    return await tx.execute(_SQL["forget_unseen"], before)
