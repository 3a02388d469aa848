"""What happens to results while the database is gone, or says so."""

import asyncio
from dataclasses import replace

from gateway.webpush import Reply
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, nothing_left, sender, start_due

BUSY = Reply(503)


async def test_while_the_database_is_gone_nothing_is_sent_and_no_result_is_lost(
    installation: Installation,
) -> None:
    await installation.subscribe(2_000)
    message = await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=400)

    async with sender(installation, transport, limits=limits, database=database) as running:
        await eventually(lambda: transport.in_flight == 300)
        database.down = True
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: running.sender.recorder.blocked)
        await eventually(lambda: transport.in_flight == 0)
        posted = len(transport.posted)
        unrecorded = running.sender.recorder.unrecorded
        await asyncio.sleep(0.1)
        assert len(transport.posted) == posted
        assert unrecorded == posted
        database.down = False
        await eventually(lambda: nothing_left(installation, message.id))

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted == 2_000
    assert len(transport.posted) == 2_000


async def test_a_commit_that_succeeded_and_seemed_to_fail_counts_nothing_twice(
    installation: Installation,
) -> None:
    await installation.subscribe(40)
    message = await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport, database=database) as running:
        await eventually(lambda: transport.in_flight == 40)
        database.lose_commits = True
        answers = iter([BUSY] * 10 + [CREATED] * 30)
        transport.answer_each(lambda _: next(answers))
        await eventually(lambda: running.sender.recorder.blocked)
        database.lose_commits = False
        await eventually(lambda: not running.sender.recorder.blocked)
        progress = await installation.progress(message.id)
        assert progress is not None
        assert (progress.accepted, progress.retrying) == (30, 10)
        assert await installation.batches_left(message.id) == 1
        transport.rule = lambda _: CREATED
        installation.clock.advance(60)
        await eventually(lambda: nothing_left(installation, message.id))

    assert len(transport.posted) == 50
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.retrying) == (40, 0)


async def test_results_beyond_the_bound_stop_the_sending(installation: Installation) -> None:
    """Whoever is slower, database or push services: memory and repeats after a kill stay bounded."""
    await installation.subscribe(6_000)
    await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    transport = FakeTransport()
    most = 0

    async with sender(installation, transport, database=database) as running:

        def watch() -> bool:
            nonlocal most
            most = max(most, running.sender.recorder.unrecorded + running.sender.pump.in_flight)
            return len(transport.posted) == 6_000

        await eventually(watch, every=0)
    assert most <= 2_000 + QUICK.in_flight


async def test_retries_that_fail_together_wait_in_one_batch(installation: Installation) -> None:
    await installation.subscribe(450)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport):
        await eventually(lambda: transport.in_flight == 450)
        transport.answer(BUSY)
        await eventually(lambda: all_retrying(installation, message.id, 450))

    assert await installation.batches_left(message.id) == 1


async def all_retrying(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == count


async def test_a_database_that_is_gone_at_a_claim_is_waited_for(installation: Installation) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    database.down = True

    async with sender(installation, FakeTransport(), database=database) as running:
        await eventually(lambda: database.refused >= 3)
        assert not running.task.done()
        database.down = False
        await eventually(lambda: nothing_left(installation, message.id))


async def test_a_batch_that_could_not_be_read_is_given_back_before_its_lease_ends(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    database = FlakyDatabase(installation.database)
    database.unreadable = True

    async with sender(installation, FakeTransport(), database=database):
        await eventually(lambda: database.refused >= 2)
        database.unreadable = False
        await eventually(lambda: nothing_left(installation, message.id))
