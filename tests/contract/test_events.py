import asyncio

from storage import audit, events, habits, leases, rollups, site_hours, subscriptions
from storage.activity import HALF_LIFE, WEIGHT_OF_CLICK, WEIGHT_OF_DISPLAY, unpack
from storage.audit import AuditEntry
from storage.database import Database
from storage.events import CustomEvent, Event, EventKind
from storage.rollups import Rollup
from storage.subscription import RecipientRow
from tests.contract.rows import HOUR, MESSAGE, NOW, SITE, add_sending, add_site, new_subscription
from tests.eventually import eventually

DISPLAYED, CLICKED = EventKind.DISPLAYED, EventKind.CLICKED


def event(subscription_id: int, kind: EventKind = DISPLAYED, **changes: object) -> Event:
    values: dict[str, object] = {
        "site_id": SITE,
        "message_id": MESSAGE,
        "subscription_id": subscription_id,
        "variant": 0,
        "kind": kind,
        "action": None,
        "at": NOW,
    }
    return Event(**{**values, **changes})  # type: ignore[arg-type]


async def record(database: Database, *new: Event) -> int:
    return await database.write(lambda tx: events.record(tx, new))


async def test_the_first_event_of_a_kind_counts_for_its_provider_and_hour(database: Database) -> None:
    new = new_subscription(1, provider="mozilla")
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, new, NOW))
    assert (
        await record(database, event(1), event(1, at=NOW + HOUR), event(2), event(1, CLICKED, action="buy"))
        == 3
    )
    assert await record(database, event(1, at=NOW + HOUR), event(1, CLICKED)) == 0
    assert await record(database) == 0
    later = event(3, variant=2, at=NOW + HOUR + 5)
    assert await record(database, later) == 1
    assert await database.read(lambda tx: rollups.of_message(tx, SITE, MESSAGE)) == [
        Rollup(SITE, MESSAGE, 0, "mozilla", NOW, "clicked", 1),
        Rollup(SITE, MESSAGE, 0, "mozilla", NOW, "displayed", 1),
        Rollup(SITE, MESSAGE, 0, "other", NOW, "displayed", 1),
        Rollup(SITE, MESSAGE, 2, "other", NOW + HOUR, "displayed", 1),
    ]


async def test_events_that_arrive_twice_at_once_are_counted_once(database: Database) -> None:
    same = [event(n) for n in range(50)]
    counted = await asyncio.gather(*(record(database, *same) for _ in range(6)))
    assert sum(counted) == 50
    await add_site(database)
    await add_sending(database)
    assert await database.read(lambda tx: rollups.totals(tx, [MESSAGE])) == {MESSAGE: {"displayed": 50}}


async def habit_of(database: Database, id: int) -> tuple[int | None, int | None, dict[int, int]]:
    """When they last looked and clicked, and the counters that are not 0 by hour."""
    stored = await database.read(lambda tx: subscriptions.get(tx, SITE, id))
    [row] = await database.read(lambda tx: subscriptions.details(tx, SITE, [id]))
    activity = unpack(RecipientRow._make(row).activity)
    return stored.displayed_at, stored.clicked_at, {hour: n for hour, n in enumerate(activity) if n}


async def learn(database: Database) -> int:
    found = await database.read(lambda tx: habits.waiting(tx, 100))
    return await database.write(lambda tx: habits.learn(tx, found))


async def hours_of(database: Database, now: int = NOW) -> dict[int, int]:
    found = await database.read(lambda tx: site_hours.of_sites(tx, [SITE], now))
    return {hour: n for hour, n in enumerate(found.get(SITE, ())) if n}


async def test_events_tell_when_a_visitor_last_looked_and_clicked_and_at_which_hour(
    database: Database,
) -> None:
    # NOW is midnight in UTC: one in the morning in Vienna, and half past five in Calcutta.
    for id, timezone in ((1, "Europe/Vienna"), (2, "Asia/Kolkata"), (3, None)):
        new = new_subscription(id, timezone=timezone)
        await database.write(lambda tx, id=id, new=new: subscriptions.register(tx, SITE, id, new, NOW))  # type: ignore[misc]
    assert await habit_of(database, 1) == (None, None, {})
    assert await hours_of(database) == {}
    reported = [event(id) for id in (1, 2, 3, 4)] + [event(1, CLICKED, at=NOW + HOUR)]
    await database.write(lambda tx: events.record(tx, reported, {SITE: "Asia/Tokyo"}))
    await record(database, event(2, EventKind.CLOSED, at=NOW + HOUR))
    assert await hours_of(database) == {}
    assert await learn(database) == 4
    assert await learn(database) == 0
    assert await habit_of(database, 1) == (NOW, NOW + HOUR, {1: WEIGHT_OF_DISPLAY, 2: WEIGHT_OF_CLICK})
    assert await habit_of(database, 2) == (NOW, None, {5: WEIGHT_OF_DISPLAY})
    assert await habit_of(database, 3) == (NOW, None, {9: WEIGHT_OF_DISPLAY})
    seen = {1: WEIGHT_OF_DISPLAY, 2: WEIGHT_OF_CLICK, 5: WEIGHT_OF_DISPLAY, 9: WEIGHT_OF_DISPLAY}
    assert await hours_of(database) == seen


