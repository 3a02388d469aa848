"""Messages become batches at their time: everybody once, nobody lost."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.plan import Timetable
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from storage import batches, deliveries, messages, subscriptions
from storage.batches import MAX_MEMBERS, Batch, unpack
from storage.database import Transaction
from storage.deliveries import Outcome, Result, SkipReason
from storage.messages import MessageState, Priority
from storage.subscriptions import SubscriptionState
from tests.unit.installation import Installation
from tests.unit.sending import finish, start_due


async def claim_all(installation: Installation) -> list[Batch]:
    return await installation.database.write(
        lambda tx: batches.claim(tx, "test", installation.clock.now(), 1_000, 10_000)
    )


def members(claimed: list[Batch]) -> list[int]:
    return [id for batch in claimed for id in unpack(batch.members)]


async def test_a_message_starts_at_its_time_and_not_before(installation: Installation) -> None:
    await installation.subscribe(1)
    message = await installation.add_message(send_at=installation.clock.now() + 60_000)

    await start_due(installation)
    assert (await installation.message(message.id)).state is MessageState.SCHEDULED

    installation.clock.advance(60)
    await start_due(installation)
    assert (await installation.message(message.id)).state is MessageState.SENDING


async def test_a_message_that_expired_before_its_start_never_sends(installation: Installation) -> None:
    await installation.subscribe(1)
    message = await installation.add_message(expires_at=installation.clock.now() + 1_000)
    installation.clock.advance(1)

    await start_due(installation)

    stored = await installation.message(message.id)
    assert stored.state is MessageState.EXPIRED
    assert stored.state_reason
    assert await claim_all(installation) == []


async def test_a_message_that_was_paused_before_its_start_expires_by_itself(
    installation: Installation,
) -> None:
    await installation.subscribe(1)
    now = installation.clock.now()
    message = await installation.add_message(send_at=now + 60_000, expires_at=now + 120_000)
    await installation.database.write(
        lambda tx: messages.transition(
            tx, message.id, {MessageState.SCHEDULED}, MessageState.PAUSED, "by an admin", now
        )
    )
    installation.clock.advance(119)
    await start_due(installation)
    assert (await installation.message(message.id)).state is MessageState.PAUSED

    installation.clock.advance(1)
    await start_due(installation)
    stored = await installation.message(message.id)
    assert (stored.state, stored.ended_at) == (MessageState.EXPIRED, now + 120_000)
    assert await claim_all(installation) == []


async def test_every_active_subscription_is_in_exactly_one_batch_of_its_provider(
    installation: Installation,
) -> None:
    expected = {
        provider: set(await installation.subscribe(count, provider))
        for provider, count in (("fcm", 1_003), ("mozilla", 499), ("wns", 1))
    }
    [left] = await installation.subscribe(1)
    await installation.database.write(
        lambda tx: subscriptions.end(
            tx, installation.site.id, left, SubscriptionState.UNSUBSCRIBED, installation.clock.now()
        )
    )
    message = await installation.add_message()

    await start_due(installation, step=400)

    claimed = await claim_all(installation)
    for provider, ids in expected.items():
        assert Counter(members([b for b in claimed if b.provider == provider])) == Counter(ids)
    assert all(batch.size == len(unpack(batch.members)) <= MAX_MEMBERS for batch in claimed)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.remaining) == (1_503, 1_503)


async def test_who_subscribes_after_the_start_is_not_in_it(installation: Installation) -> None:
    early = await installation.subscribe(3)
    await installation.add_message()
    await Starter(installation.context, Metrics()).step()
    installation.clock.advance(1)
    await installation.subscribe(3)

    await start_due(installation)

    assert sorted(members(await claim_all(installation))) == early


async def test_a_clock_that_was_set_back_excludes_nobody(installation: Installation) -> None:
    early = await installation.subscribe(3)
    installation.clock.set_now(installation.clock.now() - 3_600_000)
    await installation.add_message()

    await start_due(installation)

    assert sorted(members(await claim_all(installation))) == early


async def test_a_freeze_goes_on_where_a_crash_left_it(installation: Installation) -> None:
    ids = await installation.subscribe(950)
    message = await installation.add_message()
    await Starter(installation.context, Metrics()).step()

    class Killed(BaseException):
        pass

    crashing = Freezer(installation.context, Metrics(), step=100)
    read, reads = crashing._read, 0

    async def read_until_killed(*args: object) -> object:
        nonlocal reads
        reads += 1
        if reads > 4:
            raise Killed
        return await read(*args)  # type: ignore[arg-type]

    crashing._read = read_until_killed  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        await crashing.step()
    assert await installation.progress(message.id) is None

    await start_due(installation, step=100)

    assert sorted(members(await claim_all(installation))) == ids
    assert (await installation.message(message.id)).audience == 950


async def test_two_freezers_at_once_judge_nobody_twice(installation: Installation) -> None:
    ids = await installation.subscribe(950)
    await installation.add_message()
    await Starter(installation.context, Metrics()).step()

    async def freeze() -> None:
        freezer = Freezer(installation.context, Metrics(), step=70)
        while await freezer.step():
            pass

    await asyncio.gather(freeze(), freeze(), freeze())

    assert sorted(members(await claim_all(installation))) == ids


@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4), step=st.integers(1, 40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_step_size_loses_or_repeats_anybody(
    installation: Installation, sizes: list[int], step: int
) -> None:
    for size in sizes:
        await installation.subscribe(size, "fcm" if size % 2 else "mozilla")
    message = await installation.add_message()

    await start_due(installation, step=step)

    found = members([b for b in await claim_all(installation) if b.message_id == message.id])
    assert len(found) == len(set(found)) == (await installation.message(message.id)).audience


async def test_named_recipients_are_frozen_at_once_and_strangers_are_counted(
    installation: Installation,
) -> None:
    ann = await installation.subscribe(2, external_id="ann")  # two browsers
    await installation.subscribe(1, external_id="bob")
    message = await installation.add_message(
        AudienceSpec(external_ids=("ann", "zoe")), priority=Priority.TRANSACTIONAL
    )

    assert await Starter(installation.context, Metrics()).step()

    assert sorted(members(await claim_all(installation))) == ann
    stored = await installation.message(message.id)
    assert (stored.audience, stored.unknown) == (2, 1)


async def test_subscriptions_that_ended_are_neither_addressed_nor_unknown(installation: Installation) -> None:
    active, ended = await installation.subscribe(2)
    await installation.database.write(
        lambda tx: subscriptions.end(
            tx, installation.site.id, ended, SubscriptionState.UNSUBSCRIBED, installation.clock.now()
        )
    )
    message = await installation.add_message(AudienceSpec(subscriptions=(active, ended, 12345)))

    await start_due(installation)

    assert members(await claim_all(installation)) == [active]
    stored = await installation.message(message.id)
    assert (stored.audience, stored.unknown) == (1, 1)


async def test_a_message_to_nobody_is_sent_at_once(installation: Installation) -> None:
    message = await installation.add_message()

    await start_due(installation)
    await finish(installation)

    stored = await installation.message(message.id)
    assert (stored.state, stored.audience) == (MessageState.SENT, 0)


async def test_a_message_that_was_cancelled_meanwhile_is_not_started(installation: Installation) -> None:
    await installation.subscribe(1)
    message = await installation.add_message()

    async def cancel(tx: Transaction) -> bool:
        now = installation.clock.now()
        return await messages.transition(
            tx, message.id, {MessageState.SCHEDULED}, MessageState.CANCELLED, None, now
        )

    starter = Starter(installation.context, Metrics())
    await installation.database.write(cancel)
    await starter._start(Timetable.of(message, installation.site), installation.clock.now())

    assert await claim_all(installation) == []
    assert (await installation.message(message.id)).state is MessageState.CANCELLED


async def test_a_message_that_was_put_off_at_the_last_moment_does_not_start(
    installation: Installation,
) -> None:
    await installation.subscribe(3)
    seen = await installation.add_message()
    later = replace(seen, send_at=installation.clock.now() + 86_400_000)
    await installation.database.write(lambda tx: messages.update_before_start(tx, later))

    await Starter(installation.context, Metrics())._start(
        Timetable.of(seen, installation.site), installation.clock.now()
    )

    assert await installation.message(seen.id) == later


async def test_a_message_whose_audience_was_changed_at_the_last_moment_starts_with_the_new_one(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(3)
    seen = await installation.add_message(AudienceSpec(subscriptions=tuple(ids)))
    fewer = replace(seen, audience_spec=write_audience(AudienceSpec(subscriptions=(ids[0],))))
    await installation.database.write(lambda tx: messages.update_before_start(tx, fewer))

    starter = Starter(installation.context, Metrics())
    await starter._start(Timetable.of(seen, installation.site), installation.clock.now())
    await starter.step()

    assert (await installation.message(seen.id)).audience == 1
    assert members(await claim_all(installation)) == [ids[0]]


async def test_a_replay_goes_to_those_whom_a_message_did_not_reach(installation: Installation) -> None:
    ids = await installation.subscribe(60)
    first = await installation.add_message()
    now, site_id = installation.clock.now(), installation.site.id
    ended = [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.EXPIRED, Outcome.GONE, Outcome.SKIPPED, None]
    results = [
        Result(
            site_id, first.id, id, "fcm", 1, 0, outcome,
            SkipReason.UNSUBSCRIBED if outcome is Outcome.SKIPPED else None, None, now,
        )
        for id, outcome in zip(ids, ended * 10, strict=True)
    ]  # fmt: skip
    gone = [id for id, outcome in zip(ids, ended * 10, strict=True) if outcome is Outcome.GONE]

    async def body(tx: Transaction) -> None:
        await deliveries.record(tx, results)
        for id in gone:
            await subscriptions.end(tx, site_id, id, SubscriptionState.GONE, now)
        await messages.transition(tx, first.id, {MessageState.SCHEDULED}, MessageState.SENT, None, now)

    await installation.database.write(body)
    again = await installation.add_message(AudienceSpec(failures_of=first.id))
    await start_due(installation, step=7)

    wanted = {r.subscription_id for r in results if r.outcome in (Outcome.REJECTED, Outcome.EXPIRED)}
    assert Counter(members(await claim_all(installation))) == Counter(wanted)
    assert (await installation.message(again.id)).audience == 20


async def test_batches_of_a_slow_message_are_a_few_seconds_of_its_rate(installation: Installation) -> None:
    await installation.subscribe(30)
    message = await installation.add_message(rate=2)
    await start_due(installation)
    assert await installation.batches_left(message.id) == 3


async def test_those_who_leave_and_join_during_the_freeze_make_nobody_else_skipped_or_repeated(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(900)
    await installation.add_message()
    await Starter(installation.context, Metrics()).step()
    freezer = Freezer(installation.context, Metrics(), step=50)
    installation.clock.advance(1)
    left: set[int] = set()
    for number in range(5):  # ten steps of fifty in each; whoever leaves is before and behind the cursor
        await freezer.step()
        leaving = ids[number::90]
        left.update(leaving)

        async def leave(tx: Transaction, leaving: list[int] = leaving) -> None:
            for id in leaving:
                await subscriptions.end(
                    tx, installation.site.id, id, SubscriptionState.GONE, installation.clock.now()
                )

        await installation.database.write(leave)
        await installation.subscribe(50)
    await start_due(installation, step=50)

    judged = members(await claim_all(installation))
    assert len(set(judged)) == len(judged)
    assert set(ids) - left <= set(judged) <= set(ids)
