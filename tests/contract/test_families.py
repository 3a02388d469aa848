"""Messages that are counted as one."""

from storage import families, messages, rollups, steps
from storage.database import Database
from storage.messages import MessageKind, MessageState
from storage.rollups import Rollup
from tests.contract.rows import HOUR, MESSAGE, NOW, SITE, add_site, message

ROUND, OTHER = MESSAGE + 1, MESSAGE + 2


async def test_a_step_is_counted_with_its_rounds(database: Database) -> None:
    await add_site(database)
    step = message(MESSAGE, kind=MessageKind.STEP, state=MessageState.OPEN, parent_id=9, audience=4)
    again = message(ROUND, kind=MessageKind.STEP, state=MessageState.OPEN, parent_id=9, audience=2)
    other = message(OTHER, kind=MessageKind.STEP, state=MessageState.OPEN, parent_id=9, audience=7)
    await database.write(lambda tx: messages.add(tx, step))
    await database.write(lambda tx: messages.add(tx, other))
    await database.write(lambda tx: steps.add_round(tx, MESSAGE, 1, again))
    family = await database.read(lambda tx: families.of_message(tx, SITE, MESSAGE))
    assert family == [(MESSAGE, 4), (ROUND, 2)]
    assert await database.read(lambda tx: families.of_message(tx, SITE + 1, MESSAGE)) == []

    counted = [Rollup(SITE, id, 0, "fcm", NOW + id * HOUR, "accepted", 1) for id in (MESSAGE, ROUND, OTHER)]
    await database.write(lambda tx: rollups.add_many(tx, counted))
    ids = [id for id, _ in family]
    assert await database.read(lambda tx: rollups.by_kind(tx, SITE, ids)) == [(0, "fcm", "accepted", 2)]
    both = (NOW + MESSAGE * HOUR, NOW + ROUND * HOUR)
    assert await database.read(lambda tx: rollups.hours(tx, SITE, ids)) == both
    assert await database.read(lambda tx: rollups.hours(tx, SITE, [MESSAGE + 9])) is None


async def test_a_series_is_counted_with_its_newest_occurrences(database: Database) -> None:
    await add_site(database)
    series = message(MESSAGE, kind=MessageKind.SERIES)
    await database.write(lambda tx: messages.add(tx, series))
    for number in range(1, families.MOST_OCCURRENCES + 3):
        occurrence = message(
            MESSAGE + number, kind=MessageKind.OCCURRENCE, parent_id=MESSAGE, audience=number
        )
        await database.write(lambda tx, occurrence=occurrence: messages.add(tx, occurrence))  # type: ignore[misc]
    family = await database.read(lambda tx: families.of_message(tx, SITE, MESSAGE))
    numbers = [audience for _, audience in family]
    assert numbers == [0, *range(3, families.MOST_OCCURRENCES + 3)]
