import pytest

from storage import batches, deliveries, events, messages, rollups
from storage.database import Database, Transaction
from storage.deliveries import Outcome
from storage.errors import Conflict, NotFound
from storage.events import Event, EventKind
from storage.messages import Message, MessageKind, MessageState, Priority, Progress, Results
from storage.rollups import Rollup
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, batch, message, result

SCHEDULED, SENDING, SENT = MessageState.SCHEDULED, MessageState.SENDING, MessageState.SENT


async def add(database: Database, *new: Message) -> None:
    async def body(tx: Transaction) -> None:
        for each in new:
            await messages.add(tx, each)

    await database.write(body)


async def get(database: Database, id: int = MESSAGE) -> Message:
    return await database.read(lambda tx: messages.get(tx, SITE, id))


@pytest.fixture(autouse=True)
async def _site(database: Database) -> None:
    await add_site(database)


async def test_a_message_is_read_as_it_was_stored(database: Database) -> None:
    everything = Message(
        id=MESSAGE,
        site_id=SITE,
        kind=MessageKind.STEP,
        parent_id=3,
        state=MessageState.DRAFT,
        state_reason="why",
        waiting_until=NOW + 1,
        priority=Priority.TRANSACTIONAL,
        lane=0,
        content='{"é":"\\""}',
        audience_spec='{"all":true}',
        ttl=60,
        rate=500,
        send_at=NOW + 2,
        expires_at=NOW + 3,
        created_at=NOW,
        started_at=NOW + 4,
        frozen_at=NOW + 5,
        ended_at=NOW + 6,
        audience=7,
        judged=8,
        unknown=9,
        freeze_cursor=10,
        freeze_ceiling=11,
        turn=12,
        next_at=13,
    )
    await add(database, everything)
    assert await get(database) == everything
    assert await database.read(lambda tx: messages.by_ids(tx, [MESSAGE, 404])) == {MESSAGE: everything}
    with pytest.raises(NotFound):
        await database.read(lambda tx: messages.get(tx, SITE + 1, MESSAGE))
    with pytest.raises(Conflict):
        await add(database, everything)
    with pytest.raises(NotFound):
        await add(database, message(MESSAGE + 1, 404))


async def test_messages_are_paged_newest_first(database: Database) -> None:
    await add(database, *(message(id) for id in (1, 3, 2, 4)))
    first = await database.read(lambda tx: messages.page(tx, SITE, None, 3))
    assert [(each.id, each.audience_spec) for each in first] == [(4, ""), (3, ""), (2, "")]
    assert [each.id for each in await database.read(lambda tx: messages.page(tx, SITE, 2, 3))] == [1]


async def test_a_message_may_be_changed_until_it_starts(database: Database) -> None:
    await add(database, message(state=MessageState.DRAFT))
    changed = message(content="{}", ttl=1, send_at=NOW + 9, expires_at=NOW + 99, rate=5, lane=0)
    assert await database.write(lambda tx: messages.update_before_start(tx, changed)) is True
    assert await get(database) == changed
    assert await database.write(lambda tx: messages.start(tx, MESSAGE, NOW, 1)) is True
    assert await database.write(lambda tx: messages.update_before_start(tx, message())) is False
    assert (await get(database)).content == "{}"


async def test_an_idempotency_key_belongs_to_the_first(database: Database) -> None:
    async def create(tx: Transaction, id: int, body_hash: bytes) -> None:
        await messages.add(tx, message(id))
        await messages.remember_idempotent(tx, SITE, "key", body_hash, id, NOW)

    await database.write(lambda tx: create(tx, 1, b"a" * 32))
    with pytest.raises(Conflict, match="idempotency key"):
        await database.write(lambda tx: create(tx, 2, b"b" * 32))
    assert await database.read(lambda tx: messages.find_idempotent(tx, SITE, "key")) == (b"a" * 32, 1, NOW)
    assert await database.read(lambda tx: messages.find_idempotent(tx, SITE + 1, "key")) is None
    assert [each.id for each in await database.read(lambda tx: messages.page(tx, SITE))] == [1]
    assert await database.write(lambda tx: messages.forget_idempotent(tx, NOW, 10)) == 0
    assert await database.write(lambda tx: messages.forget_idempotent(tx, NOW + 1, 10)) == 1


async def test_due_messages_come_in_order_of_lane_and_time(database: Database) -> None:
    await add(
        database,
        message(1, send_at=NOW - 5),
        message(2, send_at=NOW - 9),
        message(3, send_at=NOW, lane=0),
        message(4, send_at=NOW + 1),
        message(5, send_at=NOW - 9, expires_at=NOW),
        message(6, send_at=NOW - 9, state=MessageState.DRAFT),
    )
    due = await database.read(lambda tx: messages.due(tx, NOW))
    assert [each.id for each in due] == [3, 2, 1]
    assert await database.read(lambda tx: messages.expired_unstarted(tx, NOW)) == [5]


