"""Automations and places, on both databases: who comes in, who moves on, and who is left."""

from typing import Any

import pytest

from storage import automations, batches, messages, rollups, sites, steps, subscriptions
from storage.automations import DELETED_KEPT, Automation, AutomationState, DuePlace, Entry, Move
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound
from storage.messages import MessageKind, MessageState
from storage.queries import Query
from storage.rollups import Rollup
from storage.subscriptions import SubscriptionState
from tests.contract.rows import MESSAGE, NOW, SITE, add_site, batch, message, new_subscription

AUTOMATION = 701
SECOND = MESSAGE + 1  # of the second round
ANN, BOB = 21, 22


def automation(id: int = AUTOMATION, **changes: Any) -> Automation:
    values: dict[str, Any] = {
        "id": id,
        "site_id": SITE,
        "name": "Welcome",
        "state": AutomationState.ACTIVE,
        "version": 1,
        "definition": "{}",
        "created_at": NOW,
        "changed_at": NOW,
    }
    return Automation(**{**values, **changes})


@pytest.fixture
async def there(database: Database) -> Database:
    await add_site(database)
    await database.write(lambda tx: automations.add(tx, automation()))
    return database


async def enter(database: Database, subscription_id: int, due_at: int, **changes: Any) -> None:
    entry = Entry(changes.pop("automation_id", AUTOMATION), due_at, changes.pop("again", True), **changes)
    await database.write(lambda tx: automations.enter(tx, SITE, [subscription_id], [entry]))


async def places(database: Database, id: int = AUTOMATION) -> list[DuePlace]:
    return list(await database.read(lambda tx: automations.due_places(tx, id, 2**60, 100)))


async def move(database: Database, *moves: Move) -> int:
    return await database.write(lambda tx: automations.move(tx, SITE, AUTOMATION, moves))


async def test_an_automation_is_stored_whole_and_found_by_its_site_only(there: Database) -> None:
    assert await there.read(lambda tx: automations.get(tx, SITE, AUTOMATION)) == automation()
    with pytest.raises(NotFound):
        await there.read(lambda tx: automations.get(tx, SITE + 1, AUTOMATION))
    await there.write(lambda tx: automations.add(tx, automation(AUTOMATION + 1)))
    pages = await there.read(lambda tx: automations.page(tx, SITE, None, 1))
    assert [each.id for each in pages] == [AUTOMATION + 1]
    pages = await there.read(lambda tx: automations.page(tx, SITE, AUTOMATION + 1))
    assert [each.id for each in pages] == [AUTOMATION]


async def test_a_change_counts_only_if_nobody_else_made_one(there: Database) -> None:
    renamed = automation(name="Hello")
    assert await there.write(lambda tx: automations.update(tx, renamed, NOW + 1))
    assert not await there.write(lambda tx: automations.update(tx, renamed, NOW + 2))
    stored = await there.read(lambda tx: automations.get(tx, SITE, AUTOMATION))
    assert (stored.name, stored.version, stored.changed_at) == ("Hello", 2, NOW + 1)


async def test_a_visitor_is_in_it_once_at_a_time_and_waits_from_the_last_that_brought_them_in(
    there: Database,
) -> None:
    await enter(there, ANN, NOW + 5)
    assert await places(there) == [DuePlace(ANN, 0, 0, NOW + 5)]
    for again in (True, False):
        await enter(there, ANN, NOW + 9, again=again)
        assert await places(there) == [DuePlace(ANN, 0, 0, NOW + 9)]
    assert await there.read(lambda tx: automations.waiting(tx, AUTOMATION, 10)) == 1


async def test_who_was_sent_a_step_goes_on_unless_they_are_to_begin_anew(there: Database) -> None:
    await enter(there, ANN, NOW)
    await move(there, Move(DuePlace(ANN, 0, 0, NOW), 1, NOW + 60))
    await enter(there, ANN, NOW + 9)
    assert await places(there) == [DuePlace(ANN, 0, 1, NOW + 60)]
    await enter(there, ANN, NOW + 9, anew=True)
    assert await places(there) == [DuePlace(ANN, 1, 0, NOW + 9)]
    await enter(there, ANN, NOW + 12, anew=True)
    assert await places(there) == [DuePlace(ANN, 1, 0, NOW + 12)]


