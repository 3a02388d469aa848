"""The wall clock jumps: leases do not notice, and whoever was promised an outcome gets one."""

from dataclasses import replace

import pytest

from gateway.delivery.limits import SenderLimits
from gateway.webpush import Reply
from storage import batches, leases
from storage.deliveries import Outcome
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, nothing_left, sender, start_due

HOUR = 3_600_000
DAY = 24 * HOUR
LEASE_MS = 30_000


@pytest.mark.parametrize("jump", [-DAY, DAY, 400 * DAY])
async def test_a_lease_neither_ends_nor_lasts_longer_when_the_clock_jumps(
    installation: Installation, jump: int
) -> None:
    await installation.subscribe(10)
    await installation.add_message()
    await start_due(installation)
    database, clock = installation.database, installation.clock
    due = clock.now() + DAY + 400 * DAY
    (held,) = await database.write(lambda tx: batches.claim(tx, "first", due, LEASE_MS))
    assert await database.write(lambda tx: leases.acquire(tx, "scheduler", "first", LEASE_MS))

    clock.set_now(clock.now() + jump)

    assert await database.write(lambda tx: batches.claim(tx, "second", due, LEASE_MS)) == []
    assert not await database.write(lambda tx: leases.acquire(tx, "scheduler", "second", LEASE_MS))
    assert await database.write(lambda tx: batches.extend(tx, [held.id], "first", 0)) == {held.id}
    (taken,) = await database.write(lambda tx: batches.claim(tx, "second", due, LEASE_MS))
    assert taken.id == held.id


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
async def test_a_jump_in_the_middle_of_a_broadcast_repeats_and_loses_nobody(
    installation: Installation, jump: int
) -> None:
    await installation.subscribe(2_400)
    message = await installation.add_message(ttl=86_400)
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=400, lease=0.3)  # extended several times before the end

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: transport.in_flight == limits.bulk_in_flight)
        installation.clock.set_now(installation.clock.now() + jump)
        transport.rule = lambda _: CREATED
        transport.answer()
        if jump < 0:  # what nobody had claimed yet waits until the clock shows again when it was due
            await eventually(lambda: held_back(installation, message.id))
            installation.clock.advance(-jump / 1_000)
        await eventually(lambda: nothing_left(installation, message.id))

    assert len(transport.posted) == len({request.url for request in transport.posted}) == 2_400
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.remaining) == (2_400, 0)


async def held_back(installation: Installation, message_id: int) -> bool:
    """Whether everything claimed was recorded, and the rest is there."""
    text = "select count(*), count(lease_owner) from batches where message_id = $1"
    query = Query("test.held_back", text.replace("$", "?"), text)
    row = await installation.database.read(lambda tx: tx.fetch_one(query, message_id))
    assert row is not None
    return bool(row[0] > 0 and row[1] == 0)


async def test_a_retry_whose_time_a_jump_has_passed_expires_and_is_counted(
    installation: Installation,
) -> None:
    await installation.subscribe(20)
    message = await installation.add_message(ttl=3_600)
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(503))

    async with sender(installation, transport, limits=SenderLimits(poll=0.01, flush_after=0.02)):
        await eventually(lambda: retrying(installation, message.id, 20))
        installation.clock.set_now(installation.clock.now() + DAY)
        await eventually(lambda: nothing_left(installation, message.id))

    assert len(transport.posted) == 20
    rows = await installation.deliveries(message.id)
    assert {row.outcome for row in rows.values()} == {Outcome.EXPIRED}
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.expired, progress.retrying, progress.remaining) == (20, 0, 0)


async def retrying(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == count
