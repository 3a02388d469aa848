"""What is kept of each recipient, for how long, and that nothing is lost of what it adds up to."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.campaigns.periods import StatsStep
from gateway.message_stats import message_stats
from gateway.retention import DAY, MARGIN
from gateway.scheduler.housekeeper import Housekeeper
from gateway.scheduler.remover import AT_ONCE, SWEEP_EVERY, Remover
from gateway.stats import Asked, site_stats
from storage import batches, deliveries, events, history, messages, removals
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.events import CustomEvent, Event, EventKind
from storage.messages import Message, MessageKind, MessageState
from storage.removals import ROWS, Raw
from tests.contract.rows import batch
from tests.unit.installation import Installation

KEPT = 90 * DAY


def keeping(installation: Installation, **days: Any) -> Remover:
    context = installation.context
    return Remover(replace(context, settings=replace(context.settings, **days)))


async def send(installation: Installation, recipients: int, message: Message | None = None) -> Message:
    """A message that has ended; everybody accepted and displayed it. Nobody of them is subscribed."""
    message = message or await installation.add_message()
    await record(installation, message, range(1, recipients + 1))
    now = installation.clock.now()
    await installation.database.write(lambda tx: messages.start(tx, message.id, now, 2**62))
    await installation.database.write(lambda tx: messages.frozen(tx, message.id, recipients, None, now))
    await end(installation, message)
    return message


async def end(installation: Installation, message: Message) -> None:
    now, going_on = installation.clock.now(), {MessageState.OPEN, MessageState.SENDING}
    await installation.database.write(
        lambda tx: messages.transition(tx, message.id, going_on, MessageState.SENT, None, now)
    )


async def record(installation: Installation, message: Message, ids: range, **changes: Any) -> None:
    now, site_id = installation.clock.now(), installation.site.id
    values: dict[str, Any] = {"provider": "fcm", "attempt": 1, "variant": 0, "reason": None, "code": 201}
    values |= {"outcome": Outcome.ACCEPTED, "at": now} | changes
    results = [Result(site_id=site_id, message_id=message.id, subscription_id=id, **values) for id in ids]
    displayed = [Event(site_id, message.id, id, 0, EventKind.DISPLAYED, None, now) for id in ids]
    await installation.database.write(lambda tx: deliveries.record(tx, results))
    await installation.database.write(lambda tx: events.record(tx, displayed))


async def left(installation: Installation, id: int) -> tuple[int, int]:
    """Deliveries and events of the subscription with this id."""
    site_id = installation.site.id
    delivered = await installation.database.read(lambda tx: history.deliveries_of(tx, site_id, id))
    reported = await installation.database.read(lambda tx: history.events_of(tx, site_id, id))
    return len(delivered), len(reported)


async def test_rows_are_removed_so_long_after_the_message_has_ended_and_what_they_add_up_to_stays(
    installation: Installation,
) -> None:
    message = await send(installation, 3)
    context, site_id = installation.context, installation.site.id
    year = Asked("2026-01-01", "2027-01-01", StatsStep.MONTH, "Europe/Berlin")
    before = await message_stats(context, site_id, message.id, Asked())
    of_site = await site_stats(context, site_id, year)
    assert of_site.total[:6] == [3, 0, 0, 0, 0, 3]
    assert of_site.messages == 1
    installation.clock.advance((KEPT + MARGIN) / 1_000)
    await keeping(installation).step()
    assert await left(installation, 1) == (1, 1)

    installation.clock.advance(1)
    removed = await keeping(installation).step()

    assert (removed["deliveries_removed"], removed["events_removed"]) == (3, 3)
    assert await left(installation, 1) == (0, 0)
    assert await message_stats(context, site_id, message.id, Asked()) == before
    assert await site_stats(context, site_id, year) == of_site
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted == 3


async def test_each_kind_is_kept_as_long_as_it_is_set(installation: Installation) -> None:
    await send(installation, 2)
    installation.clock.advance(10 * DAY / 1_000)
    assert await keeping(installation, keep_deliveries=0, keep_events=0).step() == {
        "deliveries_removed": 0,
        "events_removed": 0,
        "custom_events_removed": 0,
    }
    await keeping(installation, keep_deliveries=5, keep_events=0).step()
    assert await left(installation, 1) == (0, 1)
    await keeping(installation, keep_deliveries=5, keep_events=5).step()
    assert await left(installation, 1) == (0, 0)


async def test_no_transaction_removes_more_than_a_thousand_rows(installation: Installation) -> None:
    await send(installation, ROWS + 300)
    message = await send(installation, 50)
    installation.clock.advance((KEPT + DAY) / 1_000)
    before = installation.clock.now() - KEPT
    steps = []
    while (
        removed := await installation.database.write(lambda tx: removals.step(tx, Raw.DELIVERIES, before))
    ) is not None:
        steps.append(removed)
    assert max(steps) <= ROWS
    assert sum(steps) == ROWS + 350
    assert await installation.database.read(lambda tx: removals.begun(tx, Raw.DELIVERIES, message.id))
    assert not await installation.database.read(lambda tx: removals.begun(tx, Raw.EVENTS, message.id))


async def test_a_removal_that_was_cut_off_goes_on_where_it_was(installation: Installation) -> None:
    message = await send(installation, ROWS + 1)
    installation.clock.advance((KEPT + DAY) / 1_000)
    before = installation.clock.now() - KEPT
    for _ in range(2):  # the mark, and a part of the rows
        await installation.database.write(lambda tx: removals.step(tx, Raw.DELIVERIES, before))
    assert await installation.database.read(lambda tx: removals.begun(tx, Raw.DELIVERIES, message.id))
    assert (await keeping(installation).step())["deliveries_removed"] == 1


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_of_two_that_remove_the_slower_does_not_say_that_what_the_other_has_begun_is_done(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, clock = installation.database, installation.clock
    await send(installation, 3)
    clock.advance(DAY / 1_000)
    await send(installation, 5)
    clock.advance(KEPT / 1_000)

    async def step(days: int) -> int | None:
        before = clock.now() - KEPT + days * DAY
        return await database.write(lambda tx: removals.step(tx, Raw.DELIVERIES, before))

    async def marks(tx: Transaction, raw: Raw) -> tuple[int, int, int, int]:
        found = await original(tx, raw)
        if not others:
            others.append(None)
            others.extend([await step(0), await step(1)])  # it removes the three, and begins with the five
        return found

    others: list[int | None] = []
    original = removals._marks
    await step(0)  # from here on the three are to be removed
    monkeypatch.setattr(removals, "_marks", marks)
    await step(0)
    assert others == [None, 3, 0]

    while await step(1) is not None:
        pass
    assert await left(installation, 5) == (0, 1)


async def test_a_message_that_goes_on_keeps_its_rows(installation: Installation) -> None:
    message = await installation.add_message()
    await installation.database.write(
        lambda tx: messages.start(tx, message.id, installation.clock.now(), 2**62)
    )
    await record(installation, message, range(1, 3))
    installation.clock.advance(2 * KEPT / 1_000)
    await keeping(installation).step()
    assert await left(installation, 1) == (1, 1)


async def test_of_a_step_of_an_automation_rows_are_removed_as_they_grow_old(
    installation: Installation,
) -> None:
    step = await installation.add_message(kind=MessageKind.STEP, state=MessageState.OPEN)
    await record(installation, step, range(1, 4))
    await record(installation, step, range(4, 5), outcome=None, code=503)  # waits for another attempt
    installation.clock.advance((KEPT + DAY) / 1_000)
    await record(installation, step, range(5, 6))
    remover = keeping(installation)
    removed = await remover.step()
    assert (removed["deliveries_removed"], removed["events_removed"]) == (3, 4)
    assert await left(installation, 5) == (1, 1)
    open_ = await installation.deliveries(step.id)
    assert [id for id, delivery in open_.items() if delivery.outcome is None] == [4]
    assert "custom_events_removed" not in await remover.step()  # once a day
    installation.clock.advance(SWEEP_EVERY / 1_000)
    assert "custom_events_removed" in await remover.step()


async def test_who_was_sent_a_step_before_its_sender_died_is_not_sent_it_again_after_a_long_pause(
    installation: Installation,
) -> None:
    step = await installation.add_message(kind=MessageKind.STEP, state=MessageState.PAUSED)
    cut_off = batch(step.id, step.site_id, ids=(1, 2, 3), leases=1, created_at=installation.clock.now())
    await installation.database.write(lambda tx: batches.add_many(tx, [cut_off]))
    await record(installation, step, range(1, 3))
    installation.clock.advance((KEPT + DAY) / 1_000)

    await keeping(installation).step()

    waiting = await installation.database.read(
        lambda tx: deliveries.at_attempt(tx, step.site_id, step.id, [1, 2, 3], 1)
    )
    assert waiting == {3}


async def test_the_sites_own_events_are_removed_as_they_grow_old(installation: Installation) -> None:
    async def track(name: str) -> None:
        event = CustomEvent(
            installation.context.ids.next(), installation.site.id, 1, name, None, installation.clock.now()
        )
        await installation.database.write(lambda tx: events.track(tx, [event]))

    await track("old")
    installation.clock.advance((KEPT + DAY) / 1_000)
    await track("new")
    assert (await keeping(installation).step())["custom_events_removed"] == 1
    kept = await installation.database.read(
        lambda tx: events.custom_of_subscription(tx, installation.site.id, 1)
    )
    assert [event.name for event in kept] == ["new"]


async def test_thousands_of_messages_to_one_are_removed_together(installation: Installation) -> None:
    for _ in range(removals.MESSAGES + 5):
        await send(installation, 1)
    installation.clock.advance((KEPT + DAY) / 1_000)
    removed = await keeping(installation).step()
    assert removed["deliveries_removed"] == removals.MESSAGES + 5
    assert await left(installation, 1) == (0, 0)


async def test_the_housekeeper_does_it_and_goes_on_as_long_as_there_is_more(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.scheduler.remover.AT_ONCE", 2)
    assert AT_ONCE > 2
    await send(installation, ROWS + 2)
    installation.clock.advance((KEPT + DAY) / 1_000)
    housekeeper = Housekeeper(installation.context)
    assert await housekeeper.step() is True
    assert await left(installation, ROWS + 2) == (1, 1)
    assert await housekeeper.step() is True
    assert await left(installation, ROWS + 2) == (0, 0)
    assert await housekeeper.step() is False
