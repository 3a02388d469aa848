"""Recording results: compare and set per row, counters by the rows that changed."""

import asyncio

import pytest

from storage import deliveries, messages
from storage.database import Database
from storage.deliveries import Outcome, Result, SkipReason
from storage.messages import Progress
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, result


@pytest.fixture(autouse=True)
async def _frozen_message(database: Database) -> None:
    await add_site(database)
    for id in (MESSAGE, MESSAGE + 1):
        await add_sending(database, id)
        await database.write(lambda tx, id=id: messages.frozen(tx, id, 1_000, 0, NOW))  # type: ignore[misc]


async def record(database: Database, *results: Result) -> set[tuple[int, int]]:
    return await database.write(lambda tx: deliveries.record(tx, results))


async def progress(database: Database, id: int = MESSAGE) -> Progress:
    found = (await database.read(lambda tx: messages.progress_of(tx, [id])))[id][0]
    assert found is not None
    return found


async def test_a_result_is_stored_and_counted_once(database: Database) -> None:
    assert await record(database, result(1), result(2)) == {(MESSAGE, 1), (MESSAGE, 2)}
    assert await record(database, result(2, outcome=Outcome.GONE), result(3)) == {(MESSAGE, 3)}
    assert (await progress(database)).accepted == 3
    assert (await progress(database)).gone == 0


async def test_the_first_of_two_results_for_one_attempt_counts(database: Database) -> None:
    assert await record(database, result(1, outcome=Outcome.GONE), result(1)) == {(MESSAGE, 1)}
    assert ((await progress(database)).gone, (await progress(database)).accepted) == (1, 0)


async def test_a_retry_is_counted_as_retrying_until_it_ends(database: Database) -> None:
    await record(database, result(1, outcome=None, code=429))
    assert (await progress(database)).retrying == 1
    assert await record(database, result(1, attempt=2, outcome=None, code=503, at=NOW + 4_000_000))
    assert (await progress(database)).retrying == 1
    await record(database, result(1, attempt=3, at=NOW + 8_000_000))
    done = await progress(database)
    assert (done.retrying, done.accepted, done.remaining) == (0, 1, 999)


@pytest.mark.parametrize(
    "late",
    [
        result(1, attempt=1),
        result(1, attempt=1, outcome=Outcome.EXPIRED),
        result(1, attempt=3),
        result(2, attempt=2),
        result(3, attempt=2),
    ],
    ids=["again", "again, differently", "an attempt skipped", "already ended", "never begun"],
)
async def test_a_result_of_the_wrong_attempt_changes_nothing(database: Database, late: Result) -> None:
    await record(database, result(1, outcome=None), result(2))
    before = await progress(database)
    assert await record(database, late) == set()
    assert await progress(database) == before


async def test_two_attempts_of_one_delivery_may_share_a_flush(database: Database) -> None:
    await record(database, result(1, attempt=2), result(1, outcome=None), result(2, attempt=3))
    done = await progress(database)
    assert (done.accepted, done.retrying) == (1, 0)


async def test_results_of_many_messages_and_providers_share_a_flush(database: Database) -> None:
    mixed = [
        result(n, message_id=MESSAGE + n % 2, provider=("fcm", "mozilla")[n % 3 == 0], variant=n % 4)
        for n in range(400)
    ]
    assert len(await record(database, *mixed)) == 400
    assert (await progress(database)).accepted == 200
    assert (await progress(database, MESSAGE + 1)).accepted == 200


async def test_nothing_to_record_is_no_error(database: Database) -> None:
    assert await record(database) == set()


async def test_senders_that_record_the_same_results_at_once_count_them_once(database: Database) -> None:
    flushes = []
    for start in range(8):
        some = [result(n, message_id=MESSAGE + n % 2) for n in range(start * 10, start * 10 + 80)]
        flushes.append(record(database, *(some if start % 2 else reversed(some))))
    changed = await asyncio.gather(*flushes)
    assert sum(len(each) for each in changed) == 150
    assert (await progress(database)).accepted + (await progress(database, MESSAGE + 1)).accepted == 150


