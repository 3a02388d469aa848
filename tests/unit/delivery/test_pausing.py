"""A message that is paused in the middle of its broadcast, and goes on."""

import asyncio
from dataclasses import replace

from gateway.delivery.limits import SenderLimits
from gateway.keys import LONGEST_WAIT, resume_key, retire_key, seal_key
from gateway.scheduler.housekeeper import Housekeeper
from gateway.webpush import ApplicationServerKey, Reply
from storage import keys, messages
from storage.keys import KeyState
from storage.messages import MessageState
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, expire_leases, finish, nothing_left, sender, start_due

LIMITS = replace(QUICK, in_flight=40)


async def change(installation: Installation, id: int, before: MessageState, after: MessageState) -> None:
    now = installation.clock.now()
    await installation.database.write(lambda tx: messages.transition(tx, id, {before}, after, None, now))


async def pause(installation: Installation, id: int) -> None:
    await change(installation, id, MessageState.SENDING, MessageState.PAUSED)


async def resume(installation: Installation, id: int) -> None:
    await change(installation, id, MessageState.PAUSED, MessageState.SENDING)


async def test_a_pause_stops_the_sending_and_a_resume_repeats_and_skips_nobody(
    installation: Installation,
) -> None:
    await installation.subscribe(1_200)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        await pause(installation, message.id)
        await eventually(lambda: not any(f.waiting for f in running.sender.pump.flights.values()), within=1.0)
        transport.rule = lambda _: CREATED
        transport.answer()
        await asyncio.sleep(0.2)
        assert len(transport.posted) == 30
        progress = await installation.progress(message.id)
        assert progress is not None
        assert (progress.accepted, progress.remaining, progress.retrying) == (30, 1_170, 0)
        await finish(installation)
        assert (await installation.message(message.id)).state is MessageState.PAUSED
        await resume(installation, message.id)
        await eventually(lambda: nothing_left(installation, message.id))

    urls = [request.url for request in transport.posted]
    assert len(set(urls)) == len(urls) == 1_200


async def test_who_was_in_flight_at_a_pause_is_not_sent_to_again_while_no_answer_has_come(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    slow, other = FakeTransport(lambda _: None), FakeTransport()

    async with (
        sender(installation, slow, "slow", LIMITS),
        sender(installation, other, "other", replace(LIMITS, read_ahead=0)) as second,
    ):
        await eventually(lambda: slow.in_flight == 30)
        await pause(installation, message.id)
        await asyncio.sleep(0.2)
        for line in second.sender.pump.lines.values():
            line.limits = LIMITS
        await resume(installation, message.id)
        await asyncio.sleep(0.3)
        assert not other.posted
        slow.rule = lambda _: CREATED
        slow.answer()
        await eventually(lambda: nothing_left(installation, message.id))

    urls = [request.url for request in slow.posted + other.posted]
    assert len(set(urls)) == len(urls) == 100


async def test_those_whom_a_killed_sender_had_given_back_are_sent_to_once(installation: Installation) -> None:
    """Given back, but not yet written: the old batch still has them."""
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    killed, next_one = FakeTransport(lambda _: None), FakeTransport()

    async with sender(installation, killed, "killed", LIMITS) as running:
        await eventually(lambda: killed.in_flight == 30)
        await pause(installation, message.id)
        await asyncio.sleep(0.2)
        running.kill()
    await expire_leases(installation)
    await resume(installation, message.id)
    async with sender(installation, next_one, "next"):
        await eventually(lambda: nothing_left(installation, message.id))
    assert len(next_one.posted) == 100


async def test_a_paused_message_past_its_expires_at_ends(installation: Installation) -> None:
    await installation.subscribe(100)
    message = await installation.add_message(expires_at=installation.clock.now() + 60_000)
    await start_due(installation)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport, limits=LIMITS):
        await eventually(lambda: transport.in_flight == 30)
        await pause(installation, message.id)
        await asyncio.sleep(0.2)
        transport.answer()
        installation.clock.advance(61)
        await eventually(lambda: ends(installation, message.id))
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.expired) == (30, 70)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def ends(installation: Installation, message_id: int) -> bool:
    await finish(installation)
    return (await installation.message(message_id)).state is MessageState.SENT


