"""The outbox, and deliveries of webhooks, on both databases."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.webhooks.facts import tell_of_events, tell_of_pushes
from gateway.webhooks.types import EventType
from storage import (
    deliveries,
    events,
    messages,
    outbox,
    sites,
    subscriptions,
    webhook_deliveries,
    webhooks,
)
from storage.database import Database, Transaction
from storage.deliveries import Outcome, Result
from storage.errors import NotFound
from storage.events import Event, EventKind
from storage.messages import MessageKind, MessageState
from storage.outbox import Waiting
from storage.subscriptions import Gone, SubscriptionState
from storage.webhook_deliveries import Delivery, DeliveryState
from storage.webhooks import Webhook, WebhookState
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, message, new_subscription, result

ALL = tuple(type.value for type in EventType)
DAY = 24 * 3_600_000
LEASE = 30_000


def webhook(id: int = 1, **changes: Any) -> Webhook:
    values: dict[str, Any] = {
        "id": id,
        "site_id": SITE,
        "url": "https://hooks.example/",
        "description": "",
        "types": ALL,
        "state": WebhookState.ACTIVE,
        "sealed_secret": b"sealed",
        "sealed_old_secret": None,
        "old_secret_until": None,
        "created_at": NOW,
    }
    return Webhook(**{**values, **changes})


def delivery(id: int, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": id,
        "site_id": SITE,
        "webhook_id": 1,
        "state": DeliveryState.PENDING,
        "types": ("push.failed",),
        "events": 1,
        "attempts": 0,
        "status": None,
        "error": None,
        "created_at": NOW,
        "ended_at": None,
        "next_attempt_at": NOW,
    }
    return Delivery(**{**values, **changes})


@pytest.fixture
async def there(database: Database) -> Database:
    """With a site whose webhook wants everything."""
    await add_site(database)
    await database.write(lambda tx: webhooks.add(tx, webhook()))
    return database


async def told(database: Database) -> list[tuple[str, Any]]:
    """(type, fact) of everything in the outbox."""
    rows = await database.read(lambda tx: outbox.waiting(tx, 1_000))
    for row in rows:
        assert row.n == len(json.loads(row.facts))
    return [(row.type, fact) for row in rows for fact in json.loads(row.facts)]


async def make(database: Database, *ids: int, **changes: Any) -> None:
    async def body(tx: Transaction) -> None:
        for id in ids:
            await webhook_deliveries.add(tx, delivery(id, **changes), f"body {id}")

    await database.write(body)


async def claim(database: Database, owner: str = "one", limit: int = 10, now: int = NOW) -> list[int]:
    claimed = await database.write(lambda tx: webhook_deliveries.claim(tx, 1, owner, now, LEASE, limit))
    return [each.id for each in claimed]


async def test_a_webhook_comes_back_as_it_was_stored_changed_and_goes(there: Database) -> None:
    assert await there.read(lambda tx: webhooks.get(tx, SITE, 1)) == webhook()
    other = webhook(
        2, types=("alert.raised",), sealed_old_secret=b"old", old_secret_until=NOW + 1, description="é"
    )
    await there.write(lambda tx: webhooks.add(tx, other))
    assert list(await there.read(lambda tx: webhooks.page(tx, SITE, 1, 5))) == [other]
    changed = webhook(2, state=WebhookState.PAUSED, paused_at=NOW, failing_since=NOW, last_error="no")
    await there.write(lambda tx: webhooks.save(tx, changed))
    assert await there.read(lambda tx: webhooks.get(tx, SITE, 2)) == changed
    await there.write(lambda tx: webhooks.delete(tx, SITE, 2))
    assert await there.read(lambda tx: webhooks.count(tx, SITE)) == 1
    for missing in (webhooks.get, webhooks.delete):
        with pytest.raises(NotFound):
            await there.write(lambda tx, missing=missing: missing(tx, SITE, 2))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await there.write(lambda tx: webhooks.save(tx, changed))


async def test_nothing_is_written_for_a_site_that_wants_none_of_it(there: Database) -> None:
    await add_site(there, 12)
    await there.write(lambda tx: webhooks.save(tx, webhook(types=("alert.ended",))))
    await there.write(lambda tx: outbox.add(tx, 12, "alert.ended", ["{}"], NOW))
    await there.write(lambda tx: outbox.add(tx, SITE, "alert.raised", ["{}"], NOW))
    await add_sending(there)
    await there.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(1), NOW))
    assert await told(there) == []
    await there.write(lambda tx: outbox.add(tx, SITE, "alert.ended", ["{}", '{"x":1}'], NOW))
    assert await told(there) == [("alert.ended", {}), ("alert.ended", {"x": 1})]
    assert await there.read(outbox.wanted) == {SITE: frozenset({"alert.ended"})}


async def test_every_change_of_a_messages_state_is_told_once(there: Database) -> None:
    sending, paused = MessageState.SENDING, MessageState.PAUSED
    await add_sending(there)
    for before, after, reason in (
        (sending, paused, "by an admin"),
        (paused, sending, None),
        (sending, MessageState.SENT, None),
        (sending, MessageState.SENT, "too late"),  # it is not sending any more
    ):
        await there.write(
            lambda tx, b=before, a=after, r=reason: messages.transition(tx, MESSAGE, {b}, a, r, NOW + 5)  # type: ignore[misc]
        )
    found = await told(there)
    assert [type for type, _ in found] == [
        "message.started",
        "message.paused",
        "message.resumed",
        "message.sent",
    ]
    assert found[1][1] == {
        "message_id": MESSAGE,
        "kind": "once",
        "state": "paused",
        "reason": "by an admin",
        "audience": None,
    }
    rows = await there.read(lambda tx: outbox.waiting(tx, 10))
    assert [row.at for row in rows] == [NOW, None, None, NOW + 5]


async def test_tests_of_messages_are_not_told(there: Database) -> None:
    await add_sending(there, kind=MessageKind.TEST)
    assert await told(there) == []


async def test_what_is_rolled_back_is_not_told(there: Database) -> None:
    async def fail(tx: Transaction) -> None:
        await messages.start(tx, MESSAGE, NOW, 2**62)
        raise ValueError("no")

    await there.write(lambda tx: messages.add(tx, message()))
    with pytest.raises(ValueError, match="no"):
        await there.write(fail)
    assert await told(there) == []


async def test_subscriptions_that_come_end_and_come_back_are_told_without_personal_data(
    there: Database,
) -> None:
    new = new_subscription(1, external_id="somebody")
    await there.write(lambda tx: subscriptions.register(tx, SITE, 1, new, NOW))
    await there.write(lambda tx: subscriptions.register(tx, SITE, 2, new, NOW + 1))  # refreshed
    await there.write(lambda tx: subscriptions.gone(tx, [Gone(SITE, 1, new.endpoint, NOW + 2)]))
    await there.write(lambda tx: subscriptions.gone(tx, [Gone(SITE, 1, new.endpoint, NOW + 3)]))
    await there.write(lambda tx: subscriptions.register(tx, SITE, 3, new, NOW + 4))
    await there.write(lambda tx: subscriptions.end(tx, SITE, 1, SubscriptionState.UNSUBSCRIBED, NOW + 5))
    one = {"subscription_id": 1, "provider": "fcm"}
    assert await told(there) == [
        ("subscription.created", {**one, "again": False}),
        ("subscription.ended", {**one, "reason": "gone"}),
        ("subscription.created", {**one, "again": True}),
        ("subscription.ended", {**one, "reason": "unsubscribed"}),
    ]


async def test_pushes_that_failed_are_told_once_each_in_one_row(there: Database) -> None:
    await add_sending(there)
    results: Sequence[Result] = [
        result(1),
        result(2, outcome=Outcome.GONE, code=410),
        result(3, outcome=Outcome.REJECTED, code=400, reason="bad"),
        result(3, outcome=Outcome.REJECTED, code=400, reason="bad"),
        result(4, outcome=None, code=503),
    ]
    wanted = {SITE: frozenset({"push.failed"})}

    async def body(tx: Transaction) -> None:
        changed = await deliveries.record(tx, results)
        await tell_of_pushes(tx, results, changed, wanted)

    before = len(await told(there))
    await there.write(body)
    await there.write(body)  # a flush that is repeated changes nothing and tells nothing
    rows = await there.read(lambda tx: outbox.waiting(tx, 10))
    assert [row.type for row in rows[before:]] == ["push.failed"]
    found = (await told(there))[before:]
    assert [(fact["subscription_id"], fact["outcome"], fact["status"]) for _, fact in found] == [
        (2, "gone", 410),
        (3, "rejected", 400),
    ]


async def test_events_of_browsers_are_told_when_they_count(there: Database) -> None:
    await add_sending(there)
    await there.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(1), NOW))
    seen = Event(SITE, MESSAGE, 1, 0, EventKind.DISPLAYED, None, NOW)
    clicked = Event(SITE, MESSAGE, 1, 0, EventKind.CLICKED, "buy", NOW + 7)
    wanted = {SITE: frozenset({"event.displayed", "event.clicked"})}

    async def body(tx: Transaction) -> None:
        stored = await events.record_first(tx, [seen, clicked])
        await tell_of_events(tx, stored, wanted)

    before = len(await told(there))
    await there.write(body)
    await there.write(body)
    found = (await told(there))[before:]
    assert [(type, fact["action"], fact["at"]) for type, fact in found] == [
        ("event.clicked", "buy", NOW + 7),
        ("event.displayed", None, NOW),
    ]


async def test_a_row_of_the_outbox_is_taken_once_and_its_id_never_comes_again(there: Database) -> None:
    async def add() -> Waiting:
        await there.write(lambda tx: outbox.add(tx, SITE, "alert.raised", ["{}"], NOW))
        [row] = await there.read(lambda tx: outbox.waiting(tx, 10))
        return row

    first = await add()
    assert await there.write(lambda tx: outbox.take(tx, [first.id]))
    assert not await there.write(lambda tx: outbox.take(tx, [first.id]))
    assert (await add()).id > first.id


async def test_many_facts_are_packed_into_few_rows(there: Database) -> None:
    facts = [f'{{"x":{number}}}' for number in range(1_100)]
    await there.write(lambda tx: outbox.add(tx, SITE, "push.failed", facts, NOW))
    rows = await there.read(lambda tx: outbox.waiting(tx, 10))
    assert [row.n for row in rows] == [500, 500, 100]
    assert [fact["x"] for _, fact in await told(there)] == list(range(1_100))
    for most, read in ((1_000, 2), (999, 1), (1, 1), (1_100, 3)):
        assert len(await there.read(lambda tx, most=most: outbox.waiting(tx, 10, most))) == read  # type: ignore[misc]
    assert len(await there.read(lambda tx: outbox.waiting(tx, 2))) == 2


async def test_a_delivery_is_in_one_hand_at_a_time_and_comes_back_when_the_lease_ends(
    there: Database,
) -> None:
    await make(there, 1, 2, 3)
    await make(there, 4, next_attempt_at=NOW + 1)
    assert await claim(there, "one", 2) == [1, 2]
    assert await claim(there, "two") == [3]
    assert await claim(there, "two") == []
    assert not await there.write(
        lambda tx: webhook_deliveries.end(tx, 1, "two", DeliveryState.DELIVERED, 200, None, NOW)
    )
    await there.write(lambda tx: webhook_deliveries.release(tx, "one"))
    assert await claim(there, "two") == [1, 2]
    expired = await there.write(lambda tx: webhook_deliveries.claim(tx, 1, "three", NOW + 1, -1, 10))
    assert [each.id for each in expired] == [4]  # with a lease that has ended already: a dead holder's
    assert await claim(there, "four", now=NOW + 1) == [4]


async def test_a_delivery_is_put_off_ended_and_replayed(there: Database) -> None:
    await make(there, 1)
    assert await claim(there) == [1]
    assert await there.write(lambda tx: webhook_deliveries.put_off(tx, 1, "one", 500, "No.", NOW + 9))
    assert await there.read(lambda tx: webhook_deliveries.get(tx, 1, 1)) == delivery(
        1, attempts=1, status=500, error="No.", next_attempt_at=NOW + 9
    )
    assert not await there.write(lambda tx: webhook_deliveries.replay(tx, 1, 1, NOW))
    assert await there.read(lambda tx: webhook_deliveries.oldest_pending(tx, [1])) == {1: NOW}
    assert await claim(there, now=NOW + 9) == [1]
    dead = DeliveryState.DEAD
    assert await there.write(lambda tx: webhook_deliveries.end(tx, 1, "one", dead, None, "Away.", NOW + 10))
    assert (await there.read(webhook_deliveries.summary)) == (0, None, 1)
    assert await there.read(lambda tx: webhook_deliveries.oldest_pending(tx, [1])) == {}
    assert await there.write(lambda tx: webhook_deliveries.replay_state(tx, 1, dead, NOW + 11)) == 1
    assert await there.read(webhook_deliveries.summary) == (1, NOW, 0)
    assert await claim(there, now=NOW + 11) == [1]


async def test_deliveries_are_listed_newest_first_and_by_state(there: Database) -> None:
    await make(there, 1, 3)
    await make(there, 2, state=DeliveryState.DEAD, ended_at=NOW, next_attempt_at=None)

    async def page(*args: Any) -> list[int]:
        return [each.id for each in await there.read(lambda tx: webhook_deliveries.page(tx, 1, *args))]

    assert await page() == [3, 2, 1]
    assert await page(3, 1) == [2]
    assert await page(None, 5, DeliveryState.PENDING) == [3, 1]
    assert await page(3, 5, DeliveryState.PENDING) == [1]


async def test_a_webhook_is_due_when_something_waits_that_nobody_has_in_hand(there: Database) -> None:
    async def due(now: int = NOW) -> list[int]:
        return [each.id for each in await there.read(lambda tx: webhooks.due(tx, now))]

    for id in (2, 3):
        await there.write(lambda tx, id=id: webhooks.add(tx, webhook(id)))  # type: ignore[misc]
        await make(there, 10 * id, webhook_id=id, next_attempt_at=NOW + id)
    assert await due() == []
    await make(there, 1)
    assert await due() == [1]
    assert await due(NOW + 3) == [1, 2, 3]
    await claim(there)
    assert await due(NOW + 3) == [2, 3]
    assert await there.write(lambda tx: webhooks.pause(tx, 2, "410", NOW))
    assert not await there.write(lambda tx: webhooks.pause(tx, 2, "410", NOW))
    assert await due(NOW + 3) == [3]
    await there.write(lambda tx: sites.delete(tx, SITE, NOW))
    assert await due(NOW + 3) == []


async def test_how_a_webhook_does_is_remembered(there: Database) -> None:
    async def shown() -> tuple[int | None, str | None]:
        found = await there.read(lambda tx: webhooks.get(tx, SITE, 1))
        return found.failing_since, found.last_error

    for error, at in (("No.", NOW), ("No.", NOW + 1), ("Away.", NOW + 2)):
        await there.write(lambda tx, e=error, at=at: webhooks.failed(tx, 1, e, at))  # type: ignore[misc]
    assert await shown() == (NOW, "Away.")
    await there.write(lambda tx: webhooks.works(tx, 1))
    assert await shown() == (None, None)


async def test_a_webhook_that_is_paused_for_long_collects_no_more(there: Database) -> None:
    await there.write(lambda tx: webhooks.save(tx, webhook(state=WebhookState.PAUSED, paused_at=NOW)))
    assert await there.write(lambda tx: webhooks.stop_collecting(tx, NOW)) == 0
    assert SITE in await there.read(outbox.wanted)
    assert await there.write(lambda tx: webhooks.stop_collecting(tx, NOW + 1)) == 1
    assert await there.read(outbox.wanted) == {}
    assert await there.write(lambda tx: webhooks.stop_collecting(tx, NOW + 1)) == 0
    await there.write(lambda tx: webhooks.save(tx, webhook()))
    assert SITE in await there.read(outbox.wanted)


async def test_what_was_dead_for_long_has_as_much_time_as_any_when_it_is_replayed(there: Database) -> None:
    await make(there, 1, state=DeliveryState.DEAD, created_at=NOW - 20 * DAY, ended_at=NOW - 18 * DAY)
    assert await there.write(lambda tx: webhook_deliveries.replay(tx, 1, 1, NOW))
    assert not await there.write(lambda tx: webhook_deliveries.give_up(tx, NOW - 7 * DAY, NOW, "Too old.", 9))
    later = NOW + 7 * DAY + 1
    assert await there.write(lambda tx: webhook_deliveries.give_up(tx, later - 7 * DAY, later, "Too old.", 9))


async def test_old_deliveries_are_given_up_and_forgotten_in_steps(there: Database) -> None:
    old = NOW - 8 * DAY
    await make(there, 1, 2, created_at=old, next_attempt_at=old)
    await make(there, 3)
    assert (
        await there.write(lambda tx: webhook_deliveries.give_up(tx, NOW - 7 * DAY, NOW, "Too old.", 1)) == 1
    )
    assert (
        await there.write(lambda tx: webhook_deliveries.give_up(tx, NOW - 7 * DAY, NOW, "Too old.", 9)) == 1
    )
    given_up = await there.read(lambda tx: webhook_deliveries.get(tx, 1, 2))
    assert (given_up.state, given_up.error, given_up.ended_at) == (DeliveryState.DEAD, "Too old.", NOW)
    for before, removed in ((NOW, 0), (NOW + 1, 2)):
        assert removed == await there.write(
            lambda tx, before=before: webhook_deliveries.forget(tx, DeliveryState.DEAD, before, 9)  # type: ignore[misc]
        )
    assert await there.write(lambda tx: webhook_deliveries.forget_of_deleted(tx, 9)) == 0
    await there.write(lambda tx: webhooks.delete(tx, SITE, 1))
    assert await there.write(lambda tx: webhook_deliveries.forget_of_deleted(tx, 9)) == 1


async def test_a_deleted_sites_webhooks_are_purged_and_want_nothing(there: Database) -> None:
    await make(there, 1)
    await there.write(lambda tx: outbox.add(tx, SITE, "alert.raised", ["{}"], NOW))
    assert await there.read(lambda tx: outbox.wanting(tx, [SITE]))
    await there.write(lambda tx: sites.delete(tx, SITE, NOW))
    assert await there.read(lambda tx: outbox.wanting(tx, [SITE])) == {}
    while await there.write(lambda tx: sites.purge_step(tx, 10)):
        pass
    assert await told(there) == []
    assert await there.read(outbox.wanted) == {}
    assert await there.read(webhook_deliveries.summary) == (0, None, 0)
