"""A database that was used before there were statistics has them from its rows."""

import sqlite3

import asyncpg

from storage import growth, rollups
from storage.growth import MOVES, Move
from storage.opening import open_database
from storage.rollups import HOUR, TOTALS
from tests.contract.rows import MESSAGE, NOW, SITE
from tests.contract.test_migrations import _migrate_up_to

BEFORE = 13

_SUBSCRIPTION = (
    "insert into subscriptions (site_id, id, provider, key_id, endpoint, endpoint_hash, p256dh, auth, state,"
    " created_at, seen_at, ended_at, never_accepted)"
    " values ({site}, {id}, 'fcm', 1, 'e', {hash}, {hash}, {hash}, '{state}', {created}, 0, {ended}, {never})"
)
_ROLLUP = "insert into rollups values ({site}, {message}, 0, '{provider}', {hour}, '{kind}', {n})"


def _old_rows(hash: str) -> list[str]:
    states = [("active", "null", 0), ("gone", NOW + HOUR + 5, 0), ("gone", NOW + HOUR, 1), ("erased", NOW, 0)]
    rows = [
        _SUBSCRIPTION.format(
            site=SITE, id=id, state=state, created=NOW + 7, ended=ended, never=never, hash=hash.format(id)
        )
        for id, (state, ended, never) in enumerate(states, start=1)
    ]
    counted = [
        (MESSAGE, "fcm", NOW, "accepted", 5),
        (MESSAGE, "fcm", NOW, "skipped:cancelled", 2),
        (MESSAGE, "fcm", NOW, "too_large", 1),
        (MESSAGE, "fcm", NOW, "retrying", 3),
        (MESSAGE + 1, "fcm", NOW, "accepted", 1),
        (MESSAGE, "wns", NOW + HOUR, "displayed", 4),
        (0, "fcm", NOW, "unsubscribed", 1),
    ]
    return rows + [
        _ROLLUP.format(site=SITE, message=message, provider=provider, hour=hour, kind=kind, n=n)
        for message, provider, hour, kind, n in counted
    ]


async def test_what_was_counted_before_is_in_the_statistics(empty_database_url: str) -> None:
    await _migrate_up_to(empty_database_url, BEFORE)
    if empty_database_url.startswith("sqlite"):
        raw = sqlite3.connect(empty_database_url.removeprefix("sqlite:///"), isolation_level=None)
        for statement in _old_rows("x'{:02}'"):
            raw.execute(statement)
        raw.close()
    else:
        connection = await asyncpg.connect(empty_database_url)
        for statement in _old_rows("'\\x{:02}'"):
            await connection.execute(statement)
        await connection.close()
    database = await open_database(empty_database_url, migrate=True)

    rows = await database.read(lambda tx: rollups.by_part(tx, SITE, NOW, NOW + 9 * HOUR, 0, HOUR))
    found = {
        (part * HOUR - NOW, provider, name): n
        for part, provider, *counts in rows
        for name, n in zip(TOTALS, counts, strict=True)
        if n
    }
    assert found == {
        (0, "fcm", "accepted"): 6,
        (0, "fcm", "skipped"): 2,
        (0, "fcm", "failed"): 1,
        (0, "fcm", "unsubscribed"): 1,
        (HOUR, "wns", "displayed"): 4,
    }
    moved = await database.read(lambda tx: growth.by_part(tx, SITE, NOW, NOW + 9 * HOUR, 0, HOUR))
    by_hour = {part * HOUR - NOW: dict(zip(MOVES, counts, strict=True)) for part, *counts in moved}
    assert by_hour[0] == {**dict.fromkeys(MOVES, 0), Move.SUBSCRIBED: 4, Move.ERASED: 1}
    assert by_hour[HOUR] == {**dict.fromkeys(MOVES, 0), Move.GONE: 1, Move.NEVER_WORKED: 1}
    assert await database.read(lambda tx: growth.active(tx, SITE)) == 1
    await database.close()
