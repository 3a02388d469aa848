"""Everybody's best hour is frozen when the message starts, and stays what it was whatever happens then."""

from collections.abc import Sequence

from gateway.audience import AudienceSpec
from gateway.campaigns.best_hour import SLOTS, BestHour
from gateway.campaigns.plan import Timetable
from gateway.campaigns.rules import Rules, write_rules
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.learner import Learner
from gateway.scheduler.source import hours_of_sites
from gateway.scheduler.starter import Starter
from storage import batches, events, messages
from storage.activity import hour_of_day
from storage.batches import unpack
from storage.events import Event, EventKind
from tests.unit.installation import Installation

HOUR = 3_600_000
RULES = write_rules(Rules(best_hour=BestHour(24)))


async def clicked(installation: Installation, ids: Sequence[int], at: int) -> None:
    clicks = [Event(installation.site.id, 1, id, 0, EventKind.CLICKED, None, at) for id in ids]
    await installation.database.write(lambda tx: events.record(tx, clicks))
    assert await Learner(installation.context).step() is False


async def due_times(installation: Installation) -> dict[int, int]:
    """By subscription. The clock is a day further then."""
    due: dict[int, int] = {}
    installation.clock.advance(25 * 3_600)
    claimed = await installation.database.write(
        lambda tx: batches.claim(tx, "test", installation.clock.now(), 1_000, 10_000)
    )
    for batch in claimed:
        assert batch.due_at is not None
        due.update(dict.fromkeys(unpack(batch.members), batch.due_at))
    return due


async def test_each_gets_their_own_hour_the_others_that_of_the_site(installation: Installation) -> None:
    start = installation.clock.now()
    owls = await installation.subscribe(40, timezone="Europe/Berlin")
    larks = await installation.subscribe(60, timezone="Asia/Kolkata")
    unknown = await installation.subscribe(30, timezone="America/New_York")
    await clicked(installation, owls, start - 3 * HOUR)  # 22:00 in Berlin
    await clicked(installation, larks, start - 48 * HOUR + 2 * HOUR)  # 07:30 in Calcutta
    message = await installation.add_message(rules=RULES)
    await Starter(installation.context, Metrics()).step()
    await Freezer(installation.context, Metrics()).step()
    due = await due_times(installation)
    assert len(due) == 130
    assert {hour_of_day(due[id], "Europe/Berlin") for id in owls} == {22}
    assert {hour_of_day(due[id], "Asia/Kolkata") for id in larks} == {7}
    assert {hour_of_day(due[id], "America/New_York") for id in unknown} == {7}
    assert all(start <= at < start + 24 * HOUR for at in due.values())
    assert SLOTS // 2 < len({due[id] for id in larks}) <= SLOTS
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.remaining) == (130, 130)


async def test_a_site_of_which_nothing_is_known_sends_at_once(installation: Installation) -> None:
    start = installation.clock.now()
    ids = await installation.subscribe(5, timezone="Europe/Berlin")
    await installation.add_message(AudienceSpec(subscriptions=tuple(ids)), rules=RULES)
    await Starter(installation.context, Metrics()).step()
    assert await due_times(installation) == dict.fromkeys(ids, start)


async def test_a_restart_in_the_middle_of_freezing_changes_nobodys_time(installation: Installation) -> None:
    ids = await installation.subscribe(60, timezone="Europe/Berlin")
    await clicked(installation, ids, installation.clock.now() - 3 * HOUR)
    message = await installation.add_message(rules=RULES)
    await Starter(installation.context, Metrics()).step()
    # As if the process had ended after one step of seven, and the next had come up two hours later.
    first = Freezer(installation.context, Metrics(), step=9)
    stored = await installation.message(message.id)
    assert stored.frozen_at is None
    started_at = stored.started_at
    await _one_step(first, installation, message.id)
    assert (await installation.message(message.id)).judged == 9
    installation.clock.advance(2 * 3_600)
    while await Freezer(installation.context, Metrics(), step=9).step():
        pass
    due = await due_times(installation)
    assert len(due) == 60
    assert started_at is not None
    assert {hour_of_day(at, "Europe/Berlin") for at in due.values()} == {22}
    assert {(at - started_at) // HOUR for at in due.values()} == {21}


async def _one_step(freezer: Freezer, installation: Installation, message_id: int) -> None:

    message = (await installation.database.read(lambda tx: messages.by_ids(tx, [message_id])))[message_id]
    hours = await installation.database.read(
        lambda tx: hours_of_sites(tx, [message], installation.clock.now())
    )
    timetable = Timetable.of(message, installation.site, hours[installation.site.id])
    step = await freezer._read(timetable, message.freeze_cursor)
    assert await freezer._write(timetable, message.freeze_cursor, step, None)
