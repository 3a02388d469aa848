"""What the scheduler knows of messages that wait for their first recipients, or for too many failures.

A message has a row from its start on if its rules ask for that: if the rest of its audience is held (batches
without `due_at`) until the first have shown how it goes, or if it is to be paused when too much of it fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage.database import Transaction
from storage.messages import MessageState
from storage.queries import load

_SQL = load("stages")


@dataclass(frozen=True, slots=True)
class Stages:
    """`answers` and `failures`: where the message's counters stood when it was last judged by them."""

    message_id: int
    site_id: int
    look_at: int | None = None  # when the scheduler looks next; None: there is nothing left to judge
    tried_at: int | None = None  # since when all of the first stage were tried, and some have answered
    released_at: int | None = None  # since when the rest is not held any more
    decision: str | None = None  # why, for people
    answers: int = 0
    failures: int = 0


class Watched(NamedTuple):
    """A message that is to be looked at, without its megabytes of content and recipients."""

    stages: Stages
    state: MessageState
    frozen_at: int | None
    rules: str


async def add(tx: Transaction, message_id: int, site_id: int, look_at: int | None) -> None:
    """In the transaction that starts the message."""
    await tx.execute(_SQL["add"], message_id, site_id, look_at)


async def by_messages(tx: Transaction, message_ids: Sequence[int]) -> Mapping[int, Stages]:
    """By message, those that there are."""
    return {row[0]: Stages(*row) for row in await tx.fetch(_SQL["by_messages"], list(message_ids))}


async def due(tx: Transaction, now: int, limit: int) -> Sequence[Watched]:
    """Those to be looked at by now, the longest overdue first."""
    return [
        Watched(Stages(*row[:8]), MessageState(row[8]), row[9], row[10])
        for row in await tx.fetch(_SQL["due"], now, limit)
    ]


async def judge(tx: Transaction, known: Stages, answers: int, failures: int) -> bool:
    """Compare and set: the message has been judged by its counters as they are now.

    False, and nothing is changed, when somebody else has judged it since it was looked at.
    """
    judged_by = (known.answers, known.failures, answers, failures)
    return bool(await tx.execute(_SQL["judge"], known.message_id, *judged_by))


async def bring_forward(tx: Transaction, now: int, after: int) -> None:
    """Those that would be looked at later than `after` are looked at now."""
    await tx.execute(_SQL["bring_forward"], now, after)


async def note(tx: Transaction, looked: Sequence[Stages]) -> None:
    """What a look has found: `look_at`, `tried_at` and the counters, which only grow. Nothing else is
    changed.
    """
    if looked:
        await tx.execute_many(
            _SQL["note"],
            [(each.message_id, each.look_at, each.tried_at, each.answers, each.failures) for each in looked],
        )


async def release(
    tx: Transaction, message_id: int, now: int, decision: str, winner: int | None = None
) -> bool:
    """Compare and set: the rest is held no longer, and those of it without a variant get the `winner`.

    False, and nothing is changed, when somebody else has released it, the message has ended, or not
    everybody has been judged yet.
    """
    if not await tx.execute(_SQL["release"], message_id, now, decision):
        return False
    if winner is not None:
        await tx.execute(_SQL["set_winner"], message_id, winner)
    await tx.execute(_SQL["release_batches"], message_id, now, winner)
    await tx.execute(_SQL["wake"], message_id)
    await tx.notify_work()
    return True


async def untried(tx: Transaction, message_id: int) -> set[str]:
    """The providers of those who are not held and have not been tried yet."""
    return {row[0] for row in await tx.fetch(_SQL["untried"], message_id)}


async def is_under_way(tx: Transaction, message_id: int) -> bool:
    """Whether anybody who is not held has no outcome yet."""
    return await tx.fetch_one(_SQL["under_way"], message_id) is not None