async def test_who_may_come_in_once_only_leaves_for_good(there: Database) -> None:
    await enter(there, ANN, NOW)
    await move(there, Move(DuePlace(ANN, 0, 0, NOW), 1, NOW + 60))
    for _ in range(2):
        await enter(there, ANN, NOW + 9, again=False, anew=True)
        assert await places(there) == []


async def test_a_round_counts_once_something_was_sent_in_it(there: Database) -> None:
    await enter(there, ANN, NOW)
    assert await move(there, Move(DuePlace(ANN, 0, 0, NOW), 0, None)) == 1
    await enter(there, ANN, NOW + 1, again=False)
    assert await places(there) == []
    await enter(there, ANN, NOW + 1)
    assert await places(there) == [DuePlace(ANN, 0, 0, NOW + 1)]
    assert await move(there, Move(DuePlace(ANN, 0, 0, NOW + 1), 1, None)) == 1
    await enter(there, ANN, NOW + 2)
    assert await places(there) == [DuePlace(ANN, 1, 0, NOW + 2)]
    await there.write(lambda tx: automations.leave(tx, SITE, [ANN], [AUTOMATION]))
    await enter(there, ANN, NOW + 3)
    assert await places(there) == [DuePlace(ANN, 1, 0, NOW + 3)]


async def test_a_visitor_has_a_thousand_rounds_at_most(
    there: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automations, "MOST_ROUNDS", 2)
    for number in (0, 1):
        await enter(there, ANN, NOW + number)
        assert await move(there, Move(DuePlace(ANN, number, 0, NOW + number), 1, None)) == 1
    await enter(there, ANN, NOW + 2)
    await enter(there, ANN, NOW + 2, anew=True)
    assert await places(there) == []


async def test_many_come_in_at_once(there: Database) -> None:
    visitors = list(range(1_000, 0, -1))
    entries = [Entry(AUTOMATION, NOW, again=True), Entry(AUTOMATION + 1, NOW, again=True)]
    await there.write(lambda tx: automations.enter(tx, SITE, visitors, entries))
    assert await there.read(lambda tx: automations.waiting(tx, AUTOMATION, 10_000)) == 1_000


async def test_nobody_comes_into_one_that_is_paused_or_deleted(there: Database) -> None:
    for number, state in enumerate((AutomationState.PAUSED, AutomationState.DELETED), start=1):
        other = automation(AUTOMATION + number, state=state)
        await there.write(lambda tx, other=other: automations.add(tx, other))  # type: ignore[misc]
        await enter(there, ANN, NOW, automation_id=other.id)
        assert await places(there, other.id) == []


async def test_a_place_moves_only_from_where_it_was(there: Database) -> None:
    await enter(there, ANN, NOW)
    await enter(there, BOB, NOW + 1)
    wrong = [
        DuePlace(ANN, 0, 1, NOW),
        DuePlace(ANN, 0, 0, NOW - 1),
        DuePlace(ANN, 1, 0, NOW),
        DuePlace(23, 0, 0, NOW),
    ]
    assert await move(there, *(Move(place, 1, NOW + 50) for place in wrong)) == 0
    moved = [Move(DuePlace(BOB, 0, 0, NOW + 1), 1, NOW + 60), Move(DuePlace(ANN, 0, 0, NOW), 1, NOW + 50)]
    assert await move(there, *moved) == 2
    assert await move(there, *moved) == 0
    assert await places(there) == [DuePlace(ANN, 0, 1, NOW + 50), DuePlace(BOB, 0, 1, NOW + 60)]


async def test_who_leaves_is_not_due_any_more(there: Database) -> None:
    await there.write(lambda tx: automations.add(tx, automation(AUTOMATION + 1)))
    for id in (AUTOMATION, AUTOMATION + 1):
        for visitor in (ANN, BOB):
            await enter(there, visitor, NOW, automation_id=id)
    left = await there.write(lambda tx: automations.leave(tx, SITE, [ANN, 99], [AUTOMATION]))
    assert left == 1
    assert await places(there) == [DuePlace(BOB, 0, 0, NOW)]
    await there.write(lambda tx: automations.leave_all(tx, SITE, BOB))
    assert await places(there) == []
    assert await places(there, AUTOMATION + 1) == [DuePlace(ANN, 0, 0, NOW)]
    await there.write(lambda tx: automations.forget(tx, [(SITE, ANN), (SITE, 99)]))
    assert await places(there, AUTOMATION + 1) == []


