import asyncio

from storage.doorbell import Doorbell


async def test_a_ring_wakes_everybody_who_waits() -> None:
    bell = Doorbell()
    waiting = [asyncio.create_task(bell.wait(10)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_a_ring_between_two_waits_is_heard_by_each_waiter() -> None:
    bell = Doorbell()

    async def waiter(ready: asyncio.Event, go: asyncio.Event) -> tuple[bool, bool]:
        await bell.wait(0)
        ready.set()
        await go.wait()
        return await bell.wait(0), await bell.wait(0)

    go = asyncio.Event()
    readies = [asyncio.Event(), asyncio.Event()]
    waiters = [asyncio.create_task(waiter(ready, go)) for ready in readies]
    for ready in readies:
        await ready.wait()
    bell.ring()
    go.set()
    assert await asyncio.gather(*waiters) == [(True, False), (True, False)]


async def test_without_a_ring_it_times_out() -> None:
    assert await Doorbell().wait(0.001) is False
