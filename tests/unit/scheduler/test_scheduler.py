"""The scheduler as a whole: one leader, loops that wake by themselves, a dead job that ends the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.scheduler.scheduler import SchedulerTiming, run_scheduler
from storage import messages, sites, subscriptions
from storage.database import Transaction
from storage.errors import NotFound
from storage.messages import MessageState
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import expire_leases, sender

QUICK = SchedulerTiming(lease=0.3, poll=0.02, finish_every=0.01, tidy_every=0.05)


@asynccontextmanager
async def scheduler(
    installation: Installation, owner: str, timing: SchedulerTiming = QUICK
) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_scheduler(installation.context, stop, owner=owner, timing=timing))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=5)


async def in_state(installation: Installation, message_id: int, state: MessageState) -> bool:
    return (await installation.message(message_id)).state is state


async def test_a_message_goes_from_scheduled_to_sent_by_itself(installation: Installation) -> None:
    await installation.subscribe(1_100)
    async with scheduler(installation, "a"), sender(installation, FakeTransport()):
        message = await installation.add_message()
        await eventually(lambda: in_state(installation, message.id, MessageState.SENT))
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted == 1_100


async def test_only_the_leader_works_and_another_follows_when_it_stops(installation: Installation) -> None:
    async with scheduler(installation, "first"):
        first = await installation.add_message()
        await eventually(lambda: in_state(installation, first.id, MessageState.SENT))
        idle = FlakyDatabase(installation.database)
        watched = replace(installation, context=replace(installation.context, database=idle))
        async with scheduler(watched, "second"):
            await eventually(lambda: idle.writes >= 2)  # it asks for the lease, and does nothing else
            assert idle.reads == 0
            second = await installation.add_message()
            await eventually(lambda: in_state(installation, second.id, MessageState.SENT))
            assert idle.reads == 0


async def test_a_new_leader_takes_over_at_once_after_a_stop(installation: Installation) -> None:
    async with scheduler(installation, "first", replace(QUICK, lease=600)):
        first = await installation.add_message()
        await eventually(lambda: in_state(installation, first.id, MessageState.SENT))
    async with scheduler(installation, "second"):
        second = await installation.add_message()
        await eventually(lambda: in_state(installation, second.id, MessageState.SENT), within=5)


async def test_a_new_leader_follows_a_dead_one_when_its_lease_has_run_out(installation: Installation) -> None:
    async with scheduler(installation, "first", replace(QUICK, lease=600)) as task:
        first = await installation.add_message()
        await eventually(lambda: in_state(installation, first.id, MessageState.SENT))
        task.cancel()
    await expire_leases(installation)
    async with scheduler(installation, "second"):
        second = await installation.add_message()
        await eventually(lambda: in_state(installation, second.id, MessageState.SENT))


async def test_a_database_that_is_away_for_a_while_stops_nothing_for_good(installation: Installation) -> None:
    flaky = FlakyDatabase(installation.database)
    watched = replace(installation, context=replace(installation.context, database=flaky))
    async with scheduler(watched, "a") as task:
        flaky.down = True
        message = await installation.add_message()
        await eventually(lambda: flaky.refused >= 3)
        assert not task.done()
        flaky.down = False
        await eventually(lambda: in_state(installation, message.id, MessageState.SENT))


async def test_a_job_that_dies_ends_the_process_loudly(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> object:
        raise LookupError("a bug")

    monkeypatch.setattr(messages, "due", broken)
    async with scheduler(installation, "a") as task:
        await asyncio.wait({task}, timeout=5)
    error = task.exception()
    assert isinstance(error, ExceptionGroup)
    assert error.subgroup(LookupError) is not None


async def test_it_tidies_up(installation: Installation) -> None:
    now = installation.clock.now()
    [ending] = await installation.subscribe(1, expires_at=now + 1_000)
    site_id = installation.site.id

    async def use_key(tx: Transaction) -> None:
        await messages.remember_idempotent(tx, site_id, "order-1", bytes(32), 1, now)

    async def known_key(tx: Transaction) -> bool:
        return await messages.find_idempotent(tx, site_id, "order-1") is not None

    async def state(tx: Transaction) -> str:
        [(_, _, state)] = await subscriptions.by_ids(tx, site_id, [ending])
        return state

    await installation.database.write(use_key)
    async with scheduler(installation, "a"):
        installation.clock.advance(2)
        await eventually(lambda: equals(installation, state, "expired"))
        assert await installation.database.read(known_key)
        installation.clock.advance(24 * 3_600)
        await eventually(lambda: equals(installation, known_key, False))


async def equals(installation: Installation, body: Any, expected: object) -> bool:
    return bool(await installation.database.read(body) == expected)


async def test_what_belonged_to_a_deleted_site_is_purged(installation: Installation) -> None:
    await installation.subscribe(2_500)
    site_id = installation.site.id
    await installation.database.write(lambda tx: sites.delete(tx, site_id, installation.clock.now()))

    async with scheduler(installation, "a"):
        await eventually(lambda: nobody_left(installation))
    with pytest.raises(NotFound):
        await installation.database.read(lambda tx: sites.get(tx, site_id))


async def nobody_left(installation: Installation) -> bool:
    rows = await installation.database.read(
        lambda tx: subscriptions.audience_step(tx, installation.site.id, 0, 2**62, 1)
    )
    return not rows
