"""Named leases: at most one owner at a time, for the scheduler's periodic work.

They run on the database's clock (`lease_now`), never on wall time; the leases of batches are in
storage.batches.
"""

from storage.database import Transaction
from storage.queries import load

_SQL = load("leases")


async def acquire(tx: Transaction, name: str, owner: str, lease_ms: int) -> bool:
    """Takes or extends the lease for `lease_ms`; False while somebody else holds it."""
    return bool(await tx.execute(_SQL["acquire"], name, owner, lease_ms))


async def release(tx: Transaction, name: str, owner: str) -> None:
    """Gives it up at once, if it is still ours."""
    await tx.execute(_SQL["release"], name, owner)
