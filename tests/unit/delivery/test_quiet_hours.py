"""Sending stops at the edge of quiet hours by itself, and goes on by itself, by each recipient's clock."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from gateway.webpush import PushRequest, Reply
from storage import batches, keys, messages
from storage.deliveries import Outcome
from storage.keys import KeyState
from storage.messages import MessageState, Priority
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, expire_leases, finish, nothing_left, sender, start_due

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)

HOUR = 3_600
MIDNIGHT = 1_767_225_600_000  # when the clock of the tests starts: Thursday in UTC
NEXT_BATCHES = "select due_at, attempt, window_ends_at, waits_for_key, size from batches order by due_at, id"
# It is midnight in London, 05:30 in Kolkata, 09:00 in Tokyo.
LIMITS = replace(QUICK, in_flight=40)  # 30 of them for bulk


async def rows(installation: Installation) -> list[tuple[Any, ...]]:
    query = Query("test.batches", NEXT_BATCHES, NEXT_BATCHES)
    return [tuple(row) for row in await installation.database.read(lambda tx: tx.fetch(query))]


async def due(installation: Installation) -> list[int]:
    """When what is left is due, in minutes after the start."""
    return [(row[0] - MIDNIGHT) // 60_000 for row in await rows(installation)]


async def advance_to(installation: Installation, hours: float) -> None:
    installation.clock.advance(hours * HOUR - (installation.clock.now() - MIDNIGHT) / 1_000)


async def accepted(installation: Installation, message_id: int) -> int:
    progress = await installation.progress(message_id)
    assert progress is not None
    return progress.accepted


async def test_everybody_is_planned_for_the_end_of_their_own_night(installation: Installation) -> None:
    await installation.set_quiet_hours("21:00", "07:00", timezone="Europe/London")
    for timezone in ("Europe/London", "Asia/Kolkata", "Asia/Tokyo", None, "Europe/Atlantis"):
        await installation.subscribe(10, timezone=timezone)
    message = await installation.add_message()
    await start_due(installation)
    found = [((at - MIDNIGHT) / 60_000, ends, size) for at, _, ends, _, size in await rows(installation)]
    assert found == [
        (0, MIDNIGHT + 12 * HOUR * 1_000, 10),  # Tokyo
        (90, MIDNIGHT + 15.5 * HOUR * 1_000, 10),
        (7 * 60, MIDNIGHT + 21 * HOUR * 1_000, 30),
    ]

    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) == 10)
        await advance_to(installation, 1.5)
        await eventually(lambda: len(transport.posted) == 20)
        await advance_to(installation, 7)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 50


async def test_sending_stops_at_the_edge_and_goes_on_in_the_morning(installation: Installation) -> None:
    await installation.set_quiet_hours("12:00", "13:00")
    await installation.subscribe(100, timezone="Asia/Tokyo")  # from 3:00 to 4:00
    message = await installation.add_message(ttl=HOUR)
    await start_due(installation)
    await advance_to(installation, 2.9999)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        installation.clock.advance(0.0001 * HOUR - 0.001)
        transport.answer_first()  # there is a millisecond left for one more
        await eventually(lambda: len(transport.posted) == 31)
        installation.clock.advance(0.001)
        transport.answer()
        await eventually(lambda: not running.sender.pump.flights)
        await eventually(lambda: _is(due(installation), [240]))
        assert len(transport.posted) == 31

        progress = await installation.progress(message.id)
        assert progress is not None
        assert (progress.accepted, progress.remaining, progress.retrying) == (31, 69, 0)
        transport.rule = lambda _: CREATED
        installation.clock.advance(HOUR - 0.001)
        await asyncio.sleep(0.1)
        assert len(transport.posted) == 31
        installation.clock.advance(0.001)
        await eventually(lambda: nothing_left(installation, message.id))
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 100
    assert {ttl(request) for request in transport.posted} == {HOUR}  # it begins when they are first sent to


def ttl(request: PushRequest) -> int:
    return next(int(line[5:]) for line in request.headers if line.startswith("TTL: "))


async def _is(awaited: Any, expected: object) -> bool:
    return bool(await awaited == expected)


async def test_who_waits_for_an_answer_that_does_not_come_does_not_keep_the_others(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        await advance_to(installation, 3)
        # Nothing is answered, so that nothing asks for the next of them: they are given back all the same.
        [flight] = running.sender.pump.flights.values()
        await eventually(lambda: not flight.waiting, within=2)
        assert len(transport.posted) == 30
        transport.answer()
        await eventually(lambda: _is(due(installation), [240]))
    assert await accepted(installation, message.id) == 30


async def all_are_put_off(installation: Installation) -> bool:
    """While time goes on: what has a rate, or was throttled, is not claimed as long as it stands."""
    installation.clock.advance(1)
    return await all_due(installation) == {240}


async def test_what_has_a_rate_is_given_back_at_the_edge(installation: Installation) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(50)
    message = await installation.add_message(rate=1)
    await start_due(installation)
    await advance_to(installation, 2.999)
    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: transport.posted)
        await advance_to(installation, 3)
        posted = len(transport.posted)
        await eventually(lambda: all_are_put_off(installation), every=0.05)
    assert len(transport.posted) == posted
    assert await accepted(installation, message.id) == posted


async def test_another_attempt_at_night_is_put_off_and_is_still_the_same_attempt(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(10)
    message = await installation.add_message(ttl=2 * HOUR)
    await start_due(installation)
    await advance_to(installation, 2.9999)
    transport = FakeTransport(lambda _: Reply(503))
    async with sender(installation, transport):
        await eventually(lambda: attempts(installation, message.id, 1))
        await advance_to(installation, 3.01)
        transport.rule = lambda _: CREATED
        await eventually(lambda: _is(due(installation), [240]))
        assert [row[1] for row in await rows(installation)] == [2]
        progress = await installation.progress(message.id)
        assert progress is not None
        assert (progress.retrying, progress.remaining) == (10, 0)
        await advance_to(installation, 4)
        await eventually(lambda: nothing_left(installation, message.id))
    assert {row.attempt for row in (await installation.deliveries(message.id)).values()} == {2}
    assert {ttl(request) for request in transport.posted[10:]} == {HOUR}  # an hour of two is over
    assert await accepted(installation, message.id) == 10


async def attempts(installation: Installation, message_id: int, attempt: int) -> bool:
    found = (await installation.deliveries(message_id)).values()
    return len(found) == 10 and {row.attempt for row in found} == {attempt}


async def test_a_change_of_quiet_hours_counts_for_all_who_are_claimed_later(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)  # without any
    await installation.set_quiet_hours("00:00", "02:00")
    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: _is(due(installation), [120]))
        assert transport.posted == []
        await installation.set_quiet_hours("00:00", "03:00")
        await advance_to(installation, 2)
        await eventually(lambda: _is(due(installation), [180]))
        assert transport.posted == []
        await installation.set_quiet_hours(None)
        await advance_to(installation, 3)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 100


async def test_a_visitor_who_has_moved_lives_by_the_new_clock(installation: Installation) -> None:
    await installation.set_quiet_hours("00:00", "02:00")
    [id] = await installation.subscribe(1, timezone="Asia/Tokyo")
    message = await installation.add_message()
    await start_due(installation)
    text = "update subscriptions set timezone = 'UTC'"
    await installation.database.write(lambda tx: tx.execute(Query("test.move", text, text)))
    async with sender(installation, FakeTransport()):
        await eventually(lambda: _is(due(installation), [120]))
    assert (await installation.deliveries(message.id)).get(id) is None


@pytest.mark.parametrize(
    "passes", [{"priority": Priority.TRANSACTIONAL}, {"rules": '{"quiet_hours":"override"}'}], ids=str
)
async def test_what_is_transactional_or_overrides_them_goes_out_at_night(
    installation: Installation, passes: dict[str, Any]
) -> None:
    await installation.set_quiet_hours("21:00", "07:00")
    await installation.subscribe(10)
    message = await installation.add_message(**passes)
    await start_due(installation)
    async with sender(installation, FakeTransport()):
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 10


async def test_by_the_site_s_clock_all_stop_and_go_on_together(installation: Installation) -> None:
    await installation.set_quiet_hours("05:00", "06:00", zone="site", timezone="Asia/Kolkata")
    for timezone in ("Europe/London", "Asia/Tokyo", None):
        await installation.subscribe(10, timezone=timezone)
    message = await installation.add_message()
    await start_due(installation)
    assert await due(installation) == [30]
    async with sender(installation, FakeTransport()):
        await advance_to(installation, 0.5)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 30


async def test_a_message_that_was_paused_over_the_edge_still_keeps_to_it(installation: Installation) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    now = installation.clock.now()
    sending, paused = MessageState.SENDING, MessageState.PAUSED
    await installation.database.write(
        lambda tx: messages.transition(tx, message.id, {sending}, paused, None, now)
    )
    await advance_to(installation, 3.5)
    await installation.database.write(
        lambda tx: messages.transition(tx, message.id, {paused}, sending, None, now)
    )
    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: _is(due(installation), [240]))
    assert transport.posted == []


async def test_a_sender_that_is_killed_at_the_edge_loses_and_repeats_nobody(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(300)
    message = await installation.add_message()
    await start_due(installation, step=60)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        transport.answer()
        await eventually(lambda: _is(accepted(installation, message.id), 30))
        await advance_to(installation, 3)
        await eventually(lambda: _any_due(installation, 240))  # some have moved, some may not have
        running.kill()
    transport.die()
    again = {request.url for request in transport.posted[30:]}  # in flight when it was killed
    await expire_leases(installation)
    other = FakeTransport()
    async with sender(installation, other, owner="sender-b"):
        await eventually(lambda: _is(all_due(installation), {240}))
        assert other.posted == []
        await advance_to(installation, 4)
        await eventually(lambda: nothing_left(installation, message.id))
    posts = Counter(request.url for request in [*transport.posted, *other.posted])
    assert len(posts) == 300
    assert {url for url, n in posts.items() if n > 1} <= again
    assert await accepted(installation, message.id) == 300


async def _any_due(installation: Installation, minutes: int) -> bool:
    return minutes in await due(installation)


async def all_due(installation: Installation) -> set[int]:
    return set(await due(installation))


async def test_who_is_planned_for_after_expires_at_expires(installation: Installation) -> None:
    await installation.set_quiet_hours("21:00", "07:00")
    await installation.subscribe(10, timezone="Europe/London")
    await installation.subscribe(10, timezone="Asia/Tokyo")
    message = await installation.add_message(expires_at=MIDNIGHT + 6 * HOUR * 1_000)
    await start_due(installation)
    async with sender(installation, FakeTransport()):
        await eventually(lambda: _is(accepted(installation, message.id), 10))
        await advance_to(installation, 6)
        await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.expired, progress.remaining) == (10, 10, 0)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_whose_turn_comes_late_waits_for_a_paused_key_as_long_as_anybody_else(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("00:00", "02:00")
    await installation.subscribe(10)
    message = await installation.add_message(ttl=HOUR)  # over before anybody's turn comes
    await start_due(installation)
    await advance_to(installation, 2)
    key_id = installation.key.id
    await installation.database.write(
        lambda tx: keys.set_state(tx, key_id, KeyState.ACTIVE, KeyState.PAUSED, "test")
    )
    async with sender(installation, FakeTransport()):
        await eventually(lambda: _is(due(installation), [121]))
        assert [row[3] for row in await rows(installation)] == [1]
        await installation.database.write(
            lambda tx: keys.set_state(tx, key_id, KeyState.PAUSED, KeyState.ACTIVE, None)
        )
        now = installation.clock.now()
        ended = await installation.database.write(
            lambda tx: keys.end_wait(tx, installation.site.id, now, now + 600_000)
        )
        assert ended == 1
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 10


async def test_who_is_set_aside_because_their_site_is_throttled_is_put_off_at_the_edge(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(200)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        line = running.sender.pump.lines["fcm"]
        line.throttle(installation.site.id, installation.clock.monotonic())
        transport.answer_each(lambda _: CREATED)
        await eventually(lambda: line.aside[1] or line.in_flight == 1)
        posted = len(transport.posted)
        await advance_to(installation, 3)
        transport.answer()
        await eventually(lambda: all_are_put_off(installation), every=0.05)
        assert (len(transport.posted), line.aside[1], line.waiting[1]) == (posted, 0, 0)
    assert await accepted(installation, message.id) == posted


async def test_nobody_s_night_is_lost_on_the_way_into_a_hold_and_back(installation: Installation) -> None:
    await installation.set_quiet_hours("03:00", "04:00")
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        running.sender.pump.give_back([message.id])
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))
    outcomes = Counter(row.outcome for row in (await installation.deliveries(message.id)).values())
    assert outcomes == {Outcome.ACCEPTED: 100}
    assert await installation.database.read(lambda tx: batches.count_of_message(tx, message.id)) == 0
