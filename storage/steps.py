"""Messages that are steps of automations: their audience is open, batches are added as visitors come.

The audience of such a message is frozen from the beginning, with nobody in it, and grows with each batch. It
is `open` while nobody waits, so that no claim looks at it, and `sending` while it has batches. It is open for
more as long as it has no `freeze_ceiling`.
"""

from collections.abc import Sequence

from storage import messages
from storage.database import Transaction
from storage.messages import MessageState
from storage.queries import load

_SQL = load("steps")


async def grow(tx: Transaction, message_id: int, size: int) -> bool:
    """Adds to its audience, in the transaction that adds their batches. False when it takes nobody else."""
    if not await tx.execute(_SQL["grow"], message_id, size):
        return False
    if await tx.execute(_SQL["begin"], message_id):
        await messages.queue_turn(tx, message_id)
    return True


async def close(tx: Transaction, ids: Sequence[int], reason: str, now: int) -> None:
    """Nobody else comes: it is `sent` with its last batch. One that is paused is cancelled, for `reason`."""
    await tx.execute(_SQL["close"], list(ids), reason, now)
    await tx.notify_work()


async def pause(tx: Transaction, ids: Sequence[int], reason: str) -> None:
    """Those of them that are sending."""
    await tx.execute(_SQL["pause"], list(ids), reason)


async def resume(tx: Transaction, ids: Sequence[int], reason: str, now: int) -> None:
    """Those of them that were paused for `reason`."""
    for (id,) in await tx.fetch(_SQL["paused"], list(ids), reason):
        await messages.transition(tx, id, {MessageState.PAUSED}, MessageState.SENDING, None, now)
