"""A sender from the claim to the recorded outcome, on SQLite and with push services that the test plays."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import http_ece
import pytest

from gateway.audience import AudienceSpec, Recipient
from gateway.delivery.limits import SenderLimits
from gateway.delivery.pump import Pump
from gateway.scheduler.housekeeper import Housekeeper
from gateway.webpush import PushHosts, PushRequest, Reply
from storage import keys, messages, subscriptions
from storage.deliveries import Outcome
from storage.messages import MessageState, Priority
from storage.queries import Query
from storage.subscriptions import NewSubscription, SubscriptionState
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import AUTH, BROWSER_KEY, ENDPOINTS, P256DH, Installation
from tests.unit.sending import QUICK, Running, expire_leases, finish, nothing_left, sender, start_due

GONE = Reply(410)
HOUR = 3_600
RECEIVED = Reply(201, [b"X-WNS-NotificationStatus: received\r\n"])


def payload_of(request: PushRequest) -> dict[str, Any]:
    text = http_ece.decrypt(request.body, private_key=BROWSER_KEY, auth_secret=AUTH)
    payload: dict[str, Any] = json.loads(text)
    return payload


def header(request: PushRequest, name: str) -> str | None:
    lines = (line.split(": ", 1) for line in request.headers)
    return next((value for found, value in lines if found == name), None)


async def state_of(installation: Installation, id: int) -> SubscriptionState | None:
    rows = await installation.database.read(lambda tx: subscriptions.by_ids(tx, installation.site.id, [id]))
    return SubscriptionState(rows[0][2]) if rows else None


async def send_all(installation: Installation, transport: FakeTransport, message_id: int) -> None:
    """Send what is due, until nothing is left of the message."""
    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, message_id))


async def test_every_subscriber_of_a_broadcast_is_sent_to_once(installation: Installation) -> None:
    for provider, count in (("fcm", 700), ("mozilla", 501), ("wns", 3)):
        await installation.subscribe(count, provider)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: RECEIVED)

    await send_all(installation, transport, message.id)
    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.accepted, progress.remaining) == (1204, 1204, 0)
    assert len({request.url for request in transport.posted}) == len(transport.posted) == 1204
    assert (await installation.message(message.id)).state is MessageState.SENT


@pytest.mark.parametrize("status", [404, 410])
async def test_a_404_or_410_marks_the_subscription_gone(installation: Installation, status: int) -> None:
    [id] = await installation.subscribe(1)
    installation.clock.advance(HOUR)
    message = await installation.add_message()
    await start_due(installation)

    await send_all(installation, FakeTransport(lambda _: Reply(status)), message.id)

    assert await state_of(installation, id) is SubscriptionState.GONE
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.gone) == (1, 1)


async def test_a_subscription_that_never_worked_is_removed_a_day_after_its_410(
    installation: Installation,
) -> None:
    never, once = await installation.subscribe(2)
    site_id, now = installation.site.id, installation.clock.now()
    await installation.database.write(lambda tx: subscriptions.accepted(tx, site_id, [once], now))
    installation.clock.advance(HOUR)
    message = await installation.add_message()
    await start_due(installation)
    await send_all(installation, FakeTransport(lambda _: GONE), message.id)

    await Housekeeper(installation.context).step()
    assert await state_of(installation, never) is SubscriptionState.GONE
    installation.clock.advance(24 * HOUR + 1)
    await Housekeeper(installation.context).step()
    assert await state_of(installation, never) is None
    assert await state_of(installation, once) is SubscriptionState.GONE


async def test_a_410_right_after_subscribing_is_asked_about_once_more(installation: Installation) -> None:
    recovers, gone = await installation.subscribe(2)
    message = await installation.add_message(ttl=600)
    await start_due(installation)
    transport = FakeTransport(lambda _: GONE)

    async with sender(installation, transport):
        await eventually(lambda: retrying(installation, message.id, 2))
        assert await state_of(installation, recovers) is SubscriptionState.ACTIVE
        url = transport.posted[0].url
        transport.rule = lambda request: CREATED if request.url == url else GONE
        installation.clock.advance(59)
        await asyncio.sleep(5 * QUICK.poll)
        assert len(transport.posted) == 2
        installation.clock.advance(30)
        await eventually(lambda: nothing_left(installation, message.id))

    states = Counter([await state_of(installation, recovers), await state_of(installation, gone)])
    assert states == {SubscriptionState.ACTIVE: 1, SubscriptionState.GONE: 1}
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.gone, len(transport.posted)) == (1, 1, 4)


async def test_the_first_410_of_the_young_is_asked_about_once_more_also_after_a_503(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message(ttl=600)
    await start_due(installation)
    replies = iter([Reply(503), GONE, GONE])
    transport = FakeTransport(lambda _: next(replies))

    async with sender(installation, transport):
        await eventually(lambda: retrying(installation, message.id, 1))
        installation.clock.advance(5)
        await eventually(lambda: attempt_is(installation, message.id, id, 2))
        assert await state_of(installation, id) is SubscriptionState.ACTIVE
        installation.clock.advance(61)
        await eventually(lambda: nothing_left(installation, message.id))

    assert len(transport.posted) == 3
    assert await state_of(installation, id) is SubscriptionState.GONE


async def attempt_is(installation: Installation, message_id: int, id: int, attempt: int) -> bool:
    return (await installation.deliveries(message_id))[id].attempt == attempt


async def test_without_time_to_ask_again_a_410_right_after_subscribing_ends_no_subscription(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message(ttl=30)
    await start_due(installation)
    await send_all(installation, FakeTransport(lambda _: GONE), message.id)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.gone == 1
    assert await state_of(installation, id) is SubscriptionState.ACTIVE


async def test_a_late_410_for_an_endpoint_that_was_replaced_does_not_end_the_new_one(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    installation.clock.advance(HOUR)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    new = NewSubscription(
        endpoint=ENDPOINTS["fcm"].format("new"), provider="fcm", key_id=installation.key.id,
        p256dh=P256DH, auth=AUTH, created_at=installation.clock.now(),
    )  # fmt: skip

    async with sender(installation, transport):
        await eventually(lambda: transport.in_flight == 1)
        await installation.database.write(
            lambda tx: subscriptions.replace(tx, installation.site.id, id, new, installation.clock.now())
        )
        transport.answer(GONE)
        await eventually(lambda: nothing_left(installation, message.id))

    assert await state_of(installation, id) is SubscriptionState.ACTIVE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.REJECTED),
        (401, Outcome.UNAUTHORIZED),
        (403, Outcome.UNAUTHORIZED),
        (413, Outcome.TOO_LARGE),
    ],
)
async def test_a_refusal_is_counted_and_ends_no_subscription(
    installation: Installation, status: int, outcome: Outcome
) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message()
    await start_due(installation)

    await send_all(installation, FakeTransport(lambda _: Reply(status, body=b"no")), message.id)

    assert await state_of(installation, id) is SubscriptionState.ACTIVE
    delivery = (await installation.deliveries(message.id))[id]
    assert (delivery.outcome, delivery.code) == (outcome, status)
    assert "no" in (delivery.reason or "")
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.failures == {outcome: 1}


@pytest.mark.parametrize("reply", [Reply(500), Reply(503), Reply(0, error="reset"), Reply(429), Reply(302)])
async def test_trouble_with_a_push_service_ends_no_subscription(
    installation: Installation, reply: Reply
) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message(ttl=2)
    await start_due(installation)
    await send_all(installation, FakeTransport(lambda _: reply), message.id)
    assert await state_of(installation, id) is SubscriptionState.ACTIVE
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.gone == 0


async def test_a_first_batch_that_fails_altogether_ends_no_message(installation: Installation) -> None:
    await installation.subscribe(600)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport()
    transport.rule = lambda _: Reply(413) if len(transport.posted) <= 500 else CREATED
    await send_all(installation, transport, message.id)
    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.failed, progress.accepted) == (500, 100)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_who_cannot_be_sent_to_any_more_is_skipped_with_the_reason(installation: Installation) -> None:
    ids = await installation.subscribe(6)
    message = await installation.add_message()
    await start_due(installation)
    site_id, now = installation.site.id, installation.clock.now()

    async def meanwhile(tx: Any) -> None:
        await subscriptions.end(tx, site_id, ids[0], SubscriptionState.UNSUBSCRIBED, now)
        await subscriptions.end(tx, site_id, ids[1], SubscriptionState.GONE, now)
        await subscriptions.erase(tx, site_id, ids[2], now)
        await tx.execute(Query("test.delete", *[f"delete from subscriptions where id = {ids[3]}"] * 2))

    await installation.database.write(meanwhile)
    transport = FakeTransport()
    await send_all(installation, transport, message.id)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"unsubscribed": 1, "gone": 1, "erased": 1, "deleted": 1}
    assert (progress.accepted, len(transport.posted)) == (2, 2)


async def test_a_subscription_past_its_expiration_time_is_skipped(installation: Installation) -> None:
    await installation.subscribe(1, expires_at=installation.clock.now() + 1_000)
    message = await installation.add_message()
    await start_due(installation)
    installation.clock.advance(1)
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert not transport.posted
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"expired": 1}


async def test_nothing_is_signed_with_a_retired_key(installation: Installation) -> None:
    await installation.subscribe(2)
    message = await installation.add_message()
    await start_due(installation)
    site_id, key_id = installation.site.id, installation.key.id
    await installation.database.write(lambda tx: keys.retire(tx, site_id, key_id))
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert not transport.posted
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"key_retired": 2}


async def test_each_recipient_reads_their_own_data_and_token(installation: Installation) -> None:
    await installation.subscribe(1, external_id="ann")
    await installation.subscribe(1, external_id="bob")
    recipients = (Recipient("ann", {"seat": 1}), Recipient("bob", {"seat": 2}), Recipient("nobody"))
    message = await installation.add_message(AudienceSpec(recipients=recipients))
    await start_due(installation)
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    payloads = [payload_of(request) for request in transport.posted]
    assert sorted(payload["n"]["data"]["seat"] for payload in payloads) == [1, 2]
    assert len({payload["t"] for payload in payloads}) == 2
    assert (await installation.message(message.id)).unknown == 1


async def test_a_visitor_who_became_somebody_else_does_not_get_the_message(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1, external_id="ann")
    message = await installation.add_message(AudienceSpec(external_ids=("ann",)))
    await start_due(installation)
    change = subscriptions.Change(external_id="bob")
    await installation.database.write(lambda tx: subscriptions.change(tx, installation.site.id, id, change))
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert not transport.posted
    assert (await installation.deliveries(message.id))[id].outcome is Outcome.RENDER_FAILED


async def test_a_retry_comes_after_retry_after_with_what_is_left_of_the_ttl(
    installation: Installation,
) -> None:
    await installation.subscribe(3)
    message = await installation.add_message(ttl=600)
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(429, [b"Retry-After: 120\r\n"]))

    async with sender(installation, transport):
        await eventually(lambda: retrying(installation, message.id, 3))
        installation.clock.advance(119)
        await asyncio.sleep(5 * QUICK.poll)
        assert len(transport.posted) == 3
        transport.rule = lambda _: CREATED
        installation.clock.advance(1)
        await eventually(lambda: nothing_left(installation, message.id))

    assert [header(request, "TTL") for request in transport.posted] == ["600"] * 3 + ["480"] * 3
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.retrying) == (3, 0)


async def retrying(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == count


async def test_without_an_answer_a_push_is_tried_again_until_its_ttl_ends(installation: Installation) -> None:
    [id] = await installation.subscribe(1)
    message = await installation.add_message(ttl=10)
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(0, error="timed out"))

    async with sender(installation, transport):
        for attempt, wait in ((1, 3), (2, 6)):
            await eventually(lambda attempt=attempt: waits(installation, message.id, id, attempt))  # type: ignore[misc]
            installation.clock.advance(wait)
        await eventually(lambda: ended(installation, message.id, id))  # the fourth would be at 21 s
    assert (await installation.deliveries(message.id))[id].outcome is Outcome.EXPIRED
    assert [header(request, "TTL") for request in transport.posted] == ["10", "7", "1"]


async def waits(installation: Installation, message_id: int, id: int, attempt: int) -> bool:
    delivery = (await installation.deliveries(message_id)).get(id)
    return delivery is not None and (delivery.attempt, delivery.outcome) == (attempt, None)


async def ended(installation: Installation, message_id: int, id: int) -> bool:
    return (await installation.deliveries(message_id))[id].outcome is not None


async def test_a_message_past_its_expires_at_is_not_sent(installation: Installation) -> None:
    await installation.subscribe(4)
    message = await installation.add_message(expires_at=installation.clock.now() + 5_000)
    await start_due(installation)
    installation.clock.advance(5)
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert not transport.posted
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.expired == 4


async def test_the_ttl_of_a_push_does_not_outlive_expires_at(installation: Installation) -> None:
    await installation.subscribe(1)
    message = await installation.add_message(ttl=3_600, expires_at=installation.clock.now() + 60_000)
    await start_due(installation)
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert header(transport.posted[0], "TTL") == "60"


async def test_after_a_cancel_nothing_more_is_sent_and_what_is_in_flight_counts(
    installation: Installation,
) -> None:
    await installation.subscribe(1_200)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=100, read_ahead=500)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: transport.in_flight == limits.bulk_in_flight)
        await cancel(installation, message.id)
        await finish(installation)
        await eventually(lambda: skipped(installation, message.id, 1_200 - 75))
        progress = await installation.progress(message.id)
        assert progress is not None
        assert progress.remaining == 75
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))

    assert len(transport.posted) == 75
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.skips) == (75, {"cancelled": 1_125})


async def cancel(installation: Installation, message_id: int) -> None:
    assert await installation.database.write(
        lambda tx: messages.transition(
            tx, message_id, {MessageState.SENDING}, MessageState.CANCELLED, None, installation.clock.now()
        )
    )


async def skipped(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.skipped == count


async def test_bulk_leaves_the_last_quarter_of_the_slots_to_transactional_messages(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    await installation.subscribe(300)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=100)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: transport.in_flight == 75)
        urgent = await installation.add_message(
            AudienceSpec(subscriptions=(id,)), priority=Priority.TRANSACTIONAL
        )
        await start_due(installation)
        await eventually(lambda: transport.in_flight == 76)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, urgent.id))


async def test_a_reclaimed_batch_repeats_nothing_that_was_recorded(installation: Installation) -> None:
    await installation.subscribe(500)
    message = await installation.add_message()
    await start_due(installation)
    answered = FakeTransport(lambda request: None if request.url.endswith("7") else CREATED)
    async with sender(installation, answered, "killed") as running:
        await eventually(lambda: accepted(installation, message.id, 450))
        running.kill()
    await expire_leases(installation)
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert len(transport.posted) == 50
    assert all(request.url.endswith("7") for request in transport.posted)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted == 500


async def accepted(installation: Installation, message_id: int, count: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.accepted == count


async def test_a_sender_that_lost_its_lease_records_what_it_sent_and_stops(
    installation: Installation,
) -> None:
    await installation.subscribe(300)
    message = await installation.add_message()
    await start_due(installation)
    slow, quick = FakeTransport(lambda _: None), FakeTransport()
    limits = replace(QUICK, in_flight=40, lease=0.3)

    async with sender(installation, slow, "slow", limits) as running:
        await eventually(lambda: slow.in_flight == 30)
        for line in running.sender.pump.lines.values():
            line.limits = replace(limits, read_ahead=0)  # it claims never again
        async with sender(installation, quick, "quick"):
            await eventually(lambda: taken_over(installation, quick))
            await eventually(lambda: nothing_left(installation, message.id))
        await eventually(lambda: all(flight.lost for flight in running.sender.pump.flights.values()))
        slow.answer(GONE)
    assert len(slow.posted) == 30
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.gone, progress.remaining) == (300, 0, 0)


async def taken_over(installation: Installation, by: FakeTransport) -> bool:
    """Take the lease away until the other has it: the first owner extends it as long as it can."""
    if not by.posted:
        await expire_leases(installation)
    return bool(by.posted)


async def test_a_sender_that_was_paused_and_claims_its_own_batch_again_sends_nothing_twice(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)

    async with sender(installation, transport, limits=replace(QUICK, in_flight=40)):
        await eventually(lambda: transport.in_flight == 30)
        await expire_leases(installation)
        await eventually(lambda: claimed_again(installation))
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))

    assert len({request.url for request in transport.posted}) == len(transport.posted) == 100


async def claimed_again(installation: Installation) -> bool:
    text = "select max(leases) from batches"
    row = await installation.database.read(lambda tx: tx.fetch_one(Query("test.leases", text, text)))
    assert row is not None
    return bool(row[0] >= 2)


async def test_a_stop_finishes_what_is_in_flight_and_gives_the_rest_back(installation: Installation) -> None:
    await installation.subscribe(500)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=100)
    stopping = asyncio.create_task(stop_while_in_flight(installation, transport, limits))
    await eventually(lambda: transport.in_flight == 75)
    await asyncio.sleep(0.05)
    transport.answer()
    await stopping
    assert transport.closed
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.remaining) == (75, 425)

    following = FakeTransport()
    await send_all(installation, following, message.id)  # at once: the lease was given back
    assert len(following.posted) == 425


async def stop_while_in_flight(
    installation: Installation, transport: FakeTransport, limits: SenderLimits
) -> None:
    async with sender(installation, transport, limits=limits):
        await eventually(lambda: transport.in_flight == 75)


async def test_a_stop_does_not_wait_for_ever_and_repeats_what_had_no_answer(
    installation: Installation,
) -> None:
    await installation.subscribe(5)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    limits = replace(QUICK, stop_within=0.05)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: transport.in_flight == 5)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.retrying == 5


async def test_a_mistake_in_a_callback_ends_the_process_loudly(installation: Installation) -> None:
    await installation.subscribe(1)
    await installation.add_message()
    await start_due(installation)

    def broken(request: PushRequest) -> Reply:
        raise LookupError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        async with sender(installation, FakeTransport(broken)) as running:
            await asyncio.wait({running.task}, timeout=5)
    assert caught.group_contains(LookupError)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_mistake_in_what_follows_an_answer_ends_the_process_loudly(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(Pump, "give_back_keys", broken)
    with pytest.raises(ExceptionGroup) as caught:
        async with sender(installation, FakeTransport()) as running:
            await pause_key(running, installation.key.id)
    assert caught.group_contains(LookupError)


async def pause_key(running: Running, key_id: int) -> None:
    running.sender.pump.pause_key(key_id, "refused")
    await asyncio.wait({running.task}, timeout=5)


async def test_a_message_that_cannot_be_read_fails_alone(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(20)
    broken = await installation.add_message()
    damaged = replace(broken, content='{"notification": {}}')
    await installation.database.write(lambda tx: messages.update_before_start(tx, damaged))
    sound = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport()

    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, broken.id))
        await eventually(lambda: nothing_left(installation, sound.id))

    assert len(transport.posted) == 20
    progress = await installation.progress(broken.id)
    assert progress is not None
    assert progress.failures == {"render_failed": 20}
    assert [record.message for record in caplog.records].count("push.render_failed") == 1


@pytest.mark.parametrize(("table", "column"), [("messages", "rules"), ("sites", "settings")])
async def test_rules_and_settings_that_cannot_be_read_fail_their_own_messages_alone(
    installation: Installation, caplog: pytest.LogCaptureFixture, table: str, column: str
) -> None:
    await installation.subscribe(20)
    broken = await installation.add_message()
    await start_due(installation)
    texts = [f"update {table} set {column} = '{stored}'" for stored in ('{"quiet_hours":7}', "{}")]
    damage, mend = (Query(f"test.{column}", text, text) for text in texts)
    await installation.database.write(lambda tx: tx.execute(damage))
    transport = FakeTransport()

    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, broken.id))
        await installation.database.write(lambda tx: tx.execute(mend))
        sound = await installation.add_message()
        await start_due(installation)
        await eventually(lambda: nothing_left(installation, sound.id))

    assert len(transport.posted) == 20
    progress = await installation.progress(broken.id)
    assert progress is not None
    assert progress.failures == {"render_failed": 20}
    assert [record.message for record in caplog.records].count("push.render_failed") == 1


async def test_a_key_that_does_not_open_fails_its_own_subscriptions_only(installation: Installation) -> None:
    foreign = replace(
        installation.key, id=installation.context.ids.next(), public_key=bytes(65), sealed_private_key=b"?"
    )
    await installation.database.write(lambda tx: keys.add(tx, foreign))
    await installation.subscribe(3, key_id=foreign.id)
    await installation.subscribe(4)
    message = await installation.add_message()
    await start_due(installation)

    await send_all(installation, FakeTransport(), message.id)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.failures) == (4, {"render_failed": 3})


async def test_an_endpoint_whose_host_was_taken_off_the_list_is_not_posted_to(
    installation: Installation,
) -> None:
    hosts = PushHosts.parse("push.intranet.example")
    installation.context = replace(installation.context, push_hosts=hosts)
    [id] = await installation.subscribe(1, "other")
    message = await installation.add_message()
    await start_due(installation)
    installation.context = replace(installation.context, push_hosts=PushHosts())
    transport = FakeTransport()

    await send_all(installation, transport, message.id)

    assert not transport.posted
    assert (await installation.deliveries(message.id))[id].outcome is Outcome.REJECTED