async def test_a_message_starts_once(database: Database) -> None:
    await add(database, message())
    assert await database.write(lambda tx: messages.start(tx, MESSAGE, NOW + 1, 77)) is True
    assert await database.write(lambda tx: messages.start(tx, MESSAGE, NOW + 2, 88)) is False
    started = await get(database)
    assert (started.state, started.started_at, started.freeze_ceiling) == (SENDING, NOW + 1, 77)
    freezing = await database.read(lambda tx: messages.freezing(tx))
    assert [each.id for each in freezing] == [MESSAGE]


async def test_a_message_paused_before_its_start_is_neither_frozen_nor_ended(database: Database) -> None:
    await add(database, message(state=MessageState.PAUSED, expires_at=NOW))
    assert await database.read(lambda tx: messages.freezing(tx)) == []
    assert await database.read(lambda tx: messages.sending_past_expiry(tx, NOW)) == []
    assert await database.write(lambda tx: messages.finish_done(tx, NOW)) == []


async def test_a_freeze_advances_by_compare_and_set(database: Database) -> None:
    await add_sending(database)

    async def advance(cursor_from: int, cursor_to: int, judged: int) -> bool:
        return await database.write(
            lambda tx: messages.freeze_advance(tx, MESSAGE, cursor_from, cursor_to, judged)
        )

    assert await advance(0, 10, 5) is True
    assert await advance(0, 10, 5) is False
    assert await advance(10, 20, 4) is True
    assert (await get(database)).judged == 9
    assert await database.write(lambda tx: messages.frozen(tx, MESSAGE, 9, 1, NOW + 3)) is True
    assert await database.write(lambda tx: messages.frozen(tx, MESSAGE, 8, 0, NOW + 4)) is False
    assert await advance(20, 30, 1) is False
    done = await get(database)
    assert (done.audience, done.unknown, done.frozen_at) == (9, 1, NOW + 3)
    assert await database.read(lambda tx: messages.freezing(tx)) == []


async def test_a_cancelled_message_freezes_no_further(database: Database) -> None:
    await add_sending(database)
    states = [SENDING]
    cancelled = MessageState.CANCELLED
    assert await database.write(
        lambda tx: messages.transition(tx, MESSAGE, states, cancelled, "asked", NOW + 1)
    )
    assert not await database.write(lambda tx: messages.transition(tx, MESSAGE, states, SENT, None, NOW + 2))
    assert not await database.write(lambda tx: messages.freeze_advance(tx, MESSAGE, 0, 1, 1))
    assert not await database.write(lambda tx: messages.frozen(tx, MESSAGE, 1, 0, NOW))
    ended = await get(database)
    assert (ended.state, ended.state_reason, ended.ended_at) == (cancelled, "asked", NOW + 1)


async def test_a_pause_does_not_end_a_message(database: Database) -> None:
    await add_sending(database)
    paused = MessageState.PAUSED
    assert await database.write(lambda tx: messages.transition(tx, MESSAGE, {SENDING}, paused, "why", NOW))
    assert (await get(database)).ended_at is None
    assert await database.write(
        lambda tx: messages.transition(tx, MESSAGE, {paused, SCHEDULED}, SENDING, None, NOW)
    )


async def test_a_message_is_sent_when_it_is_frozen_and_its_last_batch_is_done(database: Database) -> None:
    await add_sending(database)
    last = batch()
    await database.write(lambda tx: batches.add_many(tx, [last]))
    assert await database.write(lambda tx: messages.finish_done(tx, NOW)) == []
    await database.write(lambda tx: messages.frozen(tx, MESSAGE, 3, 0, NOW))
    assert await database.write(lambda tx: messages.finish_done(tx, NOW)) == []
    await database.write(lambda tx: batches.claim(tx, "me", NOW, 1_000))
    await database.write(lambda tx: batches.finish_many(tx, [last.id], "me"))
    assert await database.write(lambda tx: messages.finish_done(tx, NOW + 8)) == [MESSAGE]
    assert await database.write(lambda tx: messages.finish_done(tx, NOW + 9)) == []
    done = await get(database)
    assert (done.state, done.ended_at) == (SENT, NOW + 8)


