"""A dry run: everything but the push, on both databases."""

from gateway.audience import AudienceSpec, Recipient
from storage import deliveries, subscriptions
from storage.deliveries import Outcome, SkipReason
from storage.messages import MessageState
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import finish, nothing_left, sender, start_due

DRY = '{"dry_run":true}'


async def send_dry(installation: Installation, message_id: int) -> FakeTransport:
    await start_due(installation)
    transport = FakeTransport(lambda _: CREATED)
    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, message_id))
    await finish(installation)
    return transport


async def test_a_dry_run_counts_everybody_as_skipped_and_posts_nothing(installation: Installation) -> None:
    for provider, count in (("fcm", 700), ("mozilla", 3)):
        await installation.subscribe(count, provider)
    message = await installation.add_message(rules=DRY)

    transport = await send_dry(installation, message.id)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.skipped, progress.remaining) == (703, 703, 0)
    assert progress.skips == {"dry_run": 703}
    assert transport.posted == []
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_a_dry_run_leaves_subscriptions_as_they_were(installation: Installation) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message(rules=DRY)

    await send_dry(installation, message.id)

    stored = await installation.database.read(lambda tx: subscriptions.get(tx, installation.site.id, id))
    assert stored.accepted_at is None
    [delivery] = (await installation.deliveries(message.id)).values()
    assert (delivery.outcome, delivery.reason) == (Outcome.SKIPPED, SkipReason.DRY_RUN)


async def test_a_dry_run_finds_whose_payload_does_not_fit(installation: Installation) -> None:
    await installation.subscribe(1, external_id="short")
    [long] = await installation.subscribe(1, external_id="long")
    audience = AudienceSpec(recipients=(Recipient("short"), Recipient("long", {"text": "x" * 4_000})))
    message = await installation.add_message(audience, rules=DRY)

    await send_dry(installation, message.id)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.failures, progress.skips) == ({"too_large": 1}, {"dry_run": 1})
    [failed] = await installation.database.read(
        lambda tx: deliveries.failed_page(tx, installation.site.id, message.id)
    )
    assert failed.subscription_id == long
