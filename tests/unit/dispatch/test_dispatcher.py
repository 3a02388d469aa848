"""Webhooks on their way to receivers that are slow, failing, gone, or redirect."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.dispatch.lane import WIDEST
from gateway.dispatch.schedule import WAITS
from gateway.webhooks import manage
from gateway.webhooks.manage import WebhookChange
from storage import leases, webhook_deliveries, webhooks
from storage.database import Transaction
from storage.webhook_deliveries import DeliveryState
from storage.webhooks import WebhookState
from tests.eventually import eventually
from tests.fakes.receiver import Received
from tests.unit.dispatch.stand import ALERT, Stand

RESTS = 60.0  # seconds: no lane rests longer


def numbers(received: list[Received]) -> list[int]:
    return [event["data"]["number"] for each in received for event in each.events]


async def test_what_happens_is_delivered_in_order_packed_and_signed(stand: Stand) -> None:
    hook = await stand.webhook()
    await stand.happen(*range(250))
    async with stand.runs():
        found = await stand.ended(hook, DeliveryState.DELIVERED, 3)
    received = sorted(stand.receiver.received, key=lambda each: numbers([each]))
    assert numbers(received) == list(range(250))
    assert [len(each.events) for each in received] == [100, 100, 50]
    assert [(each.events, each.status, each.attempts) for each in found] == [
        (100, 204, 1),
        (100, 204, 1),
        (50, 204, 1),
    ]
    assert all(each.is_signed_with(stand.secrets[hook]) for each in received)
    assert len({each.id for each in received}) == 3
    ids = [event["id"] for each in received for event in each.events]
    assert len(set(ids)) == 250
    assert received[0].events[0]["type"] == ALERT.value
    assert received[0].events[0]["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert received[0].headers["webhook-timestamp"] == "1767225600"
    assert stand.count("delivered") == 3


async def test_each_webhook_gets_the_same_events(stand: Stand) -> None:
    hooks = [await stand.webhook("/a"), await stand.webhook("/b")]
    await stand.happen(1, 2)
    async with stand.runs():
        for hook in hooks:
            await stand.ended(hook, DeliveryState.DELIVERED)
    [a], [b] = stand.receiver.on("/a"), stand.receiver.on("/b")
    assert a.events == b.events
    assert a.id != b.id


async def test_a_failure_is_tried_again_under_the_same_id_until_it_is_taken(stand: Stand) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=503)
    await stand.happen(1)
    async with stand.runs():
        tried = await stand.tried(hook, 1)
        assert (tried.status, tried.error) == (503, "The receiver answered 503.")
        now = stand.installation.clock.now()
        assert tried.next_attempt_at == now + WAITS[0]
        site_id = stand.installation.site.id
        shown = await manage.get_webhook(stand.installation.context, site_id, hook)
        assert (shown.webhook.failing_since, shown.webhook.last_error) == (now, "The receiver answered 503.")
        stand.receiver.answers.clear()
        stand.installation.clock.advance(WAITS[0] / 1_000)
        await stand.ended(hook, DeliveryState.DELIVERED)
    first, second = stand.receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    shown = await manage.get_webhook(stand.installation.context, site_id, hook)
    assert (shown.webhook.failing_since, shown.lag) == (None, 0)


async def test_after_the_last_attempt_a_delivery_is_dead_and_can_be_replayed(stand: Stand) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=500)
    await stand.happen(1)
    async with stand.runs():
        for attempts, wait in enumerate(WAITS, start=1):
            await stand.tried(hook, attempts)
            stand.installation.clock.advance(max(wait / 1_000, RESTS))
        [dead] = await stand.ended(hook, DeliveryState.DEAD)
        assert (dead.attempts, dead.next_attempt_at) == (len(WAITS) + 1, None)
        assert stand.count("dead") == 1
        await eventually(lambda: stand.registry.get_sample_value("gateway_webhook_dead") == 1)
        stand.receiver.answers.clear()
        stand.installation.clock.advance(RESTS)
        now = stand.installation.clock.now()
        assert await stand.installation.database.write(
            lambda tx: webhook_deliveries.replay(tx, hook, dead.id, now)
        )
        await stand.ended(hook, DeliveryState.DELIVERED)
    assert len({each.id for each in stand.receiver.received}) == 1


async def test_410_pauses_the_webhook_and_loses_nothing(stand: Stand) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=410)
    await stand.happen(1)
    site_id = stand.installation.site.id
    async with stand.runs():
        await stand.tried(hook, 1)
        paused = await stand.installation.database.read(lambda tx: webhooks.get(tx, site_id, hook))
        assert (paused.state, paused.last_error) == (
            WebhookState.PAUSED,
            "The receiver answered 410 Gone: it wants no more.",
        )
        await stand.happen(2)
        stand.installation.clock.advance(RESTS)
        stand.receiver.answers.clear()
        await eventually(lambda: _count(stand, hook, 2))
        assert len(stand.receiver.received) == 1
        change = WebhookChange(state=WebhookState.ACTIVE)
        await manage.change_webhook(stand.installation.context, "cli", site_id, hook, change)
        await stand.ended(hook, DeliveryState.DELIVERED, 2)
    assert sorted(numbers(stand.receiver.received)) == [1, 1, 2]
    assert stand.count("gone") == 1


async def _count(stand: Stand, hook: int, count: int) -> bool:
    return len(await stand.deliveries(hook)) == count


async def test_a_redirect_is_a_failure_and_leads_nowhere(stand: Stand) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=302, Location=stand.receiver.url("/inside"))
    await stand.happen(1)
    async with stand.runs():
        tried = await stand.tried(hook, 1)
    assert tried.status == 302
    assert tried.error is not None
    assert "redirects are not followed" in tried.error
    assert stand.receiver.on("/inside") == []


async def test_a_receiver_that_asks_for_a_pause_gets_it(stand: Stand) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=429, **{"Retry-After": "90"})
    await stand.happen(1)
    async with stand.runs():
        tried = await stand.tried(hook, 1)
    assert tried.next_attempt_at == stand.installation.clock.now() + 90_000


async def test_a_slow_receiver_has_few_requests_at_once_and_slows_nobody(stand: Stand) -> None:
    slow, quick = await stand.webhook("/slow"), await stand.webhook("/quick")
    go_on = stand.receiver.hang("/slow")
    for number in range(12):
        await stand.happen(*range(100 * number, 100 * number + 100))
    async with stand.runs():
        await stand.ended(quick, DeliveryState.DELIVERED, 12)
        assert stand.receiver.most_at_once["/slow"] == 1
        go_on.set()
        await stand.ended(slow, DeliveryState.DELIVERED, 12)
    assert stand.receiver.most_at_once["/slow"] <= 4
    assert sorted(numbers(stand.receiver.on("/slow"))) == list(range(1_200))


async def test_a_receiver_that_takes_what_it_is_sent_gets_four_requests_at_once(stand: Stand) -> None:
    hook = await stand.webhook()
    for number in range(16):
        await stand.happen(*range(100 * number, 100 * number + 100))

    async def together(received: Received) -> web.StreamResponse:
        """Not before as many are there as ever come at once, or the widest lane is reached."""
        for _ in range(20):
            if stand.receiver.most_at_once[received.path] == WIDEST:
                break
            await asyncio.sleep(0.01)
        return web.Response(status=204)

    stand.receiver.answers["/"] = together
    async with stand.runs():
        await stand.ended(hook, DeliveryState.DELIVERED, 16)
    assert stand.receiver.most_at_once["/"] == WIDEST


async def test_of_many_busy_webhooks_each_gets_its_turn(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.dispatch.lane.MOST_IN_FLIGHT", 2)
    hooks = [await stand.webhook(f"/{number}") for number in range(5)]
    for number in range(6):
        await stand.happen(*range(100 * number, 100 * number + 100))
    async with stand.runs():
        for hook in hooks:
            await stand.ended(hook, DeliveryState.DELIVERED, 6)
    first = [each.path for each in stand.receiver.received[:15]]
    assert set(first) == {f"/{number}" for number in range(5)}


async def test_an_answer_that_does_not_come_is_a_failure(stand: Stand) -> None:
    hook = await stand.webhook()
    go_on = stand.receiver.hang()
    await stand.happen(1)
    async with stand.runs(seconds=0.1):
        tried = await stand.tried(hook, 1)
    go_on.set()
    assert (tried.status, tried.error) == (None, "There was no whole answer within 0.1 s.")


async def test_what_a_killed_dispatcher_had_in_hand_is_repeated_by_the_next(stand: Stand) -> None:
    hook = await stand.webhook()
    go_on = stand.receiver.hang()
    await stand.happen(1)
    async with stand.runs("one") as first:
        await eventually(lambda: stand.receiver.received)
        await first.kill()
    go_on.set()
    stand.receiver.answers.clear()
    [left] = await stand.deliveries(hook)
    assert (left.state, left.attempts) == (DeliveryState.PENDING, 0)
    await stand.installation.database.write(_end_leases)
    async with stand.runs("two"):
        await stand.ended(hook, DeliveryState.DELIVERED)
    first_request, second = stand.receiver.received
    assert first_request.id == second.id


async def _end_leases(tx: Transaction) -> None:
    """As if time had passed."""
    await webhook_deliveries.release(tx, "one")
    await leases.release(tx, "webhooks", "one")


async def test_of_two_dispatchers_one_delivers_and_gives_up_its_lead_at_a_stop(stand: Stand) -> None:
    hook = await stand.webhook()
    async with stand.runs("one") as one, stand.runs("two"):
        await stand.happen(1)
        await stand.ended(hook, DeliveryState.DELIVERED)
        one.stop.set()
        await one.task
        await stand.happen(2)
        await stand.ended(hook, DeliveryState.DELIVERED, 2)
    assert numbers(stand.receiver.received) == [1, 2]


async def test_for_a_day_after_a_rotation_both_secrets_verify(stand: Stand) -> None:
    hook = await stand.webhook()
    context, site_id = stand.installation.context, stand.installation.site.id
    new = await manage.rotate_secret(context, "cli", site_id, hook)
    async with stand.runs():
        await stand.happen(1)
        await stand.ended(hook, DeliveryState.DELIVERED)
        stand.installation.clock.advance(24 * 3_600)
        await stand.happen(2)
        await stand.ended(hook, DeliveryState.DELIVERED, 2)
    both, one = stand.receiver.received
    assert [each.is_signed_with(new) for each in (both, one)] == [True, True]
    assert [each.is_signed_with(stand.secrets[hook]) for each in (both, one)] == [True, False]


async def test_a_url_that_the_operator_does_not_list_any_more_is_not_asked(stand: Stand) -> None:
    hook = await stand.webhook()
    there = stand.installation
    there.context = replace(there.context, settings=replace(there.context.settings, outbound_private=()))
    await stand.happen(1)
    async with stand.runs():
        tried = await stand.tried(hook, 1)
    assert tried.error == "The URL must begin with https://."
    assert stand.receiver.received == []


async def test_metrics_show_what_waits_and_for_how_long(stand: Stand) -> None:
    await stand.webhook()
    stand.receiver.fail()
    await stand.happen(1)
    async with stand.runs():
        await eventually(lambda: stand.count("failed"))
        stand.installation.clock.advance(3)
        await eventually(lambda: stand.registry.get_sample_value("gateway_webhook_lag_seconds") == 3)
    assert stand.registry.get_sample_value("gateway_webhook_pending") == 1
    assert stand.registry.get_sample_value("gateway_webhook_events_total") == 1
