"""Messages that are steps of automations: their audience is open, batches are added as visitors come.

The audience of such a message is frozen from the beginning, with nobody in it, and grows with each batch. It
is `open` while nobody waits, so that no claim looks at it, and `sending` while it has batches. It is open for
more as long as it has no `freeze_ceiling`.

A step has a message for each round of visitors (`DuePlace.round`): a delivery is one for each message and
subscription. That of round 0 is the step's own, and its id the step's; the others say the same.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from storage import messages
from storage.database import Transaction
from storage.errors import Conflict
from storage.messages import Message, MessageState, Progress, Results
from storage.queries import load

_SQL = load("steps")


class Totals(NamedTuple):
    """Of a step, over the messages of all rounds, of which there are `rounds`."""

    progress: Progress
    results: Results
    rounds: int


async def grow(tx: Transaction, message_id: int, size: int) -> bool:
    """Adds to its audience, in the transaction that adds their batches. False when it takes nobody else."""
    if not await tx.execute(_SQL["grow"], message_id, size):
        return False
    if await tx.execute(_SQL["begin"], message_id):
        await messages.queue_turn(tx, message_id)
    return True


async def of_rounds(
    tx: Transaction, site_id: int, wanted: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], int]:
    """Ids of messages by (step, round), of those wanted that exist; they are not of round 0."""
    if not wanted:
        return {}
    ids, rounds = sorted({id for id, _ in wanted}), sorted({number for _, number in wanted})
    rows = await tx.fetch(_SQL["of_rounds"], site_id, ids, rounds)
    return {(id, number): message_id for id, number, message_id in rows if (id, number) in wanted}


async def add_round(tx: Transaction, step_id: int, number: int, message: Message) -> None:
    """The message of a step for one more round. Raises Conflict when there is one: roll back."""
    if not await tx.execute(_SQL["add_round"], message.site_id, step_id, number, message.id):
        raise Conflict(f"round {number} of step {step_id}")
    await messages.add(tx, message)


async def totals(tx: Transaction, site_id: int, ids: Sequence[int]) -> Mapping[int, Totals]:
    """Of the steps that exist, by id, all of one moment."""
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    sizes: dict[int, tuple[int, int]] = {}
    for id, kind, n, rounds in await tx.fetch(_SQL["totals"], site_id, list(ids)):
        if rounds:
            sizes[id] = (n, rounds)
        else:
            counts[id][kind] = n
    return {
        id: Totals(*messages.add_up(audience, counts[id]), rounds) for id, (audience, rounds) in sizes.items()
    }


async def close(tx: Transaction, site_id: int, ids: Sequence[int], reason: str, now: int) -> None:
    """Nobody else comes into these steps: each of their messages is `sent` with its last batch. One that is
    paused is cancelled, for `reason`.
    """
    await tx.execute(_SQL["close"], site_id, list(ids), reason, now)
    await tx.notify_work()


async def close_all(tx: Transaction, automation_id: int, reason: str, now: int) -> None:
    """As `close`, all that the automation has and ever had."""
    await tx.execute(_SQL["close_all"], automation_id, reason, now)
    await tx.notify_work()


async def pause_all(tx: Transaction, automation_id: int, reason: str) -> None:
    """Those messages of steps that it has or ever had that are sending."""
    await tx.execute(_SQL["pause"], automation_id, reason)


async def resume_all(tx: Transaction, automation_id: int, reason: str, now: int) -> None:
    """Those of them that were paused for `reason`."""
    for (id,) in await tx.fetch(_SQL["paused"], automation_id, reason):
        await messages.transition(tx, id, {MessageState.PAUSED}, MessageState.SENDING, None, now)