async def test_who_is_erased_or_never_worked_leaves_no_place(there: Database) -> None:
    for id, new in ((ANN, new_subscription(1)), (BOB, new_subscription(2))):
        await there.write(lambda tx, id=id, new=new: subscriptions.register(tx, SITE, id, new, NOW))  # type: ignore[misc]
        await enter(there, id, NOW)
    await there.write(lambda tx: subscriptions.erase(tx, SITE, ANN, NOW))
    assert await places(there) == [DuePlace(BOB, 0, 0, NOW)]
    await there.write(lambda tx: subscriptions.end(tx, SITE, BOB, SubscriptionState.GONE, NOW))
    assert await there.write(lambda tx: subscriptions.forget_never_accepted(tx, NOW + 1)) == 1
    assert await places(there) == []


async def test_those_in_which_somebody_is_due_have_their_turn_one_after_the_other(there: Database) -> None:
    for number, state in (
        (1, AutomationState.ACTIVE),
        (2, AutomationState.ACTIVE),
        (3, AutomationState.ACTIVE),
    ):
        other = automation(AUTOMATION + number, state=state)
        await there.write(lambda tx, other=other: automations.add(tx, other))  # type: ignore[misc]
    await enter(there, ANN, NOW, automation_id=AUTOMATION)
    await enter(there, ANN, NOW + 1, automation_id=AUTOMATION + 1)
    await enter(there, ANN, NOW, automation_id=AUTOMATION + 2)
    await enter(there, ANN, NOW, automation_id=AUTOMATION + 3)
    paused = automation(AUTOMATION + 3, state=AutomationState.PAUSED)
    await there.write(lambda tx: automations.update(tx, paused, NOW))

    async def due(after: int, limit: int) -> list[int]:
        found = await there.read(lambda tx: automations.due(tx, NOW, after, limit))
        return [each.id - AUTOMATION for each in found]

    assert await due(0, 9) == [0, 2]
    assert await due(0, 1) == [0]
    assert await due(AUTOMATION, 9) == [2]


async def test_what_a_deleted_automation_leaves_is_purged_in_steps_and_not_at_once(there: Database) -> None:
    for visitor in range(1, 6):
        await enter(there, visitor, NOW)
    gone = automation(state=AutomationState.DELETED)
    await there.write(lambda tx: automations.update(tx, gone, NOW))
    with pytest.raises(NotFound):
        await there.read(lambda tx: automations.get(tx, SITE, AUTOMATION))

    async def purge(at: int) -> int:
        return await there.write(lambda tx: automations.purge_step(tx, at, 3))

    assert await purge(NOW + DELETED_KEPT - 1) == 0
    assert [await purge(NOW + DELETED_KEPT) for _ in range(4)] == [3, 2, 1, 0]


async def test_a_deleted_site_leaves_neither_automations_nor_places(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    await there.write(lambda tx: steps.add_round(tx, MESSAGE, 1, step_message(id=SECOND)))
    await enter(there, ANN, NOW)
    await there.write(lambda tx: sites.delete(tx, SITE, NOW))
    stopped = (await there.read(lambda tx: messages.by_ids(tx, [MESSAGE])))[MESSAGE]
    assert stopped.state is MessageState.CANCELLED
    assert await there.read(lambda tx: automations.due(tx, NOW, 0, 9)) == []
    while await there.write(lambda tx: sites.purge_step(tx, 1)):
        pass
    for table in ("automations", "automation_places", "automation_rounds", "messages"):
        query = Query("n", f"select count(*) from {table}", f"select count(*) from {table}")
        assert await there.read(lambda tx, query=query: tx.fetch_one(query)) == (0,)  # type: ignore[misc]


def step_message(**changes: Any) -> messages.Message:
    values = {
        "kind": MessageKind.STEP,
        "parent_id": AUTOMATION,
        "state": MessageState.OPEN,
        "started_at": NOW,
        "frozen_at": NOW,
        "audience": 0,
        "unknown": 0,
    }
    return message(**{**values, **changes})


async def stored_step(database: Database, id: int = MESSAGE) -> messages.Message:
    return (await database.read(lambda tx: messages.by_ids(tx, [id])))[id]


async def append(database: Database, ids: tuple[int, ...], message_id: int = MESSAGE) -> bool:
    async def body(tx: Transaction) -> bool:
        if not await steps.grow(tx, message_id, len(ids)):
            return False
        await batches.add_many(tx, [batch(id=message_id * 10, message_id=message_id, ids=ids)])
        return True

    return await database.write(body)


async def drop(database: Database) -> None:
    await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE))


