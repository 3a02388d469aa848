"""How messages end: sent, cancelled, expired, and what becomes of those who were not sent to."""

import pytest

from gateway.audience import AudienceSpec
from gateway.campaigns.plan import Timetable
from gateway.metrics import Metrics
from gateway.scheduler.finisher import AT_ONCE
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.housekeeper import Housekeeper
from gateway.scheduler.starter import Starter
from gateway.webpush import Reply
from storage import batches, messages, throttles
from storage.messages import MessageState
from storage.throttles import EVERY_SITE, FOR_GOOD
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import expire_leases, finish, sender, start_due

BUSY = Reply(503)


async def cancel(installation: Installation, message_id: int) -> None:
    assert await installation.database.write(
        lambda tx: messages.transition(
            tx, message_id, {MessageState.SENDING}, MessageState.CANCELLED, None, installation.clock.now()
        )
    )


async def claim(installation: Installation, limit: int = 1) -> list[batches.Batch]:
    return await installation.database.write(
        lambda tx: batches.claim(tx, "dead", installation.clock.now(), 60_000, limit)
    )


async def test_a_message_with_batches_left_is_not_sent_yet(installation: Installation) -> None:
    await installation.subscribe(1)
    message = await installation.add_message()
    await start_due(installation)

    await finish(installation)

    assert (await installation.message(message.id)).state is MessageState.SENDING


async def test_batches_that_nobody_touched_are_counted_as_cancelled_without_rows(
    installation: Installation,
) -> None:
    await installation.subscribe(700)
    await installation.subscribe(10, "mozilla")
    message = await installation.add_message()
    await start_due(installation)
    await cancel(installation, message.id)

    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.skips) == (710, {"cancelled": 710})
    assert await installation.deliveries(message.id) == {}
    assert (await installation.message(message.id)).state is MessageState.CANCELLED


async def test_a_batch_in_a_senders_hands_is_settled_when_its_lease_is_free(
    installation: Installation,
) -> None:
    await installation.subscribe(5)
    message = await installation.add_message()
    await start_due(installation)
    await claim(installation)
    await cancel(installation, message.id)

    await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.remaining == 5

    await expire_leases(installation)
    await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"cancelled": 5}
    assert await installation.batches_left(message.id) == 0


async def one_accepted_nine_retrying(installation: Installation, message_id: int) -> None:
    replies = iter([CREATED] + [BUSY] * 9)
    async with sender(installation, FakeTransport(lambda _: next(replies))):
        await eventually(lambda: retrying(installation, message_id, 9))


async def retrying(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == count


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_a_message_that_ends_does_not_wait_for_the_flights_of_twenty_others(
    installation: Installation, ending: str
) -> None:
    [id] = await installation.subscribe(1)
    ends_at = installation.clock.now() + 2_000 if ending == "expired" else None
    flying = [
        await installation.add_message(AudienceSpec(subscriptions=(id,)), expires_at=ends_at)
        for _ in range(AT_ONCE)
    ]
    await start_due(installation)
    assert len(await claim(installation, AT_ONCE)) == AT_ONCE
    installation.clock.advance(1)
    last = await installation.add_message(AudienceSpec(subscriptions=(id,)), expires_at=ends_at)
    await start_due(installation)
    if ending == "cancelled":
        for message in (*flying, last):
            await cancel(installation, message.id)
    installation.clock.advance(1)

    await finish(installation)

    progress = await installation.progress(last.id)
    assert progress is not None
    assert (progress.skipped, progress.expired) == ((1, 0) if ending == "cancelled" else (0, 1))


async def test_whoever_waits_for_another_attempt_is_skipped_by_a_cancel(installation: Installation) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    await one_accepted_nine_retrying(installation, message.id)
    await cancel(installation, message.id)

    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.skips, progress.retrying) == (1, {"cancelled": 9}, 0)


async def test_when_expires_at_passes_what_is_left_expires_and_the_message_is_sent(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message(ttl=3_600, expires_at=installation.clock.now() + 60_000)
    await start_due(installation)
    await one_accepted_nine_retrying(installation, message.id)
    installation.clock.advance(60)

    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.expired, progress.retrying) == (1, 9, 0)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_untouched_batches_past_expires_at_are_counted_as_expired(installation: Installation) -> None:
    await installation.subscribe(10)
    message = await installation.add_message(expires_at=installation.clock.now() + 1_000)
    await start_due(installation)
    installation.clock.advance(1)

    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.expired) == (10, 10)
    assert (await installation.message(message.id)).state is MessageState.SENT


@pytest.mark.parametrize("judged_before", [0, 30])
async def test_a_cancel_in_the_middle_of_the_freeze_leaves_those_judged_so_far(
    installation: Installation, judged_before: int
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await Starter(installation.context, Metrics()).step()
    if judged_before:
        freezer = Freezer(installation.context, Metrics(), step=judged_before)
        timetable = Timetable.of(await installation.message(message.id), installation.site)
        assert await freezer._write(timetable, 0, await freezer._read(timetable, 0), None)
    await cancel(installation, message.id)

    await start_due(installation)
    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.skipped) == (judged_before, judged_before)


async def hold(installation: Installation, until: int, failures: int = 0) -> None:
    now = installation.clock.now()
    await installation.database.write(
        lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", until, "test", now, failures)
    )


async def tidy(installation: Installation) -> None:
    await Housekeeper(installation.context).step()
    await finish(installation)


async def test_who_waits_for_a_held_provider_longer_than_the_ttl_expires(installation: Installation) -> None:
    await installation.subscribe(2_600)
    await installation.subscribe(10, "mozilla")
    message = await installation.add_message(ttl=3_600)
    await start_due(installation)
    await hold(installation, FOR_GOOD)
    installation.clock.advance(3_599)
    await tidy(installation)
    assert (await installation.message(message.id)).state is MessageState.SENDING
    installation.clock.advance(1)
    await tidy(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.expired, progress.remaining) == (2_600, 10)  # nobody holds the others back
    async with sender(installation, FakeTransport()):
        await eventually(lambda: progress_is(installation, message.id, accepted=10))
    await tidy(installation)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def progress_is(installation: Installation, message_id: int, accepted: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.accepted == accepted


async def test_a_short_hold_ends_nobody_of_a_message_that_is_sent_slowly(installation: Installation) -> None:
    await installation.subscribe(100)
    message = await installation.add_message(ttl=60, rate=1)
    await start_due(installation)
    installation.clock.advance(90)
    await hold(installation, installation.clock.now() + 60_000)
    installation.clock.advance(30)

    await tidy(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.expired, progress.remaining) == (0, 100)


async def test_who_has_been_tried_and_is_held_back_expires_with_what_was_left_of_the_ttl(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message(ttl=120)
    await start_due(installation)
    installation.clock.advance(100)
    await one_accepted_nine_retrying(installation, message.id)
    installation.clock.advance(60)
    await hold(installation, FOR_GOOD)
    await tidy(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.retrying == 9
    installation.clock.advance(60)

    await tidy(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.expired, progress.retrying) == (1, 9, 0)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_a_push_service_that_stays_dead_ends_no_message_later_than_its_ttl(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message(ttl=3_600)
    await start_due(installation)
    for failures in range(1, 61):  # a probe fails every minute or so, as the breaker has it
        await hold(installation, installation.clock.now() + 50_000, failures)
        installation.clock.advance(60)
    await hold(installation, installation.clock.now() + 50_000, 61)

    await tidy(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.expired == 10
