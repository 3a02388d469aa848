"""For a change that depends on what it reads: take turns with others that change the same thing."""

from storage.database import Transaction
from storage.queries import load

_SQL = load("locks")


async def hold(tx: Transaction, id: int) -> None:
    """Until this transaction ends whoever else asks for `id` waits, and then reads what this one wrote.

    First in a body, before it reads. On PostgreSQL two transactions that read a row, each change another
    field of what they read and write the whole, would otherwise lose one change. More than one: in id order.
    """
    await tx.fetch(_SQL["hold"], id)
