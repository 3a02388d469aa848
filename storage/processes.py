"""Processes as they report themselves, from any machine. Nothing is decided by it: leases are on batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.queries import load

_SQL = load("processes")


@dataclass(frozen=True, slots=True)
class Process:
    owner: str  # of a sender that under which it leases batches
    role: str
    host: str
    pid: int
    started_at: int
    seen_at: int
    figures: str  # JSON, as gateway.figures writes it


async def report(tx: Transaction, process: Process) -> None:
    """Add or replace what is known of it."""
    values = (process.host, process.pid, process.started_at, process.seen_at, process.figures)
    await tx.execute(_SQL["report"], process.owner, process.role, *values)


async def seen_since(tx: Transaction, at: int) -> Sequence[Process]:
    """By role, host and owner."""
    return [Process(*row) for row in await tx.fetch(_SQL["seen_since"], at)]


async def forget(tx: Transaction, owner: str) -> None:
    """It has stopped."""
    await tx.execute(_SQL["forget"], owner)


async def forget_unseen(tx: Transaction, before: int) -> int:
    """Those that died without a word; how many."""
    return await tx.execute(_SQL["forget_unseen"], before)


async def database_size(tx: Transaction) -> int:
    """Bytes of the whole database."""
    row = await tx.fetch_one(_SQL["database_size"])
    return 0 if row is None else int(row[0])
