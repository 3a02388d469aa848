import pytest

from storage import throttles
from storage.database import Database, Transaction
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, FOR_GOOD, MOST_FAILURES, TRUSTED, Throttle
from tests.contract.rows import NOW, SITE


async def hold(database: Database, until: int, reason: str = "retry_after", now: int = NOW) -> None:
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", until, reason, now))


async def only(database: Database) -> Throttle:
    (found,) = await database.read(throttles.all)
    return found


async def test_a_hold_says_what_is_held_until_when_and_why(database: Database) -> None:
    await hold(database, NOW + 60)
    assert await only(database) == Throttle(SITE, "fcm", NOW + 60, "retry_after", NOW, 0, None, 0)


async def test_of_two_holds_the_later_wins_with_its_reason(database: Database) -> None:
    await hold(database, NOW + 60, "breaker")
    await hold(database, NOW + 50, "retry_after", NOW + 10)
    assert (await only(database)).reason == "breaker"
    await hold(database, NOW + 90, "retry_after", NOW + 20)
    found = await only(database)
    assert (found.not_before, found.reason, found.since) == (NOW + 90, "retry_after", NOW)


async def test_a_hold_after_another_has_ended_begins_anew(database: Database) -> None:
    await hold(database, NOW + 60)
    await hold(database, NOW + 200, now=NOW + 100)
    assert (await only(database)).since == NOW + 100


@pytest.mark.parametrize(
    ("failures", "pause", "since"), [(2, 599_999, NOW), (2, 600_000, NOW + 600_060), (1, 100, NOW + 160)]
)
async def test_a_failure_that_is_not_the_first_goes_on_with_a_hold_less_than_ten_minutes_ago(
    database: Database, failures: int, pause: int, since: int
) -> None:
    now = NOW + 60 + pause
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", NOW + 60, "retry_after", NOW, 1))
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", now + 60, "retry_after", now, failures))
    found = await only(database)
    assert (found.since, found.failures) == (since, failures)


async def test_failures_of_long_ago_are_not_counted_on(database: Database) -> None:
    now = NOW + 60 + 600_000
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", NOW + 60, "retry_after", NOW, 9))
    await database.write(lambda tx: throttles.hold(tx, SITE, "fcm", now + 60, "retry_after", now, 1))
    assert (await only(database)).failures == 1


async def test_held_lists_providers_first_and_then_the_sites_that_are_held_longest(
    database: Database,
) -> None:
    async def fill(tx: Transaction) -> None:
        await throttles.hold(tx, EVERY_SITE, "apple", FOR_GOOD, "mass_gone", NOW)
        await throttles.hold(tx, EVERY_SITE, "fcm", NOW, "breaker", NOW, 1)
        await throttles.hold(tx, EVERY_SITE, "other", NOW + 1, "breaker", NOW, 1)
        await throttles.hold(tx, SITE, EVERY_PROVIDER, NOW + 5, "retry_after", NOW)
        await throttles.hold(tx, SITE + 1, "fcm", FOR_GOOD, "retry_after", NOW)
        await throttles.hold(tx, SITE, "fcm", NOW, "retry_after", NOW, 1)
        await throttles.set_rate(tx, SITE, "wns", 9)

    await database.write(fill)
    found = await database.read(lambda tx: throttles.held(tx, NOW))
    assert [(each.site_id, each.provider) for each in found] == [
        (EVERY_SITE, "apple"),
        (EVERY_SITE, "other"),
        (SITE + 1, "fcm"),
        (SITE, EVERY_PROVIDER),
    ]
    assert await database.read(lambda tx: throttles.held(tx, NOW, 3)) == found[:3]


async def test_a_released_hold_keeps_its_rate(database: Database) -> None:
    await database.write(lambda tx: throttles.set_rate(tx, SITE, "fcm", 50))
    await hold(database, NOW + 60)
    assert await database.write(lambda tx: throttles.release(tx, SITE, "fcm")) is True
    assert await only(database) == Throttle(SITE, "fcm", 0, None, None, 0, 50, 0)
    assert await database.write(lambda tx: throttles.release(tx, SITE, "wns")) is False


async def test_an_outage_that_two_senders_see_counts_once(database: Database) -> None:
    async def fail(until: int, failures: int) -> None:
        await database.write(
            lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", until, "breaker", NOW, failures)
        )

    await fail(NOW + 5, 1)
    await fail(NOW + 6, 1)
    assert ((await only(database)).not_before, (await only(database)).failures) == (NOW + 6, 1)
    await fail(NOW + 15, 2)
    assert (await only(database)).failures == 2
    await database.write(lambda tx: throttles.recover(tx, EVERY_SITE, "fcm"))
    assert (await only(database)).failures == 0


async def test_a_confirmed_provider_is_not_held_and_trusted_for_a_day_whatever_holds_follow(
    database: Database,
) -> None:
    await database.write(lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", FOR_GOOD, "mass_gone", NOW))
    await database.write(lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", NOW + 5, "breaker", NOW, 1))
    assert (await only(database)).reason == "mass_gone"
    await database.write(lambda tx: throttles.confirm(tx, "fcm", NOW + 9))
    found = await only(database)
    assert found == Throttle(EVERY_SITE, "fcm", 0, None, None, 0, None, 0, NOW + 9 + TRUSTED)
    await database.write(lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", NOW + 20, "breaker", NOW + 10, 1))
    await database.write(lambda tx: throttles.release(tx, EVERY_SITE, "fcm"))
    assert (await only(database)).trusted_until == NOW + 9 + TRUSTED
    assert await database.write(lambda tx: throttles.forget(tx, NOW + 9 + TRUSTED)) == 0
    assert await database.write(lambda tx: throttles.forget(tx, NOW + 10 + TRUSTED)) == 1


async def test_senders_hear_of_providers_and_of_sites_that_are_held_or_have_failed_of_late(
    database: Database,
) -> None:
    async def fill(tx: Transaction) -> None:
        await throttles.hold(tx, EVERY_SITE, "apple", NOW - 9, "breaker", NOW - 99, 1)
        await throttles.hold(tx, SITE, "fcm", NOW + 5, "retry_after", NOW)
        await throttles.hold(tx, SITE, "wns", NOW, "retry_after", NOW)
        await throttles.hold(tx, SITE, "mozilla", NOW - 599_999, "retry_after", NOW - 700_000, 2)
        await throttles.hold(tx, SITE, "other", NOW - 600_000, "retry_after", NOW - 700_000, 2)

    await database.write(fill)
    found = await database.read(lambda tx: throttles.in_force(tx, NOW))
    assert {(each.site_id, each.provider) for each in found} == {
        (EVERY_SITE, "apple"),
        (SITE, "fcm"),
        (SITE, "mozilla"),
    }


@pytest.mark.parametrize("rate", [None, 7])
async def test_rows_that_say_nothing_any_more_are_forgotten(database: Database, rate: int | None) -> None:
    await hold(database, NOW)
    await database.write(lambda tx: throttles.set_rate(tx, SITE, "fcm", rate))
    assert await database.write(lambda tx: throttles.forget(tx, NOW)) == 0
    assert await database.write(lambda tx: throttles.forget(tx, NOW + 1)) == (rate is None)


async def test_a_push_service_may_be_dead_for_weeks(database: Database) -> None:
    await database.write(
        lambda tx: throttles.hold(tx, EVERY_SITE, "fcm", NOW + 1, "breaker", NOW, failures=40_000)
    )
    [row] = await database.read(throttles.all)
    assert row.failures == MOST_FAILURES
