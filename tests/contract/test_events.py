import asyncio

from storage import audit, events, leases, rollups, subscriptions
from storage.audit import AuditEntry
from storage.database import Database
from storage.events import CustomEvent, Event, EventKind
from storage.rollups import Rollup
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


async def test_a_sites_own_events_are_kept_with_their_data(database: Database) -> None:
    tracked = [CustomEvent(n, SITE, 1, "bought", '{"price":5}' if n else None, NOW + n) for n in range(3)]
    for each in tracked:
        await database.write(lambda tx, each=each: events.track(tx, each))  # type: ignore[misc]
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
