"""Facts about the database as a whole: the master key's fingerprint, the boot that its leases belong to."""

from storage.database import Transaction
from storage.errors import StorageError
from storage.queries import load

_SQL = load("meta")


async def get(tx: Transaction, key: str) -> str | None:
    row = await tx.fetch_one(_SQL["get"], key)
    return None if row is None else str(row[0])


async def set_if_absent(tx: Transaction, key: str, value: str) -> str:
    """The value that is stored now: ours, or that of whoever was first."""
    await tx.execute(_SQL["set_if_absent"], key, value)
    stored = await get(tx, key)
    if stored is None:
        raise StorageError(f"meta {key} vanished within a transaction")
    return stored