def test_a_pause_is_noticed_within_half_a_second() -> None:
    assert SenderLimits().look_every <= 0.5


async def test_a_paused_key_does_not_stop_others_in_a_batch_that_is_sent_slowly(
    installation: Installation,
) -> None:
    other = seal_key(installation.context, installation.site.id, ApplicationServerKey.generate())
    await installation.database.write(lambda tx: keys.add(tx, other))
    await installation.subscribe(5)
    await installation.subscribe(95, key_id=other.id)
    message = await installation.add_message(rate=20)
    await start_due(installation)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport, limits=replace(QUICK, in_flight=40)):
        await eventually(lambda: len(transport.posted) == 1)
        await eventually(lambda: pass_a_moment(installation, transport, 30))  # more are due than fit
        await pass_a_moment(installation, transport, 30)
        await installation.database.write(
            lambda tx: keys.set_state(tx, other.id, KeyState.ACTIVE, KeyState.PAUSED, "test")
        )
        await asyncio.sleep(3 * QUICK.look_every)
        transport.rule = lambda _: CREATED
        transport.answer()
        for _ in range(5):
            installation.clock.advance(1)
            await asyncio.sleep(0.06)
        await eventually(lambda: len(transport.posted) == 35)
        await installation.database.write(
            lambda tx: keys.set_state(tx, other.id, KeyState.PAUSED, KeyState.ACTIVE, None)
        )
        for _ in range(60):
            installation.clock.advance(1)
            await asyncio.sleep(0.02)
        await eventually(lambda: pass_a_moment(installation, transport, 0, posted=100))
        await eventually(lambda: nothing_left(installation, message.id))
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 100


async def pass_a_moment(
    installation: Installation, transport: FakeTransport, in_flight: int, posted: int = 0
) -> bool:
    """Half a second, and the pacer looks; whether so many are in flight then, and at least as many posted."""
    installation.clock.advance(0.5)
    await asyncio.sleep(0.06)
    return transport.in_flight == in_flight and len(transport.posted) >= posted


async def test_a_pause_of_a_message_that_is_sent_slowly_waits_for_none_of_its_shares(
    installation: Installation,
) -> None:
    await installation.subscribe(60)
    message = await installation.add_message(rate=5)  # a batch is five seconds of it
    await start_due(installation)
    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) >= 1)
        await pause(installation, message.id)
        await asyncio.sleep(3 * QUICK.look_every)
        posted = len(transport.posted)
        for _ in range(10):
            installation.clock.advance(1)
            await asyncio.sleep(0.06)
        assert len(transport.posted) == posted < 10
        await resume(installation, message.id)
        await eventually(lambda: pass_a_moment(installation, transport, 0, posted=60))
        await eventually(lambda: nothing_left(installation, message.id))
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 60


async def test_whom_a_sender_leaves_that_lost_its_lease_and_got_it_back_the_next_one_asks_about(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS):
        await eventually(lambda: transport.in_flight == 30)
        await expire_leases(installation)  # somebody else may have sent to anybody from now on
        await eventually(lambda: most_leases(installation, 2))
        await pause(installation, message.id)
        await asyncio.sleep(3 * QUICK.look_every)
        transport.answer()
        await eventually(lambda: progress_of(installation, message.id, 30))
    assert await most_leases(installation, 2)


async def most_leases(installation: Installation, least: int) -> bool:
    """Whether a batch was leased so often, or counts as if: who has it then asks who was sent to."""
    text = "select max(leases) from batches"
    row = await installation.database.read(lambda tx: tx.fetch_one(Query("test.leases", text, text)))
    return row is not None and row[0] >= least


