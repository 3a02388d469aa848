import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from storage import batches, messages, throttles
from storage.batches import BULK, TRANSACTIONAL, Batch, unpack
from storage.database import Database, Transaction
from storage.errors import Conflict
from storage.messages import MessageState
from storage.throttles import EVERY_PROVIDER, EVERY_SITE
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, batch
from tests.eventually import eventually

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
    (first,) = await claim(database, "dead", lease=1_000)
    assert await claim(database, "other") == []
    (second,) = await eventually(lambda: claim(database, "other"))  # the lease runs on the database's clock
    assert (second.id, second.leases) == (first.id, 2)
    assert not await database.write(lambda tx: batches.finish_many(tx, [first.id], "dead"))
    assert first.id in await database.write(lambda tx: batches.finish_many(tx, [first.id], "other"))


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
    assert await database.write(lambda tx: batches.finish_many(tx, ids, "me")) == {m.id: 1 for m in mine}
    assert await database.read(lambda tx: batches.count_of_message(tx, MESSAGE)) == 1


@pytest.mark.parametrize(("room", "claimed"), [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4), (100, 4)])
async def test_a_claim_ends_with_the_batch_that_fills_the_room(
    database: Database, room: int, claimed: int
) -> None:
    await add_sending(database)
    await add(database, *(batch() for _ in range(4)))  # of three members each

    async def body(tx: Transaction) -> list[Batch]:
        return await batches.claim(tx, "me", NOW, MINUTE, 4, room=room)

    assert [each.leases for each in await database.write(body)] == [1] * claimed
    left = await claim(database, "other", limit=4)
    assert [each.leases for each in left] == [1] * (4 - claimed)


async def test_what_is_unclaimed_counts_as_never_touched_unless_somebody_else_has_it(
    database: Database,
) -> None:
    await add_sending(database)
    await add(database, batch(), batch())
    [mine] = await claim(database, "me")
    [other] = await claim(database, "other")
    await database.write(lambda tx: batches.unclaim(tx, [mine.id, other.id], "me"))
    assert [(each.id, each.leases) for each in await claim(database, limit=2)] == [(mine.id, 1)]


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
    assert await database.read(lambda tx: batches.leftovers(tx)) == []
    await database.write(lambda tx: batches.release(tx, [each.id for each in left], "me"))
    assert await database.read(lambda tx: batches.leftovers(tx)) == [MESSAGE]
    await database.write(lambda tx: batches.claim_of_message(tx, MESSAGE, "me", MINUTE, 10))
    await database.write(lambda tx: batches.finish_many(tx, [each.id for each in left], "me"))
    assert await database.read(lambda tx: batches.leftovers(tx)) == []


async def test_batches_are_dropped_in_bounded_steps(database: Database) -> None:
    await add_sending(database)
    await add(database, *(batch() for _ in range(5)))
    assert len(await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE, 3))) == 3
    assert len(await database.write(lambda tx: batches.drop_untouched(tx, MESSAGE, 3))) == 2


@pytest.mark.parametrize(
    "held", [(SITE, "fcm"), (SITE, EVERY_PROVIDER), (EVERY_SITE, "fcm"), (EVERY_SITE, EVERY_PROVIDER)]
)
async def test_what_is_held_is_not_claimed_before_its_time(database: Database, held: tuple[int, str]) -> None:
    await add_sending(database)
    await add(database, batch(), batch())
    await database.write(lambda tx: throttles.hold(tx, *held, NOW + 60, "retry_after", NOW))
    assert await claim(database, now=NOW + 59) == []
    assert len(await claim(database, now=NOW + 60)) == 1
    await database.write(lambda tx: throttles.hold(tx, *held, NOW + 90, "retry_after", NOW))
    assert await claim(database, now=NOW + 60) == []
    await database.write(lambda tx: throttles.release(tx, *held))
    assert len(await claim(database, now=NOW + 60)) == 1


async def test_a_hold_leaves_other_providers_and_sites_alone(database: Database) -> None:
    await add_site(database, SITE + 1)
    await add_sending(database)
    await add_sending(database, MESSAGE + 1, SITE + 1)
    mine, others = batch(provider="mozilla"), batch(MESSAGE + 1, SITE + 1)
    await add(database, batch(), mine, others)
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", NOW + 60, "retry_after", NOW))
    assert {each.id for each in await claim(database, limit=9)} == {mine.id, others.id}


async def test_only_providers_that_the_sender_has_room_for_are_claimed(database: Database) -> None:
    await add_sending(database)
    apple = batch(provider="apple")
    await add(database, batch(), batch(), apple)

    async def body(tx: Transaction) -> list[Batch]:
        return await batches.claim(tx, "me", NOW, MINUTE, 9, (0, 1), ["apple", "wns"])

    assert [each.id for each in await database.write(body)] == [apple.id]


