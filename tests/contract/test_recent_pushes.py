"""Pushes that a frequency cap counts, held against a simple model."""

import random

from storage import recent_pushes, subscriptions
from storage.database import Database
from storage.recent_pushes import RecentPush
from storage.subscriptions import Change
from tests.contract.rows import HOUR, NOW, SITE, add_site, new_subscription

NEVER = 2**62
IDS = list(range(1, 21))


async def full(database: Database, now: int, messages: int, minutes: int | None = None) -> set[int]:
    none_since = NEVER if minutes is None else now - minutes * 60_000
    return await database.read(
        lambda tx: recent_pushes.full(
            tx, SITE, IDS, since=now - 24 * HOUR, messages=messages, none_since=none_since
        )
    )


async def add(database: Database, *pushes: RecentPush) -> None:
    await database.write(lambda tx: recent_pushes.add(tx, pushes))


def push(subscription: int, message: int, at: int, site: int = SITE) -> RecentPush:
    return RecentPush(site, subscription, message, at, at + 24 * HOUR)


async def test_each_message_counts_once(database: Database) -> None:
    for at in (NOW, NOW + 1):
        await add(database, push(1, 501, at), push(1, 501, at))
    assert await full(database, NOW + HOUR, 2) == set()
    await add(database, push(1, 502, NOW), push(2, 502, NOW, site=12))
    assert await full(database, NOW + HOUR, 2) == {1}


async def test_a_push_counts_until_it_is_as_old_as_the_window(database: Database) -> None:
    await add(database, push(1, 501, NOW))
    assert await full(database, NOW + 24 * HOUR - 1, 1) == {1}
    assert await full(database, NOW + 24 * HOUR, 1) == set()


async def test_whoever_is_full_is_as_in_the_model(database: Database) -> None:
    chance = random.Random(4)
    pushes = [push(chance.choice(IDS), message, NOW + chance.randrange(48 * HOUR)) for message in range(60)]
    await add(database, *pushes)
    for hours, messages, minutes in [(24, 1, None), (30, 2, None), (36, 3, 60), (47, 9, 200)]:
        now = NOW + hours * HOUR
        ats = {id: [each.at for each in pushes if each.subscription_id == id] for id in IDS}
        expected = {
            id
            for id, seen in ats.items()
            if len([at for at in seen if at > now - 24 * HOUR]) >= messages
            or (minutes is not None and any(at > now - minutes * 60_000 for at in seen))
        }
        assert await full(database, now, messages, minutes) == expected


async def test_what_counts_no_more_is_forgotten_some_at_a_time(database: Database) -> None:
    await add(database, *(push(id, 501, NOW) for id in IDS), push(1, 502, NOW + HOUR))
    later = NOW + 24 * HOUR
    assert await database.write(lambda tx: recent_pushes.forget(tx, later - 1, 10)) == 0
    assert await database.write(lambda tx: recent_pushes.forget(tx, later, 15)) == 15
    assert await database.write(lambda tx: recent_pushes.forget(tx, later, 15)) == 5
    assert await full(database, later, 1) == {1}
    await database.write(lambda tx: recent_pushes.erase(tx, SITE, 1))
    assert await full(database, later, 1) == set()


async def test_those_who_left_a_category_are_found(database: Database) -> None:
    await add_site(database)
    for id in (1, 2, 3):
        new = new_subscription(id, opted_out=("news", "offers") if id == 3 else ())
        await database.write(lambda tx, id=id, new=new: subscriptions.register(tx, SITE, id, new, NOW))  # type: ignore[misc]
    change = Change(opted_out=("offers",))
    await database.write(lambda tx: subscriptions.change(tx, SITE, 1, change))
    assert await database.read(lambda tx: subscriptions.opted_out(tx, SITE, [1, 2, 3], "offers")) == {1, 3}
    assert await database.read(lambda tx: subscriptions.opted_out(tx, SITE, [1, 2], "news")) == set()


async def test_an_import_makes_nobody_come_back_to_a_category(database: Database) -> None:
    await add_site(database)
    await database.write(
        lambda tx: subscriptions.register(tx, SITE, 1, new_subscription(1, opted_out=("news",)), NOW)
    )
    rows = [(2, new_subscription(1, opted_out=("offers",))), (3, new_subscription(1))]
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, rows, NOW))
    await database.write(lambda tx: subscriptions.register(tx, SITE, 4, new_subscription(1), NOW))
    found = await database.read(lambda tx: subscriptions.get(tx, SITE, 1))
    assert found.opted_out == ("news", "offers")
