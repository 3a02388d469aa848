"""What is gathered for one flush, without a database."""

from dataclasses import replace

from gateway.delivery.flight import Flight, Member
from gateway.delivery.retry import SECOND, RetryPolicy
from gateway.delivery.unrecorded import Unrecorded
from gateway.outgoing import Outgoing
from gateway.webpush import Answer, Verdict
from storage.batches import Batch, pack
from storage.deliveries import Outcome
from storage.messages import Message, Priority

START = 3_050 * 400_000  # a whole number of twentieths of the TTL
MESSAGE = Message(
    id=1,
    site_id=1,
    priority=Priority.BULK,
    lane=1,
    content="{}",
    audience_spec="{}",
    ttl=61,
    send_at=START,
    created_at=START,
)
BATCH = Batch(1, 1, 1, "fcm", pack([1]), 1, START, 1, 0, 0, 1, START, leases=1)


def flight(started_at: int, ttl: int = 61) -> Flight:
    return Flight(
        batch=BATCH,
        outgoing=Outgoing(replace(MESSAGE, ttl=ttl), "https://push.example"),
        contact="mailto:ops@shop.example",
        event_key=b"",
        keys={},
        waiting=[],
        started_at=started_at,
    )


def member(id: int) -> Member:
    return (id, "active", f"https://fcm.googleapis.com/{id}", b"", b"", 1, None, None, None, START)


def test_nobody_waits_for_another_attempt_that_never_comes() -> None:
    # The first of those who are tried again together has no time left. Who has a second more must not be
    # put into a batch without a time: nobody would ever claim it.
    gathered = Unrecorded(RetryPolicy(first=SECOND, longest=SECOND), lambda: 0.5)
    at = START + 1_500
    busy = Verdict(Answer.THROTTLED, 429, 60 * SECOND)
    gathered.answered(flight(START), member(1), busy, at, believed=True)
    gathered.answered(flight(START + SECOND), member(2), Verdict(Answer.GONE, 410), at, believed=True)

    waiting = [each.subscription_id for each in gathered.results if each.outcome is None]
    promised = [id for retry in gathered.retries.values() if retry.due_at for id in retry.subscription_ids]
    assert waiting == promised
    assert [each.outcome for each in gathered.results] == [Outcome.EXPIRED, Outcome.GONE]
    assert gathered.gone == []  # so young a subscription is not believed to be gone at once


def test_a_410_ends_the_young_only_when_the_attempt_before_was_one_too() -> None:
    gathered = Unrecorded(RetryPolicy(first=SECOND, longest=SECOND), lambda: 0.5)
    second = flight(START, ttl=600)
    second.batch = replace(BATCH, attempt=2)
    second.called_gone = {2}  # of member 1 it was a 503
    for id in (1, 2):
        gathered.answered(second, member(id), Verdict(Answer.GONE, 410), START + SECOND, believed=True)
    assert [each.id for each in gathered.gone] == [2]
    assert [each.outcome for each in gathered.results] == [None, Outcome.GONE]


def test_members_of_another_variant_are_tried_again_in_a_batch_of_their_own() -> None:
    gathered = Unrecorded(RetryPolicy(), lambda: 0.5)
    broken = Verdict(Answer.UNAVAILABLE, 500)
    other = flight(START)
    other.batch = replace(BATCH, id=2, variant=1)
    gathered.answered(flight(START), member(1), broken, START, believed=True)
    gathered.answered(other, member(2), broken, START, believed=True)
    found = {retry.batch.variant: retry.subscription_ids for retry in gathered.retries.values()}
    assert found == {0: [1], 1: [2]}
