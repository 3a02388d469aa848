"""Messages that are looked at as one: a step of an automation with its rounds, a series with occurrences."""

from collections.abc import Sequence

from storage.database import Transaction
from storage.queries import load

_SQL = load("families")

MOST_OCCURRENCES = 100


async def of_message(tx: Transaction, site_id: int, message_id: int) -> Sequence[tuple[int, int]]:
    """(id, audience so far) of the message, its rounds, and its MOST_OCCURRENCES newest occurrences."""
    rows = await tx.fetch(_SQL["of_message"], site_id, message_id, MOST_OCCURRENCES)
    return [(id, audience) for id, audience in rows]
