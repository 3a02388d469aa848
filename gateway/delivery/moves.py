"""New batches for whoever moves in time: to another attempt, or, not sent yet, to a later moment."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gateway.delivery.flight import Flight
from gateway.delivery.unrecorded import Retry
from storage.batches import MAX_MEMBERS, Batch, pack


def retry_batches(
    retries: Iterable[Retry], changed: set[tuple[int, int]], fresh_ids: Iterator[int]
) -> list[Batch]:
    """For those whose failed attempt was recorded just now: `changed` holds (message id, subscription id)."""
    made = []
    for retry in retries:
        failed = retry.batch
        distinct = dict.fromkeys(retry.subscription_ids)  # a batch that was claimed twice may answer twice
        members = [id for id in distinct if (failed.message_id, id) in changed]
        for start in range(0, len(members), MAX_MEMBERS):
            part = members[start : start + MAX_MEMBERS]
            made.append(
                Batch(
                    id=next(fresh_ids),
                    site_id=failed.site_id,
                    message_id=failed.message_id,
                    provider=failed.provider,
                    members=pack(part),
                    size=len(part),
                    due_at=retry.due_at,
                    attempt=failed.attempt + 1,
                    stage=failed.stage,
                    variant=failed.variant,
                    lane=failed.lane,
                    created_at=retry.first_attempt_at,
                    window_ends_at=failed.window_ends_at,
                )
            )
    return made


def moved_batches(
    finished: Iterable[Flight], leases: Mapping[int, int], fresh_ids: Iterator[int]
) -> list[Batch]:
    """For those whom a flight did not send to: the same attempt, as if they had been in a batch of their own.

    `leases`: by id, how often the batches that were still ours had been claimed. Whoever has another one now
    has those whom we left, too. A batch that was claimed once was ours alone: nobody can have sent to those
    whom we left, and the next sender need not ask. Of one that was claimed more often it has to.
    """
    made = []
    for flight in finished:
        batch = flight.batch
        claimed = leases.get(batch.id)
        if claimed is None:
            continue
        for left in flight.left:
            made.append(
                replace(
                    batch,
                    id=next(fresh_ids),
                    members=pack(left.members),
                    size=len(left.members),
                    due_at=left.due_at,
                    leases=0 if claimed <= 1 else claimed,
                    window_ends_at=left.window_ends_at,
                    waits_for_key=left.waits_for_key,
                    created_at=left.created_at,
                    paced_from=0,
                    paced_for=0,
                )
            )
    return made
