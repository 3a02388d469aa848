import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from storage import batches, messages
from storage.batches import BULK, TRANSACTIONAL, Batch, unpack
from storage.database import Database
from storage.errors import Conflict
from storage.messages import MessageState
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, batch

MINUTE = 60_000


@pytest.fixture(autouse=True)
async def _site(database: Database) -> None:
    await add_site(database)


async def add(database: Database, *new: Batch) -> None:
    await database.write(lambda tx: batches.add_many(tx, new))


async def claim(
    database: Database,
    owner: str = "me",
    now: int = NOW,
    lease: int = MINUTE,
    limit: int = 1,
    lanes: tuple[int, ...] = (0, 1),
) -> list[Batch]:
    return await database.write(lambda tx: batches.claim(tx, owner, now, lease, limit, lanes))


async def cancel(database: Database, id: int) -> None:
    sending = {MessageState.SENDING}
    await database.write(lambda tx: messages.transition(tx, id, sending, MessageState.CANCELLED, None, NOW))


async def test_a_claimed_batch_is_complete_and_nobody_elses(database: Database) -> None:
    await add_sending(database)
    stored = batch(ids=(2**40, 7, 1), provider="mozilla", attempt=2, stage=3, variant=1)
    await add(database, stored)
    (claimed,) = await claim(database)
    assert claimed == replace(stored, leases=1)
    assert unpack(claimed.members) == [2**40, 7, 1]
    assert await claim(database, "other") == []
    with pytest.raises(Conflict):
        await add(database, stored)


async def test_a_batch_is_claimed_when_it_is_due_and_not_held(database: Database) -> None:
    await add_sending(database)
    await add(database, batch(due_at=NOW + 5), batch(due_at=None))
    assert await claim(database, now=NOW + 4, limit=5) == []
    assert [each.due_at for each in await claim(database, now=NOW + 5, limit=5)] == [NOW + 5]


async def test_only_batches_of_sending_messages_are_claimed(database: Database) -> None:
    await add_sending(database)
    await add(database, batch())
    await cancel(database, MESSAGE)
    assert await claim(database) == []


async def test_an_abandoned_batch_is_claimed_again_when_its_lease_ends(database: Database) -> None:
    await add_sending(database)
    await add(database, batch())
    (first,) = await claim(database, "dead", lease=30)
    assert await claim(database, "other") == []
    await asyncio.sleep(0.05)
    (second,) = await claim(database, "other")
    assert (second.id, second.leases) == (first.id, 2)
    assert await database.write(lambda tx: batches.finish(tx, first.id, "dead")) is False
    assert await database.write(lambda tx: batches.finish(tx, first.id, "other")) is True


async def test_two_senders_never_share_a_batch(database: Database) -> None:
    await add_sending(database)
    await add_sending(database, MESSAGE + 1)
    await add(database, *(batch(MESSAGE + n % 2) for n in range(40)))
    rounds = await asyncio.gather(*(claim(database, f"sender {n}", limit=3) for n in range(20)))
    claimed = Counter(each.id for got in rounds for each in got)
    # On PostgreSQL a claimer skips what another is claiming: some may have found less, none the same.
    while more := await claim(database, "late", limit=3):
        claimed.update(each.id for each in more)
    assert len(claimed) == 40
    assert set(claimed.values()) == {1}


async def test_transactional_messages_go_before_bulk_ones(database: Database) -> None:
    await add_sending(database, 1, lane=BULK)
    await add(database, batch(1, due_at=NOW - 9), batch(1, due_at=NOW - 9))
    await claim(database)
    await add_sending(database, 2, lane=TRANSACTIONAL)
    await add(database, batch(2, lane=TRANSACTIONAL))
    assert await claim(database, lanes=(TRANSACTIONAL,), limit=9) != []
    await add(database, batch(2, lane=TRANSACTIONAL))
    assert [each.message_id for each in await claim(database)] == [2]
    assert await claim(database, lanes=(TRANSACTIONAL,)) == []
    assert [each.message_id for each in await claim(database, lanes=(BULK,))] == [1]


async def test_messages_of_a_site_take_turns(database: Database) -> None:
    for id in (1, 2, 3):
        await add_sending(database, id)
        await add(database, *(batch(id) for _ in range(4)))
    order = [(await claim(database))[0].message_id for _ in range(12)]
    for turn in range(0, 12, 3):
        assert sorted(order[turn : turn + 3]) == [1, 2, 3]


