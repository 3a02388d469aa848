"""A sender whose process, or machine, stood still for longer than its leases: who else sends meanwhile?"""

from dataclasses import replace

from storage import batches
from storage.database import Body, T
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, expire_leases, nothing_left, sender, start_due

LIMITS = replace(QUICK, in_flight=40)  # 30 of them for bulk
LEASE = QUICK.lease
STANDSTILL = LEASE + 1


async def take_over(installation: Installation) -> None:
    """As another sender does that finds the leases run out."""
    await expire_leases(installation)
    now = installation.clock.now()
    await installation.database.write(lambda tx: batches.claim(tx, "other", now, 60_000, 32))


async def test_a_sender_that_wakes_after_its_lease_sends_nothing_that_was_taken_over(
    installation: Installation,
) -> None:
    await installation.subscribe(400)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        await take_over(installation)
        installation.clock.advance(STANDSTILL)
        transport.answer()  # there is room again, before anybody had time to look at the leases
        await eventually(lambda: not running.sender.pump.flights)
        assert len(transport.posted) == 30


async def test_a_sender_that_wakes_after_its_lease_goes_on_with_what_nobody_has_taken(
    installation: Installation,
) -> None:
    await installation.subscribe(400)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS):
        await eventually(lambda: transport.in_flight == 30)
        installation.clock.advance(STANDSTILL)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id), within=LEASE / 6)
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 400


class SlowClaim(FlakyDatabase):
    """While what was claimed first is on its way back to the sender, all stands still and is taken over."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation.database)
        self.installation = installation
        self.slept = False

    async def write(self, body: Body[T]) -> T:
        result = await super().write(body)
        if result and not self.slept:  # not the claim of the lane in which there is nothing
            self.slept = True
            await take_over(self.installation)
            self.installation.clock.advance(STANDSTILL)
        return result


async def test_what_was_claimed_before_a_standstill_and_read_after_it_is_not_sent(
    installation: Installation,
) -> None:
    await installation.subscribe(400)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport()
    database = SlowClaim(installation)
    async with sender(installation, transport, limits=LIMITS, database=database) as running:
        await eventually(lambda: database.slept and database.reads > 0)
        await eventually(lambda: not running.sender.pump.flights)
        assert transport.posted == []


async def test_within_the_lease_nobody_waits(installation: Installation) -> None:
    await installation.subscribe(60)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=LIMITS) as running:
        await eventually(lambda: transport.in_flight == 30)
        installation.clock.advance(LEASE - 1)
        transport.answer()
        await eventually(lambda: len(transport.posted) > 30, within=1.0)
        assert not running.sender.pump.lease_is_over.is_set()
        transport.rule = lambda _: CREATED  # a sender that stops waits for its answers
        transport.answer()
