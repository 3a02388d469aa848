"""Steps of automations, from the event to the push, with a scheduler and a sender at work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.scheduler.scheduler import SchedulerTiming, run_scheduler
from storage.messages import MessageState
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.unit.delivery.test_sender import payload_of
from tests.unit.installation import Installation
from tests.unit.scheduler.walking import Automated, automate, step
from tests.unit.sending import sender

TIMING = SchedulerTiming(lease=1.0, poll=0.01, walk_every=0.01, finish_every=0.01)


@asynccontextmanager
async def scheduler(installation: Installation) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_scheduler(installation.context, stop, owner="scheduler-a", timing=TIMING)
    )
    try:
        yield
    finally:
        stop.set()
        await running


async def accepted(automated: Automated) -> list[int]:
    """By step. Every progress that is seen on the way adds up."""
    found = [await automated.installation.progress(message_id) for message_id in automated.messages]
    return [progress.accepted for progress in found if progress is not None]


async def test_visitors_get_their_steps_as_pushes_and_the_steps_stay_open(installation: Installation) -> None:
    automated = await automate(installation, step(60), step(3_600))
    first = await installation.subscribe(30)
    second = await installation.subscribe(20, "mozilla")
    transport = FakeTransport()
    async with scheduler(installation), sender(installation, transport):
        for id in first:
            await automated.happens(id, "cart")
        installation.clock.advance(60)

        async def everybody_has(*counts: int) -> bool:
            return await accepted(automated) == list(counts)

        await eventually(lambda: everybody_has(30, 0))
        for id in [*second, *first[:5]]:  # the five are in it: they do not begin anew
            await automated.happens(id, "cart")
        for id in first[:10]:
            await automated.happens(id, "purchase")
        installation.clock.advance(3_600)
        await eventually(lambda: everybody_has(50, 20))

        async def open_again() -> bool:
            stored = [await installation.message(message_id) for message_id in automated.messages]
            return all(message.state is MessageState.OPEN for message in stored)

        await eventually(open_again)
    titles = [payload_of(request)["n"]["title"] for request in transport.posted]
    assert (titles.count("After 60 s"), titles.count("After 3600 s"), len(titles)) == (50, 20, 70)


async def test_a_step_of_a_deleted_automation_is_sent_when_its_last_batch_is(
    installation: Installation,
) -> None:
    automated = await automate(installation, step(0))
    for id in await installation.subscribe(10):
        await automated.happens(id, "cart")
    await automated.walk()
    [message_id] = automated.messages
    await automated.delete()
    assert (await installation.message(message_id)).state is MessageState.SENDING

    async def sent() -> bool:
        return (await installation.message(message_id)).state is MessageState.SENT

    async with scheduler(installation), sender(installation, FakeTransport()):
        await eventually(sent)
    assert await accepted(automated) == [10]
