"""What is claimed and cannot be sent for now: it stands before nobody else, and it stays little."""

import asyncio
from dataclasses import replace

import pytest

from gateway.delivery.sender import Sender
from gateway.webpush import PushRequest, Reply
from storage import sites, throttles
from storage.sites import Identity, Site
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, nothing_left, sender, start_due

LIMITS = replace(QUICK, in_flight=40)  # a lane's room is 80 for each provider
BUSY = Reply(429, [b"Retry-After: 1\r\n"])


def waiting(running: Sender) -> int:
    """Members that it has read and not sent."""
    return sum(len(flight.waiting) for flight in running.pump.flights.values())


async def open_shop(installation: Installation) -> None:
    """Everything is about another site from now on."""
    made = Site(
        installation.context.ids.next(), "Shop", ("https://shop.example",), "mailto:ops@shop.example",
        Identity.SIGNED, False, installation.clock.now(),
    )  # fmt: skip
    await installation.database.write(lambda tx: sites.add(tx, made))
    installation.site = made


async def tried_again(installation: Installation, transport: FakeTransport, posted: int) -> bool:
    """Whether, after its hold, one push of the site is on its way."""
    installation.clock.advance(0.5)
    await asyncio.sleep(0.02)
    return len(transport.posted) > posted


async def throttle_the_site(installation: Installation, transport: FakeTransport) -> int:
    """It sends, is refused, and tries with one push when the hold is over; how many were posted before."""
    transport.rule = lambda _: BUSY
    transport.answer(BUSY)
    await eventually(lambda: is_held(installation))
    await asyncio.sleep(0.2)
    transport.rule = lambda _: None
    posted = len(transport.posted)
    await eventually(lambda: tried_again(installation, transport, posted))
    return posted


async def is_held(installation: Installation) -> bool:
    rows = await installation.database.read(throttles.all)
    return any(row.site_id == installation.site.id and row.not_before for row in rows)


async def is_passed_over(installation: Installation, site_id: int) -> bool:
    """Whether the claim takes nothing of it for now."""
    rows = await installation.database.read(throttles.all)
    return any(row.site_id == site_id and row.next_at > installation.clock.now() for row in rows)


async def test_a_site_that_was_throttled_keeps_no_other_site_waiting(installation: Installation) -> None:
    await installation.subscribe(600)
    throttled = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        await throttle_the_site(installation, transport)
        line = running.sender.pump.lines["fcm"]
        await eventually(lambda: line.aside[1] > 80)
        await open_shop(installation)
        await installation.subscribe(200)
        other = await installation.add_message()
        first = len(transport.posted)
        transport.rule = lambda request: CREATED if is_new(installation, request) else None
        await start_due(installation)
        await eventually(lambda: nothing_left(installation, other.id), within=3.0)
        assert len(transport.posted) == first + 200
        assert transport.in_flight == 1
        await eventually(lambda: is_passed_over(installation, throttled.site_id))
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: go_on(installation, throttled.id))
        assert (line.aside[1], line.waiting[1], line.sites) == (0, 0, {})


def is_new(installation: Installation, request: PushRequest) -> bool:
    return int(request.url.rsplit("/", 1)[1]) > 600


async def go_on(installation: Installation, message_id: int) -> bool:
    installation.clock.advance(0.5)
    await asyncio.sleep(0.02)
    return await nothing_left(installation, message_id)


async def test_a_late_answer_from_before_a_throttle_strands_nobody_who_waits_in_the_next(
    installation: Installation,
) -> None:
    await installation.subscribe(600)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(
        installation, transport, limits=replace(LIMITS, in_flight=80, provider_share=0.5)
    ) as running:
        line = running.sender.pump.lines["fcm"]
        await eventually(lambda: transport.in_flight == 30)
        await throttle_the_site(installation, transport)
        while line.sites:  # its window widens until it needs none; what it posted last stays in flight
            transport.answer_first()
            await asyncio.sleep(0.01)
        late = transport.in_flight
        assert late > 1
        transport.answer_first(BUSY)
        await eventually(lambda: bool(line.sites))
        line.window.width = 60.0  # the others that are in flight still leave room for one that is tried
        posted = len(transport.posted)
        await eventually(lambda: tried_again(installation, transport, posted))
        await eventually(lambda: line.aside[1] > 0)
        line.window.width = 40.0
        transport.answer_first()  # one of those that were posted before the second throttle
        await asyncio.sleep(0.1)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: go_on(installation, message.id))


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_pause_finds_those_who_wait_in_a_window_although_late_answers_came(
    installation: Installation,
) -> None:
    await installation.subscribe(600)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(LIMITS, in_flight=80, provider_share=0.5)
    async with sender(installation, transport, limits=limits) as running:
        line = running.sender.pump.lines["fcm"]
        await eventually(lambda: transport.in_flight == 30)
        await throttle_the_site(installation, transport)
        while line.sites:
            transport.answer_first()
            await asyncio.sleep(0.01)
        transport.answer_first(BUSY)
        await eventually(lambda: bool(line.sites))
        line.window.width = 60.0
        posted = len(transport.posted)
        await eventually(lambda: tried_again(installation, transport, posted))
        await eventually(lambda: line.aside[1] > 0)
        window = line.sites[installation.site.id]
        for _ in range(transport.in_flight - 1):
            transport.answer_first()
        assert line.sites == {installation.site.id: window}
        assert line.aside[1] == sum(len(flight.waiting) for flight in window.parked) > 0
        running.sender.pump.give_back([message.id])
        assert (line.aside[1], line.waiting[1], window.parked) == (0, 0, [])
        transport.rule = lambda _: CREATED
        transport.answer()
        await asyncio.sleep(3 * LIMITS.look_every)
        assert not running.task.done()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_429_leaves_a_site_its_window_also_where_the_provider_takes_no_more(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        line = running.sender.pump.lines["fcm"]
        await eventually(lambda: transport.in_flight == 30)
        await throttle_the_site(installation, transport)
        window = line.sites[installation.site.id]
        line.window.width = 1.0
        transport.answer(BUSY)
        assert line.sites == {installation.site.id: window}


async def test_many_small_messages_before_a_large_one_do_not_overfill_a_narrow_line(
    installation: Installation,
) -> None:
    await installation.subscribe(1)
    small = [await installation.add_message() for _ in range(40)]
    await start_due(installation)
    await installation.subscribe(5_000)
    large = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        most = 0
        for _ in range(30):
            await asyncio.sleep(0.02)
            transport.answer()
            most = max(most, waiting(running.sender))
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, large.id))
        for message in small:
            assert await nothing_left(installation, message.id)
    assert most <= 80 + 500
    assert len(transport.posted) == 40 + 5_001


async def test_what_was_held_between_its_claim_and_its_reading_is_not_counted(
    installation: Installation,
) -> None:
    await installation.subscribe(60)
    message = await installation.add_message()
    transport = FakeTransport()
    async with sender(installation, transport, limits=LIMITS) as running:
        pump, now = running.sender.pump, installation.clock.now()
        pump.gate.hold((installation.site.id, "fcm"), now + 10_000, now, 1)  # the database does not know yet
        await start_due(installation)
        await asyncio.sleep(0.2)
        assert pump.lines["fcm"].waiting[1] == 0
        assert not transport.posted
        installation.clock.advance(11)
        await eventually(lambda: nothing_left(installation, message.id))
    assert len(transport.posted) == 60