async def test_messages_past_their_expiry_are_found_while_sending_or_paused(database: Database) -> None:
    await add_sending(database, 1, expires_at=NOW + 10)
    await add_sending(database, 2, expires_at=NOW + 5)
    await add_sending(database, 3)
    await add(database, message(4, expires_at=NOW + 1), message(5, expires_at=NOW + 1, state=SENT))
    await database.write(lambda tx: messages.transition(tx, 2, {SENDING}, MessageState.PAUSED, None, NOW))
    left = [batch(id) for id in (1, 2, 3)]
    await database.write(lambda tx: batches.add_many(tx, left))
    assert await database.read(lambda tx: messages.sending_past_expiry(tx, NOW + 10)) == [2, 1]
    assert await database.read(lambda tx: messages.sending_past_expiry(tx, NOW + 10, 1)) == [2]
    assert await database.read(lambda tx: messages.expired_unstarted(tx, NOW + 10)) == [4]
    await database.write(lambda tx: batches.claim_of_message(tx, 2, "a sender", 60_000))
    assert await database.read(lambda tx: messages.sending_past_expiry(tx, NOW + 10)) == [1]


async def test_progress_adds_up_and_is_null_before_the_audience_is_known(database: Database) -> None:
    await add_sending(database)
    await add_sending(database, MESSAGE + 1)

    async def send(tx: Transaction) -> None:
        skipped = {"outcome": Outcome.SKIPPED, "code": None}
        await deliveries.record(
            tx,
            [
                result(1),
                result(2, provider="mozilla", at=NOW + 7_200_000),
                result(3, outcome=Outcome.GONE, code=410),
                result(4, outcome=Outcome.UNAUTHORIZED, code=403),
                result(5, outcome=Outcome.REJECTED, code=400, variant=1),
                result(6, outcome=Outcome.REJECTED, code=400),
                result(7, outcome=Outcome.EXPIRED),
                result(8, reason="unsubscribed", **skipped),
                result(9, reason="key_retired", **skipped),
                result(10, reason="unsubscribed", **skipped),
                result(11, outcome=None, code=429),
            ],
        )
        await rollups.add_many(tx, [Rollup(SITE, MESSAGE, 0, "fcm", NOW, "skipped:cancelled", 5)])
        for kind in (EventKind.DISPLAYED, EventKind.CLICKED, EventKind.CLOSED):
            await events.record(tx, [Event(SITE, MESSAGE, 1, 0, kind, None, NOW)])

    await database.write(send)
    both = [MESSAGE, MESSAGE + 1, 404]
    before = await database.read(lambda tx: messages.progress_of(tx, both))
    assert before == {MESSAGE: (None, Results(1, 1, 1)), MESSAGE + 1: (None, Results(0, 0, 0))}

    await database.write(lambda tx: messages.frozen(tx, MESSAGE, 100, 0, NOW))
    await database.write(lambda tx: messages.frozen(tx, MESSAGE + 1, 0, 0, NOW))
    after = await database.read(lambda tx: messages.progress_of(tx, both))
    assert after[MESSAGE + 1][0] == Progress(audience=0)
    assert after[MESSAGE][0] == Progress(
        audience=100,
        accepted=2,
        gone=1,
        failed=3,
        expired=1,
        skipped=8,
        retrying=1,
        remaining=84,
        failures={"unauthorized": 1, "rejected": 2},
        skips={"unsubscribed": 2, "key_retired": 1, "cancelled": 5},
    )
    totals = await database.read(lambda tx: rollups.totals(tx, both))
    assert totals[MESSAGE]["accepted"] == 2
    assert MESSAGE + 1 not in totals
    hours = await database.read(lambda tx: rollups.of_message(tx, SITE, MESSAGE))
    assert hours[-1] == Rollup(SITE, MESSAGE, 0, "mozilla", NOW + 7_200_000, "accepted", 1)


async def test_the_next_batch_of_each_provider_is_the_one_that_is_due_first(database: Database) -> None:
    for id in (1, 2, 3):
        await add_sending(database, id)
    made = [
        batch(1, provider="fcm", due_at=NOW + 5),
        batch(1, provider="fcm", due_at=NOW + 2, attempt=2),
        batch(1, provider="wns", due_at=NOW - 9, window_ends_at=NOW + 7),
        batch(2, provider="mozilla", due_at=NOW + 1, attempt=3, waits_for_key=True),
    ]
    await database.write(lambda tx: batches.add_many(tx, made))
    found = await database.read(lambda tx: messages.next_batches(tx, [1, 2, 3, 4]))
    assert [each[:4] for each in found] == [
        (1, "fcm", NOW + 2, 2),
        (1, "wns", NOW - 9, 1),
        (2, "mozilla", NOW + 1, 3),
    ]
    assert [each[4:] for each in found] == [(0, None), (0, NOW + 7), (1, None)]
