"""How a site's subscribers become more and fewer: counted on every way in and out."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from storage import growth, subscriptions
from storage.database import Database
from storage.growth import MOVES, Move
from storage.rollups import HOUR
from storage.subscriptions import Gone, SubscriptionState
from tests.contract.rows import NOW, SITE, new_subscription

LATER = NOW + HOUR


async def register(database: Database, id: int, now: int = NOW, **changes: object) -> None:
    new = new_subscription(id, **changes)
    await database.write(lambda tx: subscriptions.register(tx, SITE, id, new, now))


async def moves(database: Database, start: int = NOW, end: int = NOW + 100 * HOUR) -> Mapping[Move, int]:
    """Those that are not 0."""
    rows = await database.read(lambda tx: growth.by_part(tx, SITE, start, end, 0, 1_000 * HOUR))
    total: Counter[Move] = Counter()
    for _, *counts in rows:
        total.update(dict(zip(MOVES, counts, strict=True)))
    return {move: n for move, n in total.items() if n}


async def active(database: Database) -> int:
    """By the counters, which must be what is stored."""
    counted = await database.read(lambda tx: growth.active(tx, SITE))
    stored = await database.read(lambda tx: subscriptions.count_by_state(tx, SITE))
    assert counted == stored.get(SubscriptionState.ACTIVE, 0)
    return counted


async def gone(database: Database, id: int, at: int = NOW) -> None:
    endpoint = new_subscription(id).endpoint
    await database.write(lambda tx: subscriptions.gone(tx, [Gone(SITE, id, endpoint, at)]))


async def test_a_subscription_counts_once_however_often_its_browser_comes_back(database: Database) -> None:
    await register(database, 1)
    await register(database, 1, LATER)
    assert await moves(database) == {Move.SUBSCRIBED: 1}
    assert await active(database) == 1


async def test_who_comes_back_after_the_end_counts_as_resubscribed(database: Database) -> None:
    await register(database, 1)
    ended = SubscriptionState.UNSUBSCRIBED
    await database.write(lambda tx: subscriptions.end(tx, SITE, 1, ended, LATER))
    assert await active(database) == 0
    await database.write(lambda tx: subscriptions.end(tx, SITE, 1, ended, LATER))  # changes nothing
    await register(database, 1, LATER)
    assert await moves(database, end=LATER) == {Move.SUBSCRIBED: 1}
    assert await moves(database, LATER) == {Move.UNSUBSCRIBED: 1, Move.RESUBSCRIBED: 1}
    assert await active(database) == 1


async def test_an_import_counts_whom_it_adds(database: Database) -> None:
    await register(database, 1)
    page = [(id, new_subscription(id)) for id in (1, 2, 3)]
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, page, LATER))
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, page, LATER))
    assert await moves(database, LATER) == {Move.SUBSCRIBED: 2}
    assert await active(database) == 3


async def test_what_never_accepted_a_push_is_told_apart_from_what_is_gone(database: Database) -> None:
    for id in (1, 2):
        await register(database, id)
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [1], NOW))
    for id in (1, 2, 2):
        await gone(database, id, LATER)
    assert await moves(database, LATER) == {Move.GONE: 1, Move.NEVER_WORKED: 1}
    # It is forgotten the day after: it was counted when it was lost.
    assert await database.write(lambda tx: subscriptions.forget_never_accepted(tx, LATER + 1)) == 1
    assert await moves(database, LATER) == {Move.GONE: 1, Move.NEVER_WORKED: 1}
    assert await active(database) == 0


async def test_what_is_expired_or_erased_is_lost_once(database: Database) -> None:
    for id in (1, 2):
        await register(database, id, expires_at=LATER)
    await register(database, 3)
    assert await database.write(lambda tx: subscriptions.expire_due(tx, LATER)) == 2
    for id in (1, 3, 3):
        await database.write(lambda tx, id=id: subscriptions.erase(tx, SITE, id, LATER))  # type: ignore[misc]
    assert await moves(database, LATER) == {Move.EXPIRED: 2, Move.ERASED: 1}
    assert await active(database) == 0


async def test_what_a_push_service_wrongly_called_gone_was_never_lost(database: Database) -> None:
    for id in (1, 2):
        await register(database, id)
        await gone(database, id, LATER)
    assert await moves(database, LATER) == {Move.NEVER_WORKED: 2}
    reverted = await database.write(lambda tx: subscriptions.revert_gone(tx, "fcm", LATER, LATER, 1))
    assert reverted == 1
    assert await moves(database, LATER) == {Move.NEVER_WORKED: 1}
    assert await active(database) == 1


async def test_a_browser_that_moves_to_a_known_endpoint_is_one_fewer(database: Database) -> None:
    for id in (1, 2):
        await register(database, id)
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [1], NOW))
    new = new_subscription(2)
    await database.write(lambda tx: subscriptions.replace(tx, SITE, 1, new, LATER))
    assert await moves(database, LATER) == {Move.GONE: 1}
    assert await active(database) == 1


async def test_many_at_once_are_counted_one_by_one(database: Database) -> None:
    page = [(id, new_subscription(id)) for id in range(100, 130)]

    async def come_and_go(id: int) -> None:
        await register(database, id)
        await gone(database, id)
        await register(database, id)

    await asyncio.gather(
        *(come_and_go(id) for id in range(1, 21)),
        database.write(lambda tx: subscriptions.add_many(tx, SITE, page, NOW)),
    )
    assert await moves(database) == {Move.SUBSCRIBED: 50, Move.NEVER_WORKED: 20, Move.RESUBSCRIBED: 20}
    assert await active(database) == 50