async def progress_of(installation: Installation, id: int, accepted: int) -> bool:
    progress = await installation.progress(id)
    return progress is not None and progress.accepted == accepted


MINUTE = 60_000


async def set_key(installation: Installation, before: KeyState, after: KeyState) -> None:
    key_id = installation.key.id
    await installation.database.write(lambda tx: keys.set_state(tx, key_id, before, after, "test"))


async def dues(installation: Installation) -> list[int]:
    """When its batches are due, in milliseconds from now."""
    text = "select due_at from batches order by due_at"
    rows = await installation.database.read(lambda tx: tx.fetch(Query("test.dues", text, text)))
    return [row[0] - installation.clock.now() for row in rows]


async def waits(installation: Installation, count: int) -> bool:
    """Whether so many batches are put off."""
    return [due > 0 for due in await dues(installation)] == [True] * count


async def test_who_waits_for_a_key_is_looked_at_ever_less_often_and_at_once_when_it_is_resumed(
    installation: Installation,
) -> None:
    await installation.subscribe(40)
    message = await installation.add_message(ttl=86_400)
    await start_due(installation)
    await set_key(installation, KeyState.ACTIVE, KeyState.PAUSED)
    transport = FakeTransport()
    put_off = []
    async with sender(installation, transport):
        for _ in range(6):
            await eventually(lambda: waits(installation, 1))
            [due] = await dues(installation)
            put_off.append(due)
            installation.clock.advance(due / 1_000)
        await eventually(lambda: waits(installation, 1))
        assert not transport.posted
        await resume_key(installation.context, "test", installation.site.id, installation.key.id)
        await eventually(lambda: nothing_left(installation, message.id), within=2.0)
    minutes = [due // MINUTE for due in put_off]
    assert minutes == [1, 1, 2, 4, 8, 10]
    assert max(put_off) == LONGEST_WAIT
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 40


async def test_who_waits_for_a_key_that_is_retired_is_skipped_at_once(installation: Installation) -> None:
    other = seal_key(installation.context, installation.site.id, ApplicationServerKey.generate())
    await installation.database.write(lambda tx: keys.add(tx, other))
    await installation.subscribe(40)
    message = await installation.add_message()
    await start_due(installation)
    await set_key(installation, KeyState.ACTIVE, KeyState.PAUSED)
    async with sender(installation, FakeTransport()):
        await eventually(lambda: waits(installation, 1))
        await retire_key(installation.context, "test", installation.site.id, installation.key.id)
        await eventually(lambda: nothing_left(installation, message.id), within=2.0)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"key_retired": 40}


async def test_who_was_put_off_in_the_moment_of_a_resume_is_found_by_the_housekeeper(
    installation: Installation,
) -> None:
    await installation.subscribe(40)
    message = await installation.add_message()
    await start_due(installation)
    await set_key(installation, KeyState.ACTIVE, KeyState.PAUSED)
    async with sender(installation, FakeTransport()):
        await eventually(lambda: waits(installation, 1))
        await Housekeeper(installation.context).step()
        assert await waits(installation, 1)
        await set_key(installation, KeyState.PAUSED, KeyState.ACTIVE)
        await Housekeeper(installation.context).step()
        await eventually(lambda: nothing_left(installation, message.id), within=2.0)


async def test_a_resumed_key_does_not_bring_retries_forward(installation: Installation) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(500, [b"Retry-After: 90\r\n"]))
    async with sender(installation, transport):
        await eventually(lambda: waits(installation, 1))
        [before] = await dues(installation)
        await set_key(installation, KeyState.ACTIVE, KeyState.PAUSED)
        await resume_key(installation.context, "test", installation.site.id, installation.key.id)
        assert await dues(installation) == [before]
    assert (await installation.progress(message.id)).retrying == 10  # type: ignore[union-attr]
