"""What the scheduler does about holds: how long they are remembered, and whose time they use up."""

from gateway.delivery.gate import Gate
from gateway.scheduler.housekeeper import Housekeeper
from gateway.throttles import Gone, resume_provider
from storage import throttles
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE
from tests.unit.installation import Installation
from tests.unit.sending import start_due


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