async def finish(database: Database) -> list[int]:
    return list(await database.write(lambda tx: messages.finish_done(tx, NOW + 9)))


async def test_a_step_sends_while_it_has_batches_and_never_ends_by_itself(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    assert await finish(there) == []
    for audience in (3, 6):
        assert await append(there, (1, 2, 3))
        stored = await stored_step(there)
        assert (stored.state, stored.audience) == (MessageState.SENDING, audience)
        assert await finish(there) == []
        assert (await stored_step(there)).state is MessageState.SENDING
        await drop(there)
        assert await finish(there) == []
        stored = await stored_step(there)
        assert (stored.state, stored.ended_at) == (MessageState.OPEN, None)


async def test_a_step_that_is_closed_ends_with_its_last_batch(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    await append(there, (1, 2))
    await there.write(lambda tx: steps.close(tx, SITE, [MESSAGE], "closed", NOW + 5))
    assert not await append(there, (3,))
    assert await finish(there) == []
    assert (await stored_step(there)).audience == 2
    await drop(there)
    assert await finish(there) == [MESSAGE]
    stored = await stored_step(there)
    assert (stored.state, stored.ended_at) == (MessageState.SENT, NOW + 9)


async def test_a_step_for_which_nobody_waits_ends_at_once_when_it_is_closed(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    await there.write(lambda tx: steps.close(tx, SITE, [MESSAGE], "closed", NOW + 5))
    stored = await stored_step(there)
    assert (stored.state, stored.state_reason, stored.ended_at) == (MessageState.SENT, None, NOW + 5)


async def test_a_paused_step_is_cancelled_when_it_is_closed(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    await append(there, (1,))
    await there.write(lambda tx: steps.pause_all(tx, AUTOMATION, "paused"))
    await there.write(lambda tx: steps.close(tx, SITE, [MESSAGE], "closed", NOW + 5))
    stored = await stored_step(there)
    assert (stored.state, stored.state_reason, stored.ended_at) == (MessageState.CANCELLED, "closed", NOW + 5)


async def test_a_step_is_resumed_only_from_the_pause_that_it_was_in(there: Database) -> None:
    await there.write(lambda tx: messages.add(tx, step_message()))
    await there.write(lambda tx: steps.pause_all(tx, AUTOMATION, "paused"))
    assert (await stored_step(there)).state is MessageState.OPEN  # it has nothing to send
    await append(there, (1,))
    await there.write(lambda tx: steps.pause_all(tx, AUTOMATION, "paused"))
    await drop(there)
    assert await finish(there) == []
    assert (await stored_step(there)).state is MessageState.PAUSED
    await there.write(lambda tx: steps.resume_all(tx, AUTOMATION, "another reason", NOW))
    assert (await stored_step(there)).state is MessageState.PAUSED
    await there.write(lambda tx: steps.resume_all(tx, AUTOMATION, "paused", NOW))
    assert (await stored_step(there)).state is MessageState.SENDING


@pytest.fixture
async def rounds(there: Database) -> Database:
    """A step with two rounds, and one that was taken out of the automation while it sent."""
    await there.write(lambda tx: messages.add(tx, step_message()))
    await there.write(lambda tx: steps.add_round(tx, MESSAGE, 1, step_message(id=SECOND)))
    await there.write(lambda tx: messages.add(tx, step_message(id=REPLACED)))
    for id in (SECOND, REPLACED):
        await append(there, (1, 2), id)
    await there.write(lambda tx: steps.close(tx, SITE, [REPLACED], "replaced", NOW))
    return there


REPLACED = MESSAGE + 2


async def states(database: Database) -> list[str]:
    return [(await stored_step(database, id)).state.value for id in (MESSAGE, SECOND, REPLACED)]


async def test_each_round_of_a_step_has_one_message(rounds: Database) -> None:
    wanted = {(MESSAGE, 1), (MESSAGE, 2), (REPLACED, 1)}
    found = await rounds.read(lambda tx: steps.of_rounds(tx, SITE, wanted))
    assert found == {(MESSAGE, 1): SECOND}
    with pytest.raises(Conflict):
        await rounds.write(lambda tx: steps.add_round(tx, MESSAGE, 1, step_message(id=MESSAGE + 3)))
    assert await rounds.read(lambda tx: messages.by_ids(tx, [MESSAGE + 3])) == {}


async def test_a_pause_reaches_every_message_of_an_automation_and_so_does_its_end(rounds: Database) -> None:
    assert await states(rounds) == ["open", "sending", "sending"]
    await rounds.write(lambda tx: steps.pause_all(tx, AUTOMATION, "paused"))
    assert await states(rounds) == ["open", "paused", "paused"]
    await rounds.write(lambda tx: steps.resume_all(tx, AUTOMATION, "paused", NOW))
    assert await states(rounds) == ["open", "sending", "sending"]
    await rounds.write(lambda tx: steps.pause_all(tx, AUTOMATION + 1, "paused"))
    assert await states(rounds) == ["open", "sending", "sending"]

    await rounds.write(lambda tx: steps.pause_all(tx, AUTOMATION, "paused"))
    await rounds.write(lambda tx: steps.close_all(tx, AUTOMATION, "deleted", NOW + 5))
    assert await states(rounds) == ["sent", "cancelled", "cancelled"]
    for id in (SECOND, REPLACED):
        stored = await stored_step(rounds, id)
        assert (stored.state_reason, stored.ended_at) == ("deleted", NOW + 5)


async def test_what_is_on_its_way_is_sent_when_an_automation_ends_and_no_more(rounds: Database) -> None:
    await rounds.write(lambda tx: steps.close_all(tx, AUTOMATION, "deleted", NOW + 5))
    assert await states(rounds) == ["sent", "sending", "sending"]
    for id in (MESSAGE, SECOND, REPLACED):
        assert not await append(rounds, (3,), id)


async def test_a_step_is_closed_with_all_its_rounds(rounds: Database) -> None:
    await rounds.write(lambda tx: steps.close(tx, SITE, [MESSAGE], "replaced", NOW + 5))
    assert await states(rounds) == ["sent", "sending", "sending"]
    assert not await append(rounds, (3,), SECOND)


async def test_a_step_is_counted_over_all_its_rounds(rounds: Database) -> None:
    await append(rounds, (1, 2, 3))
    moved = [
        Rollup(SITE, id, 0, "fcm", NOW, kind, n)
        for id, kind, n in (
            (MESSAGE, "accepted", 2),
            (SECOND, "accepted", 1),
            (SECOND, "skipped:gone", 1),
            (SECOND, "clicked", 1),
        )
    ]
    await rounds.write(lambda tx: rollups.add_many(tx, moved))
    found = await rounds.read(lambda tx: steps.totals(tx, SITE, [MESSAGE, REPLACED]))
    progress, results, count = found[MESSAGE]
    assert (progress.audience, progress.accepted, progress.skips, progress.remaining) == (
        5,
        3,
        {"gone": 1},
        1,
    )
    assert (results.clicked, count) == (1, 2)
    assert (found[REPLACED].progress.audience, found[REPLACED].rounds) == (2, 1)


async def test_a_subscription_that_comes_back_says_so(there: Database) -> None:
    new = new_subscription(1)

    async def register(id: int) -> subscriptions.Registered:
        return await there.write(lambda tx: subscriptions.register(tx, SITE, id, new, NOW))

    assert await register(ANN) == subscriptions.Registered(ANN, created=True, revived=False)
    assert await register(BOB) == subscriptions.Registered(ANN, created=False, revived=False)
    for state in (SubscriptionState.GONE, SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED):
        await there.write(lambda tx, state=state: subscriptions.end(tx, SITE, ANN, state, NOW))  # type: ignore[misc]
        assert await register(BOB) == subscriptions.Registered(ANN, created=False, revived=True)
