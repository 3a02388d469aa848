"""The rest of a message waits for its first part: winners, roll-outs, and pauses by themselves."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import json

from gateway.campaigns.rules import Rules, write_rules
from gateway.scheduler.stager import AT_ONCE, Stager
from storage import batches, deliveries, events, messages, rollups, stages, throttles
from storage.batches import unpack
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.messages import Message, MessageState
from storage.queries import Query
from storage.stages import Stages
from storage.throttles import EVERY_PROVIDER
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.scheduler.test_scheduler import in_state, scheduler
from tests.unit.sending import expire_leases, finish, sender, start_due

HOUR = 3_600_000
AB = [{"name": "A", "weight": 50}, {"name": "B", "weight": 50, "notification": {"title": "Last hours"}}]
WINNER = {"sample": 50, "after": 3_600, "default": "A"}
ROLLOUT = {"first": 50, "after": 600, "max_failure_rate": 0.05, "max_close_rate": 0.5}

Shown = dict[int, list[int]]  # subscriptions by variant


def read(rules: dict[str, Any]) -> str:
    """As a message stores what a request asks for."""
    return write_rules(json.decode(json.encode(rules), type=Rules))


async def sending(installation: Installation, **rules: Any) -> Message:
    """A message with these rules, started and frozen."""
    message = await installation.add_message(rules=read(rules))
    await start_due(installation)
    return await installation.message(message.id)


async def look(installation: Installation, seconds: int = 0) -> None:
    """What the scheduler does after so many seconds."""
    installation.clock.advance(seconds)
    await Stager(installation.context).step()


async def send_due(
    installation: Installation,
    outcome_of: Callable[[int], Outcome | None] = lambda _: Outcome.ACCEPTED,
    most: int = 1_000,
) -> Shown:
    """What senders do with all that is due: who got which variant."""
    now, shown = installation.clock.now(), defaultdict(list)
    while claimed := await installation.database.write(
        lambda tx: batches.claim(tx, "sender", now, 60_000, most)
    ):
        results = [
            Result(
                batch.site_id, batch.message_id, id, batch.provider, batch.attempt, batch.variant,
                outcome_of(id), None, 201, now,
            )
            for batch in claimed
            for id in unpack(batch.members)
        ]  # fmt: skip
        again = [
            replace(batch, id=installation.context.ids.next(), attempt=batch.attempt + 1, due_at=now + HOUR)
            for batch in claimed
            if any(outcome_of(id) is None for id in unpack(batch.members))
        ]

        async def body(tx: Any, claimed: Any = claimed, results: Any = results, again: Any = again) -> None:
            await deliveries.record(tx, results)
            await batches.finish_many(tx, [batch.id for batch in claimed], "sender")
            await batches.add_many(tx, again)

        await installation.database.write(body)
        for result in results:
            shown[result.variant].append(result.subscription_id)
        if most < 1_000:
            break
    return shown


async def report(
    installation: Installation, message: Message, variant: int, ids: Sequence[int], kind: EventKind
) -> None:
    now = installation.clock.now()
    await installation.database.write(
        lambda tx: events.record(
            tx, [Event(message.site_id, message.id, id, variant, kind, None, now) for id in ids]
        )
    )


async def known(installation: Installation, message: Message) -> Stages:
    return (await installation.database.read(lambda tx: stages.by_messages(tx, [message.id])))[message.id]


async def state(installation: Installation, message: Message) -> tuple[MessageState, str | None]:
    now = await installation.message(message.id)
    return now.state, now.state_reason


async def test_variants_without_a_winner_go_to_everybody_at_once(installation: Installation) -> None:
    people = await installation.subscribe(600)
    message = await sending(installation, variants={"options": AB})

    shown = await send_due(installation)
    await finish(installation)

    assert sorted(shown[0] + shown[1]) == sorted(people)
    assert 220 <= len(shown[0]) <= 380
    assert (await installation.message(message.id)).state is MessageState.SENT
    assert {id: row.variant for id, row in (await installation.deliveries(message.id)).items()} == {
        id: variant for variant, ids in shown.items() for id in ids
    }


async def test_who_is_held_out_is_counted_and_gets_nothing(installation: Installation) -> None:
    await installation.subscribe(500)
    message = await sending(installation, variants={"options": AB, "holdout": 20})

    shown = await send_due(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.audience == 500
    assert 60 <= progress.skips["holdout"] <= 140
    assert progress.skips["holdout"] + len(shown[0]) + len(shown[1]) == 500


async def test_the_rest_gets_the_variant_that_was_clicked_more(installation: Installation) -> None:
    await installation.subscribe(500)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    sample = await send_due(installation)
    for variant, clicks in ((0, 5), (1, 40)):
        await report(installation, message, variant, sample[variant], EventKind.DISPLAYED)
        await report(installation, message, variant, sample[variant][:clicks], EventKind.CLICKED)

    await look(installation)
    await look(installation, 3_599)
    assert await send_due(installation) == {}
    await look(installation, 1)

    rest = await send_due(installation)
    assert set(rest) == {1}
    assert len(rest[1]) + len(sample[0]) + len(sample[1]) == 500
    assert (await installation.message(message.id)).winner == 1
    decision = (await known(installation, message)).decision
    assert decision is not None
    assert decision.startswith("B won: B was clicked by ")
    await finish(installation)
    assert await state(installation, message) == (MessageState.SENT, None)


@pytest.mark.parametrize(
    ("displays", "clicks", "why"),
    [
        (99, (0, 50), "A by default: A was displayed 99 times, and it takes 100"),
        (
            100,
            (10, 12),
            "A by default, the difference may be chance: B was clicked by 12 % of 100, A by 10 %",
        ),
    ],
)
async def test_without_a_winner_the_rest_gets_the_default(
    installation: Installation, displays: int, clicks: tuple[int, int], why: str
) -> None:
    await installation.subscribe(500)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    sample = await send_due(installation)
    for variant in (0, 1):
        await report(installation, message, variant, sample[variant][:displays], EventKind.DISPLAYED)
        await report(installation, message, variant, sample[variant][: clicks[variant]], EventKind.CLICKED)

    await look(installation)
    await look(installation, 3_600)

    assert set(await send_due(installation)) == {0}
    assert str((await known(installation, message)).decision).startswith(why)


async def test_enough_displays_decide_before_the_time_is_over(installation: Installation) -> None:
    await installation.subscribe(600)
    winner = {**WINNER, "displays": 220}
    message = await sending(installation, variants={"options": AB, "winner": winner})
    sample = await send_due(installation)
    await report(installation, message, 0, sample[0][:110], EventKind.DISPLAYED)
    await report(installation, message, 1, sample[1][:109], EventKind.DISPLAYED)
    await look(installation)
    assert await send_due(installation) == {}

    await report(installation, message, 1, sample[1][109:110], EventKind.DISPLAYED)
    await report(installation, message, 0, sample[0][:30], EventKind.CLICKED)
    await look(installation, 1)

    assert set(await send_due(installation)) == {0}


async def test_the_time_counts_from_when_the_sample_was_sent(installation: Installation) -> None:
    """Else a pause, quiet hours or a low rate would leave the choice to nobody."""
    await installation.subscribe(400)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    await look(installation, 7_200)
    assert (await known(installation, message)).tried_at is None

    await send_due(installation)
    await look(installation, 10)
    await look(installation, 3_599)
    assert await send_due(installation) == {}
    await look(installation, 1)
    assert await send_due(installation)


async def test_who_cannot_be_sent_to_for_now_is_not_waited_for(installation: Installation) -> None:
    await installation.subscribe(200)
    await installation.subscribe(100, "mozilla")
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    now = installation.clock.now()
    await installation.database.write(
        lambda tx: throttles.hold(tx, 0, "mozilla", throttles.FOR_GOOD, "breaker", now)
    )
    await look(installation)
    assert (await known(installation, message)).tried_at is None
    await send_due(installation)

    await look(installation, 1)

    assert (await known(installation, message)).tried_at == now + 1_000


@pytest.mark.parametrize("rules", [{"variants": {"options": AB, "winner": WINNER}}, {"rollout": ROLLOUT}])
async def test_while_nothing_at_all_can_be_sent_the_time_does_not_run(
    installation: Installation, rules: dict[str, Any]
) -> None:
    await installation.subscribe(1_200)
    now = installation.clock.now()
    await installation.database.write(
        lambda tx: throttles.hold(tx, 0, EVERY_PROVIDER, throttles.FOR_GOOD, "admin", now)
    )
    message = await sending(installation, **rules)
    await look(installation)
    await look(installation, 7_200)

    await installation.database.write(lambda tx: throttles.release(tx, 0, EVERY_PROVIDER))
    await send_due(installation, most=1)
    await look(installation, 1)

    found = await known(installation, message)
    assert (found.tried_at, found.released_at) == (None, None)


async def test_a_pause_before_the_decision_puts_it_off(installation: Installation) -> None:
    await installation.subscribe(300)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    await send_due(installation)
    await look(installation)
    await move(installation, message, MessageState.SENDING, MessageState.PAUSED)
    await look(installation, 4_000)
    assert (await known(installation, message)).released_at is None

    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    await look(installation, 5)

    assert set(await send_due(installation)) == {0}


async def move(
    installation: Installation, message: Message, before: MessageState, after: MessageState
) -> None:
    now = installation.clock.now()
    assert await installation.database.write(
        lambda tx: messages.transition(tx, message.id, {before}, after, None, now)
    )


async def test_a_cancelled_message_leaves_nobody_behind(installation: Installation) -> None:
    await installation.subscribe(300)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    sample = await send_due(installation)
    await move(installation, message, MessageState.SENDING, MessageState.CANCELLED)

    await finish(installation)
    await look(installation, 4_000)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.skips == {"cancelled": 300 - len(sample[0]) - len(sample[1])}
    assert progress.remaining == 0
    after = await known(installation, message)
    assert (after.look_at, after.released_at) == (None, None)


async def test_who_is_held_when_the_message_expires_counts_as_expired(installation: Installation) -> None:
    await installation.subscribe(300)
    rules = read({"rollout": {"first": 50, "then": "manual"}})
    message = await installation.add_message(rules=rules, expires_at=installation.clock.now() + HOUR)
    await start_due(installation)
    first = await send_due(installation)

    installation.clock.advance(3_600)
    await finish(installation)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.expired, progress.remaining) == (300 - len(first[0]), 0)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_a_scheduler_that_is_restarted_goes_on_where_the_other_stopped(
    installation: Installation,
) -> None:
    await installation.subscribe(400)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    await send_due(installation)
    await look(installation)  # `look` makes a new one each time: nothing is kept in memory

    await look(installation, 3_600)
    await look(installation, 3_600)

    assert len((await send_due(installation))[0]) == 400 - await first_part(installation, message)


async def first_part(installation: Installation, message: Message) -> int:
    rows = await installation.deliveries(message.id)
    first = min(row.at for row in rows.values())
    return sum(row.at == first for row in rows.values())


async def test_with_real_senders_and_a_new_leader_in_the_middle_everybody_gets_it_once(
    installation: Installation,
) -> None:
    await installation.subscribe(300)
    rules = read({"variants": {"options": AB, "holdout": 10, "winner": WINNER}})
    async with sender(installation, FakeTransport()):
        async with scheduler(installation, "first"):
            message = await installation.add_message(rules=rules)
            await eventually(lambda: was_tried(installation, message))
        await expire_leases(installation)
        installation.clock.advance(3_600)
        async with scheduler(installation, "second"):
            await eventually(lambda: in_state(installation, message.id, MessageState.SENT))

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.accepted + progress.skips["holdout"] == 300
    counted = await installation.database.read(lambda tx: rollups.by_variant(tx, [message.id]))
    accepted = {variant: kinds.get("accepted", 0) for variant, kinds in counted[message.id].items()}
    assert set(accepted) == {0, 1}
    assert accepted[0] > accepted[1] > 0  # the sample's B, and all the rest by default A


async def was_tried(installation: Installation, message: Message) -> bool:
    installation.clock.advance(1)  # nothing is looked at twice at the same moment
    found = await installation.database.read(lambda tx: stages.by_messages(tx, [message.id]))
    return message.id in found and found[message.id].tried_at is not None


async def test_two_schedulers_that_race_release_the_rest_once(installation: Installation) -> None:
    await installation.subscribe(400)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    await send_due(installation)
    await look(installation)
    installation.clock.advance(3_600)

    await asyncio.gather(*(Stager(installation.context).step() for _ in range(3)))

    assert (await installation.message(message.id)).winner == 0
    first = await first_part(installation, message)
    assert len((await send_due(installation))[0]) == 400 - first


async def test_who_comes_too_late_with_a_choice_changes_nothing(installation: Installation) -> None:
    await installation.subscribe(400)
    message = await sending(installation, variants={"options": AB, "winner": WINNER})
    await send_due(installation)
    now = installation.clock.now()

    won = [
        await installation.database.write(
            lambda tx, winner=winner: stages.release(tx, message.id, now, "chosen", winner)  # type: ignore[misc]
        )
        for winner in (1, 0)
    ]
    await look(installation)

    assert won == [True, False]
    assert (await installation.message(message.id)).winner == 1
    assert set(await send_due(installation)) == {1}


async def test_nothing_is_released_while_the_audience_is_still_read(installation: Installation) -> None:
    await installation.subscribe(50)
    message = await sending(installation, rollout={"first": 50, "then": "manual"})
    text = f"update messages set frozen_at = null where id = {message.id}"
    await execute(installation, text)
    now = installation.clock.now()

    released = await installation.database.write(lambda tx: stages.release(tx, message.id, now, "early"))

    assert not released
    assert (await known(installation, message)).released_at is None


async def execute(installation: Installation, text: str) -> None:
    await installation.database.write(lambda tx: tx.execute(Query("test.execute", text, text)))


async def test_a_roll_out_goes_on_when_its_first_part_went_well(installation: Installation) -> None:
    people = await installation.subscribe(400)
    message = await sending(installation, rollout=ROLLOUT)
    first = await send_due(installation)
    await look(installation)
    await look(installation, 599)
    assert await send_due(installation) == {}

    await look(installation, 1)

    rest = await send_due(installation)
    assert sorted(first[0] + rest[0]) == sorted(people)
    assert await state(installation, message) == (MessageState.SENDING, None)


async def test_a_roll_out_stops_when_too_much_fails_and_a_resume_goes_on_with_the_rest(
    installation: Installation,
) -> None:
    people = await installation.subscribe(400)
    message = await sending(installation, rollout=ROLLOUT)
    first = await send_due(installation, lambda id: Outcome.REJECTED if id % 4 == 0 else Outcome.ACCEPTED)
    failed = sum(id % 4 == 0 for id in first[0])
    await look(installation)
    await look(installation, 600)

    paused, reason = await state(installation, message)
    assert paused is MessageState.PAUSED
    share = f"{100 * failed / len(first[0]):.3g} %"
    assert reason == (
        f"the roll-out has stopped: {share} of {len(first[0])} answers are failures, more than 5 %"
    )
    assert await send_due(installation) == {}

    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    rest = await send_due(installation)
    assert sorted(first[0] + rest[0]) == sorted(people)
    await look(installation, 600)
    assert (await state(installation, message))[0] is MessageState.SENDING


async def test_a_roll_out_stops_when_too_many_send_it_away(installation: Installation) -> None:
    await installation.subscribe(200)
    message = await sending(installation, rollout=ROLLOUT)
    [first] = (await send_due(installation)).values()
    await report(installation, message, 0, first[:40], EventKind.DISPLAYED)
    await report(installation, message, 0, first[:21], EventKind.CLOSED)
    await look(installation)
    await look(installation, 600)

    assert await state(installation, message) == (
        MessageState.PAUSED,
        "the roll-out has stopped: 52.5 % of 40 displays were closed without a click, more than 50 %",
    )


@pytest.mark.parametrize("rules", [{"variants": {"options": AB, "winner": WINNER}}, {"rollout": ROLLOUT}])
async def test_without_a_single_answer_the_time_does_not_run(
    installation: Installation, rules: dict[str, Any]
) -> None:
    """A dead push service says nothing about the message, and the first that it says next little."""
    await installation.subscribe(100)
    message = await sending(installation, **rules)
    await send_due(installation, lambda _: None)
    await look(installation)
    await look(installation, 3_600)
    assert (await known(installation, message)).released_at is None

    retried = await send_due(installation)
    await look(installation, 1)
    assert (await known(installation, message)).released_at is None
    await look(installation, 3_600)

    rest = await send_due(installation)
    assert sum(len(ids) for shown in (retried, rest) for ids in shown.values()) == 100


async def test_a_first_part_that_ends_without_an_answer_holds_the_rest_no_longer_than_another(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    await sending(installation, rollout=ROLLOUT)
    [first] = (await send_due(installation, lambda _: Outcome.EXPIRED)).values()
    await look(installation)
    await look(installation, 600)
    assert len((await send_due(installation))[0]) == 100 - len(first)


async def test_a_message_that_fails_too_much_pauses_itself_and_is_judged_anew_after_a_resume(
    installation: Installation,
) -> None:
    await installation.subscribe(1_500)
    message = await sending(installation, auto_pause={"failure_rate": 0.2, "least": 400})
    fails = {"every": 3}

    def outcome(id: int) -> Outcome:
        return Outcome.UNAUTHORIZED if id % fails["every"] == 0 else Outcome.ACCEPTED

    await send_due(installation, outcome, most=1)
    await look(installation, 1)
    paused, reason = await state(installation, message)
    assert paused is MessageState.PAUSED
    assert str(reason).startswith("paused by itself: ")
    assert str(reason).endswith(" of the last 500 answers are failures, 20 % is too many")

    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    await look(installation, 5)
    assert (await state(installation, message))[0] is MessageState.SENDING
    fails["every"] = 10**20
    await send_due(installation, outcome, most=1)
    await look(installation, 5)
    assert (await state(installation, message))[0] is MessageState.SENDING
    fails["every"] = 1
    await send_due(installation, outcome, most=1)
    await look(installation, 5)
    assert (await state(installation, message))[0] is MessageState.PAUSED


async def test_what_is_answered_in_a_pause_does_not_pause_it_again(installation: Installation) -> None:
    await installation.subscribe(1_500)
    message = await sending(installation, auto_pause={"failure_rate": 0.2, "least": 400})
    now = installation.clock.now()
    [in_flight] = await installation.database.write(lambda tx: batches.claim(tx, "other", now, 60_000))
    await send_due(installation, lambda _: Outcome.REJECTED, most=1)
    await look(installation, 1)
    assert (await state(installation, message))[0] is MessageState.PAUSED
    refused = [
        Result(message.site_id, message.id, id, "fcm", 1, 0, Outcome.REJECTED, None, 400, now)
        for id in unpack(in_flight.members)
    ]
    await installation.database.write(lambda tx: deliveries.record(tx, refused))
    await look(installation, 5)

    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    await look(installation, 5)

    assert await state(installation, message) == (MessageState.SENDING, None)


@pytest.mark.parametrize("restarted", [False, True])
async def test_failures_are_seen_although_the_clock_is_set_back(
    installation: Installation, restarted: bool
) -> None:
    await installation.subscribe(500)
    message = await sending(installation, auto_pause={"failure_rate": 0.2})
    stager = Stager(installation.context)
    await stager.step()
    installation.clock.set_now(message.send_at - HOUR)
    await execute(installation, f"update batches set due_at = {installation.clock.now()}")
    await send_due(installation, lambda _: Outcome.REJECTED)

    await (Stager(installation.context) if restarted else stager).step()

    assert (await state(installation, message))[0] is MessageState.PAUSED


async def test_too_few_answers_pause_nothing(installation: Installation) -> None:
    await installation.subscribe(199)
    message = await sending(installation, auto_pause={"failure_rate": 0.2})
    await send_due(installation, lambda _: Outcome.REJECTED)
    await look(installation, 1)
    assert (await state(installation, message))[0] is MessageState.SENDING


async def test_messages_without_such_rules_are_never_looked_at(installation: Installation) -> None:
    await installation.subscribe(10)
    plain = await sending(installation)
    varied = await sending(installation, variants={"options": AB})
    manual = await sending(installation, rollout={"first": 50, "then": "manual"})
    due = await installation.database.read(lambda tx: stages.due(tx, 2**62, 100))
    assert due == []
    rows = await installation.database.read(
        lambda tx: stages.by_messages(tx, [plain.id, varied.id, manual.id])
    )
    assert set(rows) == {manual.id}


async def test_thousands_of_messages_are_looked_at_in_turn(installation: Installation) -> None:
    await installation.subscribe(2)
    count = AT_ONCE + 50
    for _ in range(count):
        await installation.add_message(rules=read({"rollout": ROLLOUT}))
    for _ in range(6):
        await start_due(installation)
    for _ in range(3):
        await send_due(installation)
        # A claim puts messages to sleep for four seconds in which it found nothing. With so many of one turn
        # PostgreSQL may walk them in another order when it does, so that one sleeps that had something.
        installation.clock.advance(5)

    stager = Stager(installation.context)
    await stager.step()
    await stager.step()
    tried = Counter(
        each.stages.tried_at is not None
        for each in await installation.database.read(lambda tx: stages.due(tx, 2**62, 1_000))
    )
    assert tried == {True: count}


async def corrupt(installation: Installation, message_id: int, rules: str = '{"variants":7}') -> None:
    text = f"update messages set rules = '{rules}' where id = {message_id}"
    await installation.database.write(lambda tx: tx.execute(Query("test.corrupt", text, text)))


async def test_a_message_that_cannot_be_judged_stops_no_other_and_is_told_of_once(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(20)
    broken, sound = [await sending(installation, variants={"options": AB, "winner": WINNER}) for _ in "ab"]
    await send_due(installation)
    await corrupt(installation, broken.id)
    stager = Stager(installation.context)
    for _ in range(3):
        installation.clock.advance(3_600)
        await stager.step()
    assert (await known(installation, sound)).released_at is not None
    assert (await known(installation, broken)).released_at is None
    told = [record.__dict__["fields"] for record in caplog.records if record.msg == "message.failed"]
    assert told == [{"message_id": broken.id}]

    await corrupt(installation, broken.id, broken.rules)
    for _ in range(2):
        await look(installation, 3_600)
    assert (await known(installation, broken)).released_at is not None


async def test_one_whose_judgement_fails_is_passed_over_too(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(20)
    first, second = [await sending(installation, variants={"options": AB, "winner": WINNER}) for _ in "ab"]
    await send_due(installation)
    await look(installation)
    release, failing = Stager._release, [first.id]

    async def fail(self: Stager, stages: Stages, *arguments: Any) -> None:
        if stages.message_id in failing:
            raise ZeroDivisionError
        await release(self, stages, *arguments)

    monkeypatch.setattr(Stager, "_release", fail)
    await look(installation, 3_600)
    assert [(await known(installation, each)).released_at is None for each in (first, second)] == [
        True,
        False,
    ]
    assert [record.msg for record in caplog.records if record.levelname == "ERROR"] == ["message.failed"]
    failing.clear()
    await look(installation, 60)
    assert (await known(installation, first)).released_at is not None