async def test_sites_share_alike_however_many_messages_they_send(database: Database) -> None:
    await add_site(database, SITE + 1)
    for id in range(1, 11):
        await add_sending(database, id)
        await add(database, *(batch(id) for _ in range(8)))
    await add_sending(database, 99, SITE + 1)
    await add(database, *(batch(99, SITE + 1) for _ in range(40)))
    claimed = Counter([(await claim(database))[0].site_id for _ in range(60)])
    assert abs(claimed[SITE] - claimed[SITE + 1]) <= 12


async def test_a_message_that_starts_late_neither_waits_nor_takes_over(database: Database) -> None:
    await add_sending(database, 1)
    await add(database, *(batch(1) for _ in range(40)))
    for _ in range(20):
        await claim(database)
    await add_site(database, SITE + 1)
    await add_sending(database, 2, SITE + 1)
    await add(database, *(batch(2, SITE + 1) for _ in range(20)))
    order = [(await claim(database))[0].message_id for _ in range(20)]
    assert 2 in order[:3]
    assert 8 <= order.count(2) <= 12


async def test_a_lease_is_extended_by_its_owner_only(database: Database) -> None:
    await add_sending(database)
    await add(database, batch(), batch())
    mine, other = (await claim(database, "me", lease=30))[0], (await claim(database, "other"))[0]
    ids = [mine.id, other.id, 404]
    assert await database.write(lambda tx: batches.extend(tx, ids, "me", MINUTE)) == {mine.id}
    await asyncio.sleep(0.05)
    assert await claim(database, "third") == []


async def test_released_batches_are_free_at_once(database: Database) -> None:
    await add_sending(database)
    await add(database, batch(), batch())
    mine, other = (await claim(database, "me"))[0], (await claim(database, "other"))[0]
    await database.write(lambda tx: batches.release(tx, [mine.id, other.id], "me"))
    assert [each.id for each in await claim(database, "third", limit=5)] == [mine.id]
    assert await database.write(lambda tx: batches.release_owner(tx, "other")) == 1
    assert [each.id for each in await claim(database, "third", limit=5)] == [other.id]


async def test_a_finished_batch_is_deleted(database: Database) -> None:
    await add_sending(database)
    await add(database, batch(), batch(), batch())
    mine = await claim(database, "me", limit=2)
    other = await claim(database, "other")
    ids = [each.id for each in mine + other]
    assert await database.write(lambda tx: batches.finish_many(tx, ids, "me")) == {m.id for m in mine}
    assert await database.read(lambda tx: batches.count_of_message(tx, MESSAGE)) == 1


async def test_untouched_batches_of_a_cancelled_message_are_dropped_with_their_sizes(
    database: Database,
) -> None:
    await add_sending(database)
    touched, retry = batch(due_at=NOW - 1), batch(attempt=2)
    await add(database, touched, retry, batch(ids=(4, 5), provider="mozilla", variant=1), batch(due_at=None))
    await claim(database, "me", lease=1)
    await cancel(database, MESSAGE)
    dropped = await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE))
    assert sorted(dropped) == [("fcm", 0, 3), ("mozilla", 1, 2)]
    assert await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE)) == []
    assert await database.read(lambda tx: batches.leftovers(tx)) == [MESSAGE]
    await asyncio.sleep(0.01)
    left = await database.write(lambda tx: batches.claim_of_message(tx, MESSAGE, "me", MINUTE, 10))
    assert {each.id for each in left} == {touched.id, retry.id}
    assert await database.write(lambda tx: batches.claim_of_message(tx, MESSAGE, "x", MINUTE, 10)) == []
    await database.write(lambda tx: batches.finish_many(tx, [each.id for each in left], "me"))
    assert await database.read(lambda tx: batches.leftovers(tx)) == []


async def test_batches_are_dropped_in_bounded_steps(database: Database) -> None:
    await add_sending(database)
    await add(database, *(batch() for _ in range(5)))
    assert len(await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE, 3))) == 3
    assert len(await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE, 3))) == 2


async def test_the_next_due_time_is_known(database: Database) -> None:
    await add_sending(database, 1)
    await add_sending(database, 2)
    assert await database.read(lambda tx: batches.next_due(tx, NOW)) is None
    await add(
        database,
        batch(1, due_at=NOW + 9),
        batch(2, due_at=NOW + 7),
        batch(2, due_at=NOW),
        batch(1, due_at=None),
    )
    assert await database.read(lambda tx: batches.next_due(tx, NOW)) == NOW + 7
    await cancel(database, 2)
    assert await database.read(lambda tx: batches.next_due(tx, NOW)) == NOW + 9