async def test_what_is_left_of_a_reclaimed_batch_is_known(database: Database) -> None:
    ids = [1, 2, 3, 4]

    async def at_attempt(attempt: int) -> set[int] | None:
        return await database.read(lambda tx: deliveries.at_attempt(tx, SITE, MESSAGE, ids, attempt))

    assert await at_attempt(1) is None
    assert await at_attempt(2) == set()
    await record(database, result(1), result(2, outcome=None), result(3, outcome=None))
    assert await at_attempt(1) == {4}
    assert await at_attempt(2) == {2, 3}
    await record(database, result(2, attempt=2, outcome=None))
    assert await at_attempt(2) == {3}
    assert await at_attempt(3) == {2}
    await record(database, *(result(n, message_id=MESSAGE + 1, outcome=None) for n in ids))
    assert await database.read(lambda tx: deliveries.at_attempt(tx, SITE, MESSAGE + 1, ids, 2)) is None


async def test_who_was_called_gone_and_is_asked_again_is_known(database: Database) -> None:
    await record(
        database,
        result(1, outcome=None, code=410),
        result(2, outcome=None, code=503),
        result(3, outcome=Outcome.GONE, code=410),
        result(4, outcome=None, code=404),
    )
    ids = [1, 2, 3, 4, 5]
    assert await database.read(lambda tx: deliveries.called_gone(tx, SITE, MESSAGE, ids)) == {1, 4}
    await record(database, result(4, attempt=2, outcome=None, code=503))
    assert await database.read(lambda tx: deliveries.called_gone(tx, SITE, MESSAGE, ids)) == {1}


async def test_deliveries_are_listed_by_outcome(database: Database) -> None:
    skip = result(3, outcome=Outcome.SKIPPED, reason=SkipReason.UNSUBSCRIBED, code=None)
    await record(database, result(1), result(2, outcome=Outcome.REJECTED, code=400, reason="bad"), skip)
    await record(database, result(4, outcome=None, code=429), result(5, outcome=Outcome.REJECTED, code=413))

    async def page(after: int = 0, limit: int = 10, outcome: Outcome | None = None) -> list[int]:
        found = await database.read(lambda tx: deliveries.page(tx, SITE, MESSAGE, after, limit, outcome))
        return [each.subscription_id for each in found]

    assert await page() == [1, 2, 3, 4, 5]
    assert await page(2, 2) == [3, 4]
    assert await page(outcome=Outcome.REJECTED) == [2, 5]
    (second, third) = await database.read(lambda tx: deliveries.page(tx, SITE, MESSAGE, 1, 2))
    assert tuple(second) == (2, 1, 0, Outcome.REJECTED, "bad", 400, NOW)
    assert (third.outcome, third.reason, third.code) == (Outcome.SKIPPED, "unsubscribed", None)


async def test_the_failure_list_leaves_out_who_was_reached_skipped_or_is_still_waiting(
    database: Database,
) -> None:
    outcomes = [*Outcome, None]
    results = [
        result(n, outcome=outcome, reason="cancelled" if outcome is Outcome.SKIPPED else "why", code=None)
        for n, outcome in enumerate(outcomes, start=1)
    ]
    await database.write(lambda tx: deliveries.record(tx, results))
    left_out = {Outcome.ACCEPTED, Outcome.SKIPPED, None}
    failed = [n for n, outcome in enumerate(outcomes, start=1) if outcome not in left_out]

    found = await database.read(lambda tx: deliveries.failed_page(tx, SITE, MESSAGE))
    assert [each.subscription_id for each in found] == failed
    paged = await database.read(lambda tx: deliveries.failed_page(tx, SITE, MESSAGE, failed[1], 2))
    assert [each.subscription_id for each in paged] == failed[2:4]
    expired = await database.read(
        lambda tx: deliveries.failed_page(tx, SITE, MESSAGE, outcome=Outcome.EXPIRED)
    )
    assert [each.outcome for each in expired] == [Outcome.EXPIRED]
