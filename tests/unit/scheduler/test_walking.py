"""Visitors walk through automations: every step once, at its time, however the scheduler fares."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.automations import get_automation
from gateway.campaigns.best_hour import BestHour
from gateway.enrolment import end_own
from gateway.metrics import Metrics
from gateway.scheduler import walker as walking
from gateway.scheduler.walker import Walker
from storage import automations, batches, deliveries, rollups, site_hours, sites, subscriptions
from storage.activity import period_of
from storage.automations import AutomationState, Entry
from storage.batches import unpack
from storage.database import Database, Transaction
from storage.deliveries import Outcome, Result
from storage.messages import MessageState
from storage.queries import Query
from storage.rollups import Rollup
from storage.subscriptions import SubscriptionState
from tests.fakes.flaky_database import FlakyDatabase
from tests.unit.installation import Installation
from tests.unit.scheduler.walking import BATCHES, Automated, automate, step
from tests.unit.sending import finish


class Killed(Exception):
    pass


class DyingDatabase(FlakyDatabase):
    """The process dies with the `last` write: before it is committed, or right after."""

    def __init__(self, database: Database, last: int, *, committed: bool) -> None:
        super().__init__(database)
        self._last = last
        self._committed = committed

    async def write(self, body: Any) -> Any:
        if self.writes >= self._last and not self._committed:
            raise Killed
        result = await super().write(body)
        if self.writes > self._last:
            raise Killed
        return result


async def run(walker: Walker) -> None:
    while await walker.step():
        pass


async def crowd(installation: Installation, automated: Automated, count: int) -> list[int]:
    """Visitors who had a cart a moment ago."""
    ids = await installation.subscribe(count)
    entry = Entry(automated.made.automation.id, installation.clock.now(), again=True)
    for start in range(0, count, 1_000):
        part = ids[start : start + 1_000]

        async def body(tx: Transaction, part: list[int] = part) -> None:
            for id in part:
                await automations.enter(tx, installation.site.id, [id], [entry])

        await installation.database.write(body)
    return ids


async def test_each_step_comes_its_time_after_the_one_before(installation: Installation) -> None:
    [ann] = await installation.subscribe(1)
    automated = await automate(installation, step(60), step(0), step(3_600))
    await automated.happens(ann, "cart")
    await automated.walk()
    assert await automated.got() == {}

    installation.clock.advance(60)
    await automated.walk()
    assert await automated.got() == {ann: [0, 1]}
    installation.clock.advance(3_599)
    await automated.walk()
    assert await automated.got() == {ann: [0, 1]}
    installation.clock.advance(1)
    await automated.walk()
    assert await automated.got() == {ann: [0, 1, 2]}
    assert await automated.waiting() == 0


async def test_after_a_long_standstill_nobody_gets_all_steps_at_once(installation: Installation) -> None:
    [ann] = await installation.subscribe(1)
    automated = await automate(installation, step(60), step(3_600))
    await automated.happens(ann, "cart")
    installation.clock.advance(86_400)  # no scheduler all day

    await automated.walk()
    assert await automated.got() == {ann: [0]}
    installation.clock.advance(3_599)
    await automated.walk()
    assert await automated.got() == {ann: [0]}


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("last", [0, 1, 3])
async def test_a_scheduler_that_is_killed_leaves_nobody_out_and_sends_nothing_twice(
    installation: Installation, last: int, committed: bool
) -> None:
    automated = await automate(installation, step(0), step(60))
    ids = await crowd(installation, automated, 500)
    dying = DyingDatabase(installation.database, last, committed=committed)
    doomed = replace(installation.context, database=dying)
    with pytest.raises(Killed):
        await run(Walker(doomed, Metrics(), page=100))
    await automated.walk()
    assert await automated.got() == {id: [0] for id in ids}

    installation.clock.advance(60)
    await automated.walk()
    assert await automated.got() == {id: [0, 1] for id in ids}


async def test_walkers_that_race_send_nothing_twice(installation: Installation) -> None:
    automated = await automate(installation, step(0), step(0), step(60))
    ids = await crowd(installation, automated, 700)
    await asyncio.gather(automated.walk(90), automated.walk(70), automated.walk(110))
    await automated.walk()
    assert await automated.got() == {id: [0, 1] for id in ids}
    for message_id in automated.messages:
        progress = await installation.progress(message_id)
        assert progress is not None
        assert progress.audience == (0 if message_id == automated.messages[2] else 700)


async def test_who_buys_while_a_page_is_made_is_not_on_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    automated = await automate(installation, step(0), step(60))
    ids = await crowd(installation, automated, 20)
    buyers = ids[5:8]
    judge = Walker._judge
    left = list(buyers)

    def buy_then_judge(self: Walker, *arguments: Any) -> Any:
        work = judge(self, *arguments)
        if left:
            bought.append(asyncio.ensure_future(automated.happens(left.pop(), "purchase")))
        return work

    bought: list[asyncio.Future[None]] = []
    monkeypatch.setattr(Walker, "_judge", buy_then_judge)
    write = installation.database.write

    async def write_after(body: Any) -> Any:
        if bought and asyncio.current_task() not in bought:
            await asyncio.gather(*bought)
        return await write(body)

    monkeypatch.setattr(installation.database, "write", write_after)
    await automated.walk()
    assert await automated.got() == {id: [0] for id in ids if id not in buyers}
    assert await automated.waiting() == len(ids) - len(buyers)


async def test_who_cannot_be_sent_to_leaves(installation: Installation) -> None:
    automated = await automate(installation, step(0), step(60))
    gone, erased, ann = await crowd(installation, automated, 3)
    site_id, now = installation.site.id, installation.clock.now()
    await installation.database.write(
        lambda tx: subscriptions.end(tx, site_id, gone, SubscriptionState.GONE, now)
    )
    await installation.database.write(lambda tx: subscriptions.erase(tx, site_id, erased, now))
    await automated.walk()
    assert await automated.got() == {ann: [0]}
    assert await automated.waiting() == 1
    progress = await installation.progress(automated.messages[0])
    assert progress is not None
    assert progress.audience == 1


async def due_times(installation: Installation, automated: Automated) -> dict[int, list[float]]:
    """By step: in how many hours from midnight its batches are due."""
    rows = await installation.database.read(lambda tx: tx.fetch(BATCHES))
    found: dict[int, list[float]] = {}
    for message_id, _, due_at in rows:
        hours = due_at % 86_400_000 / 3_600_000
        found.setdefault(automated.messages.index(message_id), []).append(hours)
    return found


async def test_quiet_hours_hold_a_step_and_the_next_one_counts_from_their_end(
    installation: Installation,
) -> None:
    quiet = replace(installation.site, settings='{"quiet_hours":{"from":"21:00","to":"07:00","zone":"site"}}')
    await installation.database.write(lambda tx: sites.update(tx, quiet))
    automated = await automate(installation, step(0), step(3_600))
    [ann] = await crowd(installation, automated, 1)  # at midnight
    await automated.walk()
    assert await due_times(installation, automated) == {0: [7.0]}

    installation.clock.advance(8 * 3_600 - 1)
    await automated.walk()
    assert await automated.got() == {ann: [0]}
    installation.clock.advance(1)
    await automated.walk()
    assert await due_times(installation, automated) == {0: [7.0], 1: [8.0]}


async def test_the_window_of_a_best_hour_is_each_visitors_own(installation: Installation) -> None:
    automated = await automate(installation, step(0, best_hour=BestHour(within_hours=24)))
    installation.clock.advance(30 * 86_400)  # the automation is a month old
    nine = {(installation.site.id, 9, period_of(installation.clock.now())): 50}
    await installation.database.write(lambda tx: site_hours.add_many(tx, nine))
    await crowd(installation, automated, 1)
    await automated.walk()
    [[hour]] = (await due_times(installation, automated)).values()
    assert 9 <= hour < 10


async def test_a_paused_automation_stands_still_and_goes_on(installation: Installation) -> None:
    automated = await automate(installation, step(60), step(60))
    ann, bob, cay = await installation.subscribe(3)
    await automated.happens(ann, "cart")
    await automated.happens(bob, "cart")
    await automated.change(state=AutomationState.PAUSED)
    await automated.happens(cay, "cart")
    await automated.happens(bob, "purchase")
    installation.clock.advance(600)
    await automated.walk()
    assert await automated.got() == {}

    await automated.change(state=AutomationState.ACTIVE)
    await automated.walk()
    assert await automated.got() == {ann: [0]}
    assert await automated.waiting() == 1


async def test_a_large_automation_holds_up_no_other(installation: Installation) -> None:
    large = await automate(installation, step(0), step(0), step(0))
    await crowd(installation, large, 1_000)
    small = await automate(installation, step(0))
    await crowd(installation, small, 1)
    await Walker(installation.context, Metrics(), page=50).step()

    rows = await installation.database.read(
        lambda tx: automations.due_places(tx, small.made.automation.id, installation.clock.now(), 10)
    )
    assert rows == []
    assert await large.waiting() == 1_000
    progress = await installation.progress(small.messages[0])
    assert progress is not None
    assert progress.audience == 1


async def test_more_automations_than_one_look_finds_have_all_their_turn(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "LOOK_AT", 2)
    every = [await automate(installation, step(0)) for _ in range(5)]
    for each in every:
        await crowd(installation, each, 30)
    walker = Walker(installation.context, Metrics(), page=10)
    for _ in range(4):  # two at a time, and back to the first
        await walker.step()
    for each in every:
        progress = await installation.progress(each.messages[0])
        assert progress is not None
        assert progress.audience >= 10
    await every[0].walk()
    assert [await each.waiting() for each in every] == [0] * 5


async def test_progress_of_a_step_adds_up_while_visitors_come_and_go(installation: Installation) -> None:
    automated = await automate(installation, step(0))
    [message_id] = automated.messages
    for wave in (3, 4):
        await crowd(installation, automated, wave)
        await automated.walk()
        stored = await installation.message(message_id)
        assert stored.state is MessageState.SENDING
        progress = await installation.progress(message_id)
        assert progress is not None
        assert progress.remaining == wave
        await installation.database.write(lambda tx: batches.drop_untouched(tx, message_id))
        # As if it had been sent: only the counters move.
        moved = Rollup(installation.site.id, message_id, 0, "fcm", installation.clock.now(), "accepted", wave)
        await installation.database.write(lambda tx, moved=moved: rollups.add_many(tx, [moved]))  # type: ignore[misc]
        await finish(installation)
        assert (await installation.message(message_id)).state is MessageState.OPEN
    progress = await installation.progress(message_id)
    assert progress is not None
    assert (progress.audience, progress.accepted, progress.remaining) == (7, 7, 0)


async def test_who_comes_back_months_later_gets_each_step_again(installation: Installation) -> None:
    [ann, bob] = await installation.subscribe(2)
    automated = await automate(installation, step(60), step(60))
    for _ in range(3):
        await automated.happens(ann, "cart")
        for _ in range(2):
            installation.clock.advance(60)
            await automated.walk()
            await send_all(installation)
        installation.clock.advance(90 * 86_400)
    await automated.happens(bob, "cart")
    await automated.happens(bob, "purchase")
    await automated.happens(bob, "cart")  # nothing was sent before: the same round
    installation.clock.advance(60)
    await automated.walk()
    await send_all(installation)
    await finish(installation)

    rounds = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert await automated.got_in_rounds() == {ann: rounds, bob: [(0, 0)]}
    await outcomes_add_up(automated)
    seen = await get_automation(installation.context, installation.site.id, automated.made.automation.id)
    assert [(each.progress.audience, each.progress.accepted, each.rounds) for each in seen.totals] == [
        (4, 4, 3),
        (3, 3, 3),
    ]


async def test_rounds_made_by_walkers_that_race_are_made_once(installation: Installation) -> None:
    automated = await automate(installation, step(0))
    ids = await crowd(installation, automated, 300)
    await automated.walk()
    entry = Entry(automated.made.automation.id, installation.clock.now(), again=True)
    await installation.database.write(lambda tx: automations.enter(tx, installation.site.id, ids, [entry]))
    await asyncio.gather(automated.walk(90), automated.walk(70), automated.walk(110))
    assert await automated.got_in_rounds() == {id: [(0, 0), (1, 0)] for id in ids}
    assert sorted((await automated.everything()).values()) == [(0, 0), (1, 0)]


async def test_a_pause_and_a_deletion_reach_what_was_replaced_and_every_round(
    installation: Installation,
) -> None:
    automated = await automate(installation, step(0))
    ids = await crowd(installation, automated, 2)
    await automated.walk()
    entry = Entry(automated.made.automation.id, installation.clock.now(), again=True)
    await installation.database.write(
        lambda tx: automations.enter(tx, installation.site.id, ids[:1], [entry])
    )
    await automated.walk()
    await automated.change(steps=[step(0, "Other")])
    await crowd(installation, automated, 1)
    await automated.walk()
    everything = await automated.everything()
    assert len(everything) == 3

    async def states() -> set[MessageState]:
        return {(await installation.message(id)).state for id in everything}

    assert await states() == {MessageState.SENDING}
    await automated.change(state=AutomationState.PAUSED)
    assert await states() == {MessageState.PAUSED}
    await automated.change(state=AutomationState.ACTIVE)
    assert await states() == {MessageState.SENDING}
    await automated.change(state=AutomationState.PAUSED)
    await automated.delete()
    assert await states() == {MessageState.CANCELLED}
    await finish(installation)
    for id in everything:
        progress = await installation.progress(id)
        assert progress is not None
        assert progress.skips == {"cancelled": progress.audience}


async def break_rules(installation: Installation, message_id: int, rules: str) -> None:
    text = f"update messages set rules = '{rules}' where id = {message_id}"
    await installation.database.write(lambda tx: tx.execute(Query("test.break", text, text)))


async def test_a_step_that_cannot_be_made_holds_up_nobody_else_and_is_made_later(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    automated = await automate(installation, step(0), step(60))
    first = await crowd(installation, automated, 30)
    await automated.walk()
    installation.clock.advance(60)
    second = await crowd(installation, automated, 20)
    await break_rules(installation, automated.messages[1], '{"variants":7}')
    await automated.walk(10)  # the pages of those who are due first are all of the broken step
    assert await automated.got() == {id: [0] for id in first + second}
    told = [record.__dict__["fields"] for record in caplog.records if record.msg == "message.failed"]
    assert told == [{"message_id": automated.messages[1]}]

    await break_rules(installation, automated.messages[1], "{}")
    installation.clock.advance(walking.TRY_AGAIN // 1_000)
    await automated.walk()
    assert await automated.got() == {id: [0, 1] for id in first + second}


async def test_an_automation_that_cannot_be_read_stops_no_other(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = [await automate(installation, step(0)) for _ in range(2)]
    for each in (broken, sound):
        await crowd(installation, each, 2)
    id, definition = broken.made.automation.id, broken.made.automation.definition

    async def store(definition: str) -> None:
        text = f"update automations set definition = '{definition}' where id = {id}"
        await installation.database.write(lambda tx: tx.execute(Query("test.break", text, text)))

    await store("[]")
    walker = Walker(installation.context, Metrics())
    for _ in range(3):
        await run(walker)
    assert (await broken.waiting(), await sound.waiting()) == (2, 0)
    assert [record.msg for record in caplog.records] == ["automation.failed"]
    await store(definition)
    await run(walker)
    assert await broken.waiting() == 0


AFTER = (60, 0, 300)  # seconds

visitors = st.integers(0, 2)
doing = st.one_of(
    st.tuples(st.just("cart"), visitors),
    st.tuples(st.sampled_from(["purchase", "purchase", "unsubscribe", "gone"]), visitors),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 60, 299, 300, 5_000])),
    st.tuples(st.just("walk"), st.integers(1, 5)),
    st.tuples(st.just("crash"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["send", "dying sender", "edit", "pause", "resume"]), st.just(0)),
)
# Alone they would seldom come to a second round.
reminded = visitors.map(lambda visitor: [("cart", visitor), ("wait", 60), ("walk", 2)])
doings = st.lists(st.one_of(doing.map(lambda one: [one]), reminded, reminded), min_size=5, max_size=25).map(
    lambda parts: [each for part in parts for each in part]
)


class Model:
    """What is promised, without databases: who stands where, and what each got in each round."""

    def __init__(self, once: bool, anew: bool) -> None:
        self.once, self.anew = once, anew
        self.now, self.active = 0, True
        self.places: dict[int, tuple[int, int, int]] = {}  # round, step, due at
        self.left: dict[int, tuple[int, int]] = {}  # who has been in it: round and step
        self.away: set[int] = set()
        self.got: dict[int, list[tuple[int, int]]] = {}

    def do(self, what: str, which: int) -> None:
        if what == "wait":
            self.now += which
        elif what in ("pause", "resume"):
            self.active = what == "resume"
        elif what in ("unsubscribe", "gone"):
            self.away.add(which)
            if what == "unsubscribe":
                self.leave(which)
        elif what == "purchase":
            self.leave(which)
        elif what == "cart":
            if self.anew and (not self.active or which in self.away or self.places.get(which, (0, 0))[1]):
                self.leave(which)
            if self.active and which not in self.away:
                self.enter(which)

    def leave(self, visitor: int) -> None:
        if visitor in self.places:
            number, step, _ = self.places.pop(visitor)
            self.left[visitor] = number, step

    def enter(self, visitor: int) -> None:
        if visitor in self.places:
            number, step, _ = self.places[visitor]
            if step:
                return
        elif visitor in self.left:
            if self.once:
                return
            number, step = self.left[visitor]
            number += step > 0
        else:
            number = 0
        self.places[visitor] = (number, 0, self.now + AFTER[0])

    def walk(self) -> None:
        while self.active and (due := [v for v, (_, _, at) in self.places.items() if at <= self.now]):
            for visitor in due:
                number, step, _ = self.places[visitor]
                if visitor not in self.away:
                    self.got.setdefault(visitor, []).append((number, step))
                    step += 1
                    self.places[visitor] = (number, step, self.now + AFTER[min(step, len(AFTER) - 1)])
                if visitor in self.away or step == len(AFTER):
                    self.leave(visitor)


@given(doings=doings, once=st.booleans(), anew=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_everybody_gets_what_the_model_says(
    installation: Installation, doings: list[tuple[str, int]], once: bool, anew: bool
) -> None:
    model = Model(once, anew)
    cancel_on = ("purchase", "cart") if anew else ("purchase",)
    automated = await automate(installation, *map(step, AFTER), once=once, cancel_on=cancel_on)
    try:
        last = [("walk", 2), ("resume", 0), ("wait", 10_000), ("walk", 3), ("send", 0)]
        await live(automated, model, [*doings, *last])
    finally:
        await automated.delete()


async def live(automated: Automated, model: Model, doings: list[tuple[str, int]]) -> None:
    installation = automated.installation
    ids = await installation.subscribe(3)
    for position, (what, which) in enumerate(doings):
        model.do(what, which)
        if what == "wait":
            installation.clock.advance(which)
        elif what == "walk":
            model.walk()
            await automated.walk(which)
        elif what == "crash":
            # A part of the walk may have been done. Go on at once: the model knows no half walks.
            model.walk()
            dying = DyingDatabase(installation.database, which, committed=bool(which % 2))
            with suppress(Killed):
                await Walker(replace(installation.context, database=dying), Metrics(), 2).step()
            await automated.walk()
        elif what in ("send", "dying sender"):
            await send_all(installation, dies=what == "dying sender")
        elif what == "edit":
            await automated.change(steps=[step(after, f"Edit {position}") for after in AFTER])
        elif what in ("pause", "resume"):
            state = AutomationState.PAUSED if what == "pause" else AutomationState.ACTIVE
            await automated.change(state=state)
        else:
            await befall(automated, ids[which], what)

    got = await automated.got_in_rounds()
    assert {ids.index(id): steps for id, steps in got.items()} == model.got
    assert await automated.waiting() == len(model.places)
    assert all(len(set(steps)) == len(steps) for steps in model.got.values())
    await finish(installation)
    await outcomes_add_up(automated)


async def outcomes_add_up(automated: Automated) -> None:
    """Each for whom a step was made has ended in one outcome, however often they were in it."""
    installation = automated.installation
    everything = await automated.everything()
    counted: Counter[int] = Counter()
    for message_id, (_, number) in everything.items():
        progress = await installation.progress(message_id)
        assert progress is not None
        assert progress.accepted + progress.skipped == progress.audience
        sent = [each for each in (await installation.deliveries(message_id)).values() if each.outcome]
        assert len([each for each in sent if each.outcome is Outcome.ACCEPTED]) == progress.accepted
        counted[number] += progress.audience
    made = Counter(number for steps in (await automated.got()).values() for number in steps)
    assert counted + Counter() == made


async def send_all(installation: Installation, *, dies: bool = False) -> None:
    """What senders do with all that is due. One that dies has recorded one batch, and not finished it."""
    now = installation.clock.now()
    while claimed := await installation.database.write(
        lambda tx: batches.claim(tx, "sender", now, 60_000, 1_000)
    ):
        results = [
            Result(
                batch.site_id, batch.message_id, id, batch.provider, 1, batch.variant, Outcome.ACCEPTED,
                None, 201, now,
            )
            for batch in (claimed[:1] if dies else claimed)
            for id in unpack(batch.members)
        ]  # fmt: skip
        await installation.database.write(lambda tx, results=results: deliveries.record(tx, results))  # type: ignore[misc]
        if dies:
            await installation.database.write(lambda tx: batches.release_owner(tx, "sender"))
            return
        done = [batch.id for batch in claimed]
        await installation.database.write(lambda tx, done=done: batches.finish_many(tx, done, "sender"))  # type: ignore[misc]


async def befall(automated: Automated, visitor: int, what: str) -> None:
    installation = automated.installation
    site_id, now = installation.site.id, installation.clock.now()
    if what == "unsubscribe":
        await end_own(installation.context, site_id, visitor)
    elif what == "gone":
        await installation.database.write(
            lambda tx: subscriptions.end(tx, site_id, visitor, SubscriptionState.GONE, now)
        )
    else:
        await automated.happens(visitor, what)
