"""What the scheduler does about holds: how long they are remembered, and whose time they use up."""

from gateway.audience import AudienceSpec
from gateway.delivery.gate import Gate
from gateway.scheduler.housekeeper import Housekeeper
from gateway.scheduler.overdue import expire_overdue
from gateway.throttles import Gone, resume_provider
from gateway.webpush import Reply
from storage import throttles
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE, Throttle
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import nothing_left, sender, start_due


async def hold(
    installation: Installation, until: int, reason: str, failures: int = 0, site_id: int = EVERY_SITE
) -> None:
    now = installation.clock.now()
    await installation.database.write(
        lambda tx: throttles.hold(tx, site_id, "fcm", until, reason, now, failures)
    )


async def expired(installation: Installation, message_id: int) -> int:
    progress = await installation.progress(message_id)
    assert progress is not None
    return progress.expired


async def trusted(installation: Installation) -> bool:
    """Whether a sender that looks now believes however many 404s."""
    now = installation.clock.now()
    gate = Gate()
    gate.know(await installation.database.read(lambda tx: throttles.in_force(tx, now)), now)
    return gate.trusts("fcm")


async def test_a_confirmed_mass_of_404s_is_trusted_for_a_day_whatever_happens_meanwhile(
    installation: Installation,
) -> None:
    await hold(installation, FOR_GOOD, MASS_GONE)
    await resume_provider(installation.context, "admin", "fcm", Gone.KEEP)
    assert await trusted(installation)
    installation.clock.advance(60)
    await Housekeeper(installation.context).step()
    assert await trusted(installation)
    await hold(installation, installation.clock.now() + 4_000, "retry_after", 1)
    installation.clock.advance(10)
    assert await trusted(installation)
    installation.clock.advance(24 * 3_600 - 71)
    await Housekeeper(installation.context).step()
    assert await trusted(installation)
    installation.clock.advance(1)
    assert not await trusted(installation)


async def test_a_mass_of_404s_ends_nobody_before_the_hold_has_lasted_for_the_ttl(
    installation: Installation,
) -> None:
    await installation.subscribe(50)
    message = await installation.add_message(ttl=60, rate=1)
    await start_due(installation)
    installation.clock.advance(90)
    await hold(installation, FOR_GOOD, MASS_GONE)
    await Housekeeper(installation.context).step()
    assert await expired(installation, message.id) == 0
    installation.clock.advance(60)
    await Housekeeper(installation.context).step()
    assert await expired(installation, message.id) == 50


async def test_who_was_tried_a_moment_ago_has_the_rest_of_the_ttl_however_old_the_hold_is(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message(ttl=120)
    await start_due(installation)
    for failures in (1, 2):  # probes fail: one hold in a row
        await hold(installation, installation.clock.now() + 50_000, "breaker", failures)
        installation.clock.advance(58)
    async with sender(installation, FakeTransport(lambda _: Reply(503))):
        await eventually(lambda: retrying(installation, message.id, 10))
    await hold(installation, FOR_GOOD, "breaker", 3)
    installation.clock.advance(119)
    await Housekeeper(installation.context).step()
    assert await expired(installation, message.id) == 0
    installation.clock.advance(1)
    await Housekeeper(installation.context).step()
    assert await expired(installation, message.id) == 10


async def retrying(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == count


async def test_messages_of_which_nobody_is_overdue_cost_one_look_for_all_and_no_write(
    installation: Installation,
) -> None:
    [late] = await installation.subscribe(1)
    [other] = await installation.subscribe(1, "mozilla")
    for id in [other] * 20 + [late] * 9:
        await installation.add_message(AudienceSpec(subscriptions=(id,)), ttl=60)
    await start_due(installation)
    await hold(installation, FOR_GOOD, "test")
    installation.clock.advance(60)
    database = FlakyDatabase(installation.database)

    assert await expire_overdue(database, installation.clock.now()) == 9

    assert (database.reads, database.writes) == (1, 3)
    assert await expire_overdue(database, installation.clock.now()) == 0
    assert (database.reads, database.writes) == (2, 3)


async def test_holds_of_a_site_with_answers_in_between_are_two_though_the_sender_was_started_anew(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(50)
    site_id, clock = installation.site.id, installation.clock
    await hold(installation, clock.now() + 4_000, "retry_after", 1, site_id)
    clock.advance(10)
    first = await installation.add_message(AudienceSpec(subscriptions=tuple(ids[:20])))
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport) as running:
        await eventually(lambda: transport.in_flight == 20 and running.sender.pump.gate.failing)
        transport.answer(CREATED)
        await eventually(lambda: nothing_left(installation, first.id))
        assert (await only_hold(installation)).failures == 0
    slow = await installation.add_message(ttl=300, rate=1)
    await start_due(installation)
    clock.advance(500)
    await hold(installation, clock.now() + 4_000, "retry_after", 2, site_id)
    clock.advance(1)
    await Housekeeper(installation.context).step()
    assert await expired(installation, slow.id) == 0


async def only_hold(installation: Installation) -> Throttle:
    (found,) = await installation.database.read(throttles.all)
    return found


async def test_whose_turn_comes_during_a_hold_waits_for_its_end_as_long_as_the_ttl(
    installation: Installation,
) -> None:
    await installation.set_quiet_hours("00:00", "00:02")
    await installation.subscribe(10)
    message = await installation.add_message(ttl=60)
    await start_due(installation)
    await hold(installation, FOR_GOOD, "breaker")
    for seconds, count in ((119, 0), (1, 0), (59, 0), (1, 10)):  # it is their turn after two minutes
        installation.clock.advance(seconds)
        await Housekeeper(installation.context).step()
        assert await expired(installation, message.id) == count