async def test_a_claim_of_a_message_with_a_rate_takes_its_share_of_the_time(database: Database) -> None:
    await add_sending(database, rate=2)
    await add(database, batch(ids=(1, 2, 3, 4)), batch(ids=(5, 6)), batch(ids=(7, 8)))
    (first,) = await claim(database)
    assert (first.paced_from, first.paced_for) == (NOW, 2_000)
    assert await claim(database, "other", now=NOW + 1_999) == []
    (second,) = await claim(database, "other", now=NOW + 2_500)
    assert (second.paced_from, second.paced_for) == (NOW + 2_500, 1_000)


async def test_one_claim_takes_no_more_than_a_few_seconds_of_a_rate(database: Database) -> None:
    await add_sending(database, rate=1)
    await add(database, *(batch(ids=(n, n + 1, n + 2)) for n in range(1, 13, 3)))
    claimed = await claim(database, limit=9)
    assert sorted((each.paced_from - NOW, each.paced_for) for each in claimed) == [(0, 3_000), (3_000, 3_000)]
    later = await claim(database, "other", now=NOW + 6_000, limit=9)
    assert [each.leases for each in later] == [1, 1]


@pytest.mark.parametrize(
    "rated", [(SITE, "fcm"), (SITE, EVERY_PROVIDER), (EVERY_SITE, "fcm"), (EVERY_SITE, EVERY_PROVIDER)]
)
async def test_a_rate_of_a_site_or_provider_holds_over_messages(
    database: Database, rated: tuple[int, str]
) -> None:
    await add_sending(database)
    await add_sending(database, MESSAGE + 1)
    await add(database, batch(), batch(MESSAGE + 1))
    await database.write(lambda tx: throttles.set_rate(tx, *rated, 1))
    assert [each.paced_for for each in await claim(database)] == [3_000]
    assert await claim(database, "other", now=NOW + 2_999) == []
    assert [each.paced_for for each in await claim(database, "other", now=NOW + 3_000)] == [3_000]


async def test_of_several_rates_the_slowest_decides(database: Database) -> None:
    await add_sending(database, rate=3)
    await add(database, batch())
    await database.write(lambda tx: throttles.set_rate(tx, SITE, "fcm", 1))
    assert [each.paced_for for each in await claim(database)] == [3_000]


async def test_two_claims_at_once_never_grant_the_same_time(database: Database) -> None:
    await add_sending(database, rate=10)
    await add(database, *(batch(ids=range(1, 6)) for _ in range(6)))
    rounds = await asyncio.gather(*(claim(database, f"sender {n}") for n in range(6)))
    starts = sorted(each.paced_from for got in rounds for each in got)
    assert starts == [NOW + 500 * n for n in range(len(starts))]
    assert starts


async def test_without_room_for_what_is_paced_only_the_rest_is_claimed(database: Database) -> None:
    await add_sending(database, rate=10)
    await add_sending(database, MESSAGE + 1)
    free = batch(MESSAGE + 1)
    await add(database, batch(), free)

    async def body(tx: Transaction) -> list[Batch]:
        return await batches.claim(tx, "me", NOW, MINUTE, 9, paced=False)

    assert [each.id for each in await database.write(body)] == [free.id]


async def test_a_claim_finds_the_one_message_that_may_be_sent_among_many_that_may_not(
    database: Database,
) -> None:
    await add_site(database, SITE + 1)
    for id in range(1, 2 * batches.LOOK + 3):
        await add_sending(database, id)
        await add(database, batch(id))
    await add_sending(database, MESSAGE, SITE + 1)
    await add(database, batch(MESSAGE, SITE + 1), batch(MESSAGE, SITE + 1))
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", NOW + 60_000, "retry_after", NOW))
    claimed, in_vain = await claim(database), 0
    while not claimed:
        claimed, in_vain = await claim(database), in_vain + 1
        assert in_vain * batches.NAPS <= 2 * batches.LOOK  # each puts so many to sleep
    assert [each.message_id for each in claimed] == [MESSAGE]
    assert [each.message_id for each in await claim(database, now=NOW + 1)] == [MESSAGE]
    await database.write(lambda tx: throttles.release(tx, SITE, "fcm"))
    assert len(await claim(database, now=NOW + 2, limit=32)) == 32


async def test_a_message_that_was_passed_over_is_looked_at_when_it_gets_a_new_batch(
    database: Database,
) -> None:
    for id in range(1, batches.LOOK + 1):
        await add_sending(database, id)
    assert await claim(database) == []
    fresh = batch(7)
    await add(database, fresh)
    assert [each.id for each in await claim(database, now=NOW + 1)] == [fresh.id]


async def test_a_message_that_was_passed_over_is_looked_at_when_its_next_batch_is_due(
    database: Database,
) -> None:
    for id in range(1, batches.LOOK + 1):
        await add_sending(database, id)
    await add(database, batch(7, due_at=NOW + 1_200))
    assert await claim(database) == []
    assert len(await claim(database, now=NOW + 1_200)) == 1
