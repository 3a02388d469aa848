"""What every process says of itself: descriptors, clocks, what it had to refuse. Read by the leader."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.queries import load

_SQL = load("vitals")


@dataclass(frozen=True, slots=True)
class Vitals:
    owner: str  # unique to the process' life
    role: str  # "serve", "api" or "send"
    host: str
    pid: int
    seen_at: int
    facts: str  # JSON, as gateway.watch.vitals writes it


async def report(tx: Transaction, vitals: Vitals) -> None:
    """Add or replace what is known of it."""
    await tx.execute(
        _SQL["report"], vitals.owner, vitals.role, vitals.host, vitals.pid, vitals.seen_at, vitals.facts
    )


async def seen_since(tx: Transaction, at: int) -> Sequence[Vitals]:
    """By host and owner."""
    return [Vitals(*row) for row in await tx.fetch(_SQL["seen_since"], at)]


async def forget(tx: Transaction, owner: str) -> None:
    """It has stopped."""
    await tx.execute(_SQL["forget"], owner)


async def forget_unseen(tx: Transaction, before: int) -> int:
    """Those that died without a word; how many."""
    return await tx.execute(_SQL["forget_unseen"], before)


async def clock(tx: Transaction) -> int | None:
    """The database's own clock, milliseconds since the epoch; None when it is the one of this machine."""
    row = await tx.fetch_one(_SQL["clock"])
    return None if row is None or row[0] is None else int(row[0])


async def anything_is_sending(tx: Transaction) -> bool:
    row = await tx.fetch_one(_SQL["waiting_messages"])
    return row is not None and row[0] > 0
