"""A rate within a sender: evenly, and what was not used is lost."""

import asyncio
from dataclasses import replace

import pytest

from gateway.delivery.flight import Flight, Member
from gateway.delivery.pacer import Pace, Pacer
from gateway.outgoing import Outgoing
from storage.batches import Batch, pack
from storage.messages import Message, Priority
from tests.eventually import eventually
from tests.fakes.clock import FakeClock
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, sender, start_due

NOW = 1_767_225_600_000
SHARE = 5.0  # seconds
RATE = 20
MESSAGE = Message(
    id=1,
    site_id=1,
    priority=Priority.BULK,
    lane=1,
    content="{}",
    audience_spec="{}",
    ttl=3_600,
    send_at=NOW,
    created_at=NOW,
    rate=RATE,
)


def flight(number: int = 0, paced_from: int = NOW) -> Flight:
    """Of a hundred members, who have five seconds."""
    ids = range(100 * number, 100 * (number + 1))
    batch = Batch(number, 1, 1, "fcm", pack(ids), 100, NOW, 1, 0, 0, 1, NOW, leases=1)
    return Flight(
        batch=replace(batch, paced_from=paced_from, paced_for=5_000),
        outgoing=Outgoing(MESSAGE, "https://push.example"),
        contact="mailto:ops@shop.example",
        event_key=b"",
        keys={},
        waiting=[member(id) for id in ids],
        started_at=NOW,
    )


def member(id: int) -> Member:
    return (id, "active", f"https://fcm.googleapis.com/{id}", b"", b"", 1, None, None, None, NOW)


def send(pace: Pace) -> int:
    """All that is ready; how many."""
    sent = 0
    for each in pace.flights:
        del each.waiting[len(each.waiting) - each.ready :]
        sent += each.ready
        each.ready = 0
    return sent


def test_the_members_of_a_share_go_out_evenly() -> None:
    pace = Pace(0.0, {flight(): 0.0})
    sent = []
    for tick in range(101):
        pace.release(tick / 20)
        sent.append(send(pace))
    assert max(sent) <= 2
    assert all(sum(sent[start : start + 20]) <= RATE + 1 for start in range(80))
    assert sum(sent) == 100


def test_after_a_stall_the_shares_that_went_by_are_sent_one_after_the_other() -> None:
    # A minute in which nothing could be sent: twelve shares were claimed, and all of them are late.
    pace = Pace(0.0)
    for number in range(12):
        pace.flights[flight(number)] = number * SHARE
        for tick in range(100):
            pace.release(number * SHARE + tick / 20)
    caught_up = send(pace)
    assert caught_up <= RATE / 2
    sent = []
    for tick in range(1_300):
        pace.release(60.0 + tick / 20)
        sent.append(send(pace))
    assert all(sum(sent[start : start + 20]) <= RATE + 1 for start in range(1_280))
    assert caught_up + sum(sent) == 1_200


def test_who_lines_up_again_comes_before_shares_that_have_not_begun() -> None:
    pace = Pace(0.0)
    pace.add(flight(1), 5.0)
    again = flight(0)
    pace.add(again, 0.0)
    assert pace.release(0.0) == [again]


def test_a_rate_slower_than_one_a_second_is_kept_to() -> None:
    slow = flight()
    slow.batch = replace(slow.batch, size=2)
    slow.waiting = slow.waiting[:2]
    pace = Pace(0.0, {slow: 0.0})
    sent = []
    for second in range(4):
        pace.release(float(second))
        sent.append(send(pace))
    assert sent == [1, 0, 0, 1]


async def test_a_share_begins_in_its_time_and_one_that_is_read_late_with_a_single_push() -> None:
    clock = FakeClock(NOW)
    late, early = flight(1, paced_from=NOW - 4_000), flight(2, paced_from=NOW + 1_000)
    failures: list[Exception] = []
    pacer = Pacer(clock, lambda _: None, failures.append)
    early.batch = replace(early.batch, provider="apple")
    pacer.add(late)
    pacer.add(early)
    assert (late.ready, early.ready, pacer.waiting) == (1, 0, 200)
    pacer.remove(late)  # some of its members wait for their key: the others line up again
    late.ready = 0
    pacer.add(late)
    assert late.ready == 0
    clock.advance(1)
    await eventually(lambda: early.ready >= 1)
    pacer.remove(late)
    pacer.remove(early)
    assert failures == []


async def test_a_mistake_in_the_pacer_is_told() -> None:
    failures: list[Exception] = []

    def fail(_: Flight) -> None:
        raise RuntimeError("a mistake")

    clock = FakeClock(NOW)
    pacer = Pacer(clock, fail, failures.append)
    pacer.add(flight(paced_from=NOW + 1_000))
    clock.advance(1)
    await eventually(lambda: [str(each) for each in failures] == ["a mistake"])


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_rate_holds_after_the_push_service_was_slow_for_a_while(installation: Installation) -> None:
    await installation.subscribe(400)
    await installation.add_message(rate=RATE)
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=replace(QUICK, in_flight=4)):
        await eventually(lambda: pass_a_moment(installation, transport, 3))
        for _ in range(4):
            await pass_a_moment(installation, transport, 0, seconds=1)
        before = len(transport.posted)
        transport.rule = lambda _: CREATED
        transport.answer()
        for _ in range(10):
            await pass_a_moment(installation, transport, 0)
        assert RATE < len(transport.posted) - before <= 1.5 * RATE + 5


async def pass_a_moment(
    installation: Installation, transport: FakeTransport, posted: int, seconds: float = 0.1
) -> bool:
    """Time passes, and the pacer looks; whether so many were posted by then."""
    installation.clock.advance(seconds)
    await asyncio.sleep(0.06)
    return len(transport.posted) >= posted
