"""Series and what has just happened, as storage keeps them."""

from typing import Any

from storage import messages
from storage.database import Database
from storage.messages import MessageKind, MessageState
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, message

SERIES = 400


async def add(database: Database, id: int, site_id: int = SITE, **changes: Any) -> None:
    await database.write(lambda tx: messages.add(tx, message(id, site_id, **changes)))


async def add_occurrence(database: Database, id: int, series: int = SERIES, **changes: Any) -> None:
    await add(database, id, kind=MessageKind.OCCURRENCE, parent_id=series, **changes)


async def move(database: Database, state: MessageState, from_at: int, to_at: int | None) -> bool:
    over = to_at is None
    return await database.write(
        lambda tx: messages.move_series(
            tx,
            SERIES,
            state,
            from_at,
            state=MessageState.SENT if over else MessageState.SCHEDULED,
            reason="over" if over else None,
            send_at=from_at if to_at is None else to_at,
            ended_at=NOW if over else None,
        )
    )


async def test_a_series_moves_from_where_it_stands_only(database: Database) -> None:
    await add_site(database)
    await add(database, SERIES, kind=MessageKind.SERIES)
    assert not await move(database, MessageState.SCHEDULED, NOW - 1, NOW + 10)
    assert not await move(database, MessageState.PAUSED, NOW, NOW + 10)
    assert await move(database, MessageState.SCHEDULED, NOW, NOW + 10)
    assert not await move(database, MessageState.SCHEDULED, NOW, NOW + 10)
    assert await move(database, MessageState.SCHEDULED, NOW + 10, None)
    stored = (await database.read(lambda tx: messages.by_ids(tx, [SERIES])))[SERIES]
    assert (stored.state, stored.state_reason, stored.send_at) == (MessageState.SENT, "over", NOW + 10)
    assert stored.ended_at == NOW


async def test_only_a_series_moves(database: Database) -> None:
    await add_site(database)
    await add(database, SERIES)
    assert not await move(database, MessageState.SCHEDULED, NOW, NOW + 10)


async def test_occurrences_come_in_pages_without_those_of_others(database: Database) -> None:
    await add_site(database)
    for id in (501, 502, 503):
        await add_occurrence(database, id)
    await add_occurrence(database, 504, series=401)
    await add(database, 505, parent_id=SERIES)  # a replay, say

    async def page(before: int | None, limit: int, site_id: int = SITE) -> list[int]:
        found = await database.read(lambda tx: messages.page_of_series(tx, site_id, SERIES, before, limit))
        assert all(each.audience_spec == "" for each in found)
        return [each.id for each in found]

    assert await page(None, 2) == [503, 502]
    assert await page(502, 2) == [501]
    assert await page(None, 2, SITE + 1) == []


async def test_the_last_occurrence_is_overtaken_unless_it_has_started(database: Database) -> None:
    await add_site(database)

    async def overtake() -> bool:
        return await database.write(lambda tx: messages.overtake(tx, SERIES, "the next came", NOW + 1))

    assert not await overtake()
    await add_occurrence(database, 501)
    assert await overtake()
    stored = (await database.read(lambda tx: messages.by_ids(tx, [501])))[501]
    assert (stored.state, stored.ended_at) == (MessageState.EXPIRED, NOW + 1)
    assert stored.state_reason == "the next came"
    await add_occurrence(database, 502, state=MessageState.SENDING)
    assert not await overtake()


async def test_what_goes_on_is_found_before_what_has_just_ended_and_nothing_else(database: Database) -> None:
    await add_site(database)
    await add_site(database, SITE + 1)
    await add_sending(database, MESSAGE)
    await add(database, 502)
    await add(database, 503, state=MessageState.PAUSED)
    await add(database, 504, state=MessageState.SENDING, lane=0)
    await add(database, 601, state=MessageState.SENT, ended_at=NOW)
    await add(database, 602, state=MessageState.EXPIRED, ended_at=NOW - 1)
    await add(database, 603, SITE + 1, state=MessageState.PAUSED)
    await add(database, 604, SITE + 1, state=MessageState.SENT, ended_at=NOW)

    async def live(limit: int, since: int = NOW) -> list[int]:
        found = await database.read(lambda tx: messages.live(tx, SITE, since, limit))
        return [each.id for each in found]

    assert await live(10) == [503, MESSAGE, 504, 601]
    assert await live(10, NOW - 1) == [503, MESSAGE, 504, 602, 601]
    assert await live(2) == [503, MESSAGE, 601]
    assert await live(1) == [503, 601]


async def test_a_change_before_the_start_may_make_a_series_of_a_message(database: Database) -> None:
    await add_site(database)
    await add(database, SERIES)
    await database.write(
        lambda tx: messages.update_before_start(tx, message(SERIES, kind=MessageKind.SERIES))
    )
    stored = await database.read(lambda tx: messages.get(tx, SITE, SERIES))
    assert stored.kind is MessageKind.SERIES
