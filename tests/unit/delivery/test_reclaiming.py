"""Batches that a sender claims again: after an outage, a long pause, or because it could not read them."""

import asyncio
from dataclasses import replace

import pytest

from gateway.delivery import recorder
from storage import batches, deliveries
from storage.batches import BULK, TRANSACTIONAL, unpack
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, expire_leases, nothing_left, sender, start_due

LIMITS = replace(QUICK, in_flight=40)  # 30 of them for bulk
LEASE = QUICK.lease


def posted_to(transport: FakeTransport) -> list[int]:
    """Subscription ids, in the order of the POSTs."""
    return [request.context[1][0] for request in transport.posted]  # type: ignore[index]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_one_lane_does_not_give_back_what_the_other_claims_at_the_same_time(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    database.unreadable = True
    async with sender(installation, FakeTransport(), database=database) as running:
        await eventually(lambda: running.sender._unread)
        unread = set(running.sender._unread)
        running.kill()

    running.sender._unread = unread
    claims = (running.sender._claim_batches(lane, 1, 500, ["fcm"]) for lane in (BULK, TRANSACTIONAL))
    [claimed], nothing = await asyncio.gather(*claims)

    assert (claimed.leases, nothing) == (1, [])
    now = installation.clock.now()
    assert await installation.database.write(lambda tx: batches.claim(tx, "other", now, 30_000, 1)) == []


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_what_could_not_be_read_is_remembered_when_the_next_claim_fails_too(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    database.unreadable = True
    async with sender(installation, FakeTransport(), database=database) as running:
        await eventually(lambda: running.sender._unread)
        database.down, refused = True, database.refused
        await eventually(lambda: database.refused > refused + 2)
        database.down = database.unreadable = False
        await eventually(lambda: nothing_left(installation, message.id))


async def test_whom_somebody_else_sent_to_while_the_lease_was_theirs_is_not_sent_to_again(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=replace(LIMITS, in_flight=60)) as running:
        await eventually(lambda: transport.in_flight == 45)
        [flight] = running.sender.pump.flights.values()
        sent = [id for id in unpack(flight.batch.members) if id not in posted_to(transport)][:40]

        async def somebody_else(tx: Transaction) -> None:
            """Takes the batch over, records 40 outcomes and is stopped."""
            await tx.execute(Query("test.expire", *["update batches set lease_until = 0"] * 2))
            now = installation.clock.now()
            [taken] = await batches.claim(tx, "other", now, 60_000, 1)
            results = [
                Result(taken.site_id, message.id, id, "fcm", 1, 0, Outcome.ACCEPTED, None, 201, now)
                for id in sent
            ]
            await deliveries.record(tx, results)
            await batches.release_owner(tx, "other")

        await installation.database.write(somebody_else)
        await eventually(lambda: running.sender.pump.flights[flight.batch.id].batch.leases == 3)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))
    assert not set(posted_to(transport)).intersection(sent)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted == 100


async def test_a_batch_that_was_lost_and_nobody_took_goes_on_without_waiting_for_its_answers(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        [flight] = running.sender.pump.flights.values()
        running.sender.pump.lose([flight.batch.id])  # as when the database was away for longer than the lease
        await expire_leases(installation)
        await eventually(lambda: not flight.lost)
        transport.answer_first()
        await eventually(lambda: len(transport.posted) == 31)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))
    assert len(set(posted_to(transport))) == len(transport.posted) == 100


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_whoever_waits_for_what_was_answered_does_not_wait_until_nobody_answers_any_more(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport) as running:
        await eventually(lambda: transport.in_flight == 1)
        [flight] = running.sender.pump.flights.values()

        async def go_on_answering() -> None:
            while True:
                running.sender.recorder.settle(flight, id, Outcome.ACCEPTED)
                await asyncio.sleep(0.001)

        answering = asyncio.create_task(go_on_answering())
        await eventually(lambda: running.sender.recorder.unrecorded)
        async with asyncio.timeout(5):
            await running.sender.recorder.catch_up()
        assert not answering.done()
        answering.cancel()
        transport.answer()
    assert len(await installation.deliveries(flight.batch.message_id)) == 1


async def test_answers_from_before_an_outage_count_before_a_batch_is_read_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TRY_AGAIN_AFTER", 0.3)  # the claim comes first
    await installation.subscribe(30)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    database = FlakyDatabase(installation.database)
    async with sender(installation, transport, limits=LIMITS, database=database) as running:
        await eventually(lambda: transport.in_flight == 30)
        database.down = True
        running.sender.pump.lose(list(running.sender.pump.flights))
        transport.answer()
        await eventually(lambda: running.sender.recorder.blocked)
        assert not running.sender.pump.flights
        await expire_leases(installation)
        database.down = False
        transport.rule = lambda _: CREATED
        await eventually(lambda: nothing_left(installation, message.id))
    assert len(transport.posted) == 30