async def test_an_event_that_is_repeated_or_comes_late_moves_no_time_back(database: Database) -> None:
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(), NOW))
    await record(database, event(1, at=NOW + HOUR))
    await record(database, event(1, at=NOW + 2 * HOUR))  # the same message again
    await learn(database)
    await record(database, event(1, at=NOW, message_id=MESSAGE + 1))
    await learn(database)
    habit = await habit_of(database, 1)
    assert habit == (NOW + HOUR, None, {0: WEIGHT_OF_DISPLAY, 1: WEIGHT_OF_DISPLAY})


async def test_the_hours_of_a_site_fade_with_time(database: Database) -> None:
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(), NOW))
    await record(database, event(1, CLICKED))
    await learn(database)
    later = NOW + 2 * HALF_LIFE
    assert await hours_of(database, later) == {0: WEIGHT_OF_CLICK >> 2}
    await record(database, event(1, CLICKED, at=later, message_id=MESSAGE + 1))
    await learn(database)
    assert await hours_of(database, later) == {0: (WEIGHT_OF_CLICK >> 2) + WEIGHT_OF_CLICK}
    await record(database, event(1, CLICKED, at=NOW + HOUR, message_id=MESSAGE + 2))
    await learn(database)
    assert await hours_of(database, later + 50 * HALF_LIFE) == {}
    await record(database, event(1, at=later + 50 * HALF_LIFE, message_id=MESSAGE + 3))
    await learn(database)
    assert await hours_of(database, later + 50 * HALF_LIFE) == {0: WEIGHT_OF_DISPLAY}


async def test_two_who_learn_at_once_count_each_look_once(database: Database) -> None:
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(), NOW))
    await asyncio.gather(*(record(database, event(1, message_id=n)) for n in range(1, 21)))
    assert sum(await asyncio.gather(*(learn(database) for _ in range(6)))) == 20
    assert await habit_of(database, 1) == (NOW, None, {0: 20 * WEIGHT_OF_DISPLAY})
    assert await hours_of(database) == {0: 20 * WEIGHT_OF_DISPLAY}


async def test_nothing_is_learnt_of_a_visitor_who_was_erased_meanwhile(database: Database) -> None:
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(), NOW))
    await record(database, event(1))
    await learn(database)
    await record(database, event(1, CLICKED))
    await database.write(lambda tx: subscriptions.erase(tx, SITE, 1, NOW))
    assert await learn(database) == 1
    assert await habit_of(database, 1) == (None, None, {})


async def test_a_sites_own_events_are_kept_with_their_data(database: Database) -> None:
    tracked = [CustomEvent(n, SITE, 1, "bought", '{"price":5}' if n else None, NOW + n) for n in range(3)]
    for each in tracked:
        await database.write(lambda tx, each=each: events.track(tx, [each]))  # type: ignore[misc]
    found = await database.read(lambda tx: events.custom_of_subscription(tx, SITE, 1, 2))
    assert list(found) == [tracked[2], tracked[1]]
    assert await database.read(lambda tx: events.custom_of_subscription(tx, SITE, 2)) == []


async def test_the_audit_log_is_read_newest_first(database: Database) -> None:
    entries = [
        AuditEntry(n, SITE if n % 2 else None, "cli", "site.create", "site_x", '{"a":1}', NOW)
        for n in range(1, 6)
    ]
    for each in entries:
        await database.write(lambda tx, each=each: audit.add(tx, each))  # type: ignore[misc]
    assert await database.read(lambda tx: audit.page(tx, None, 3)) == entries[:1:-1]
    assert await database.read(lambda tx: audit.page(tx, 3)) == [entries[1], entries[0]]
    assert await database.read(lambda tx: audit.page(tx, None, 2, SITE)) == [entries[4], entries[2]]


async def test_a_lease_has_one_owner_at_a_time(database: Database) -> None:
    async def acquire(owner: str, lease: int = 60_000) -> bool:
        return await database.write(lambda tx: leases.acquire(tx, "scheduler", owner, lease))

    claims = await asyncio.gather(*(acquire(f"process {n}") for n in range(6)))
    assert sum(claims) == 1
    owner = f"process {claims.index(True)}"
    assert await acquire(owner, 1_000) is True  # its owner may renew it
    assert await acquire("other") is False
    await eventually(lambda: acquire("other"))  # it ran out
    await database.write(lambda tx: leases.release(tx, "scheduler", owner))
    assert await acquire(owner) is False  # a release by somebody else is none
    await database.write(lambda tx: leases.release(tx, "scheduler", "other"))
    assert await acquire(owner) is True
