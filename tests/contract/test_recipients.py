"""Uploaded lists of recipients: written once, shared, walked by subscription, removed in the end."""

from typing import Any

import pytest

from storage import messages, recipients, subscriptions
from storage.database import Database
from storage.messages import MessageState
from storage.subscription import RecipientRow
from storage.subscriptions import SubscriptionState
from tests.contract.rows import MESSAGE, NOW, SITE, add_site, message, new_subscription

LIST = 77
DAY = 24 * 3_600_000


@pytest.fixture(autouse=True)
async def upload(database: Database) -> None:
    """A list of a, b and c for a message."""
    await add_site(database)
    await database.write(lambda tx: messages.add(tx, message()))
    await database.write(lambda tx: recipients.begin(tx, SITE, LIST, MESSAGE, NOW))
    rows = [(name, f'{{"n":"{name}"}}') for name in "abc"]
    assert await database.write(lambda tx: recipients.add_many(tx, SITE, LIST, rows)) == {"a", "b", "c"}


async def use(database: Database, message_id: int = MESSAGE, list_id: int = LIST) -> bool:
    return await database.write(lambda tx: recipients.use(tx, SITE, list_id, message_id, NOW))


async def forget(database: Database, now: int) -> int:
    total = 0
    while removed := await database.write(lambda tx: recipients.forget(tx, now - DAY, now - DAY, 2)):
        total += removed
    return total


async def add(database: Database, id: int, name: str | None, **changes: Any) -> None:
    new = new_subscription(id, external_id=name, **changes)
    await database.write(lambda tx: subscriptions.register(tx, SITE, id, new, NOW))


async def walk(database: Database, size: int, ceiling: int = 2**62) -> list[int]:
    found: list[int] = []
    cursor, last = 0, False
    while not last:
        rows, cursor, last = await database.read(
            lambda tx, c=cursor: recipients.step(tx, SITE, LIST, c, ceiling, size)  # type: ignore[misc]
        )
        found += [row[0] for row in rows]
    return found


async def test_of_a_name_the_first_counts(database: Database) -> None:
    rows = [("b", "{}"), ("d", "{}")]
    assert await database.write(lambda tx: recipients.add_many(tx, SITE, LIST, rows)) == {"d"}
    found = await database.read(lambda tx: recipients.data(tx, SITE, LIST, ["b", "d", "x"]))
    assert found == {"b": '{"n":"b"}', "d": "{}"}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_active_subscriptions_of_the_names_are_walked_once(database: Database, size: int) -> None:
    for id, name in enumerate(["a", "x", "b", None, "a", "c", "y"], start=1):
        await add(database, id, name)
    await database.write(lambda tx: subscriptions.end(tx, SITE, 3, SubscriptionState.GONE, NOW))
    await add(database, 50, "c")
    assert await walk(database, size, ceiling=49) == [1, 5, 6]


async def test_a_step_tells_what_a_plan_needs(database: Database) -> None:
    await add(database, 1, "a", timezone="Europe/Berlin")
    step = await database.read(lambda tx: recipients.step(tx, SITE, LIST, 0, 9, 9, details=True))
    [row] = [RecipientRow._make(row) for row in step.rows]
    assert (row.id, row.provider, row.timezone) == (1, "fcm", "Europe/Berlin")


async def test_members_are_told_what_is_theirs(database: Database) -> None:
    for id, name in enumerate(["a", "x", "b", None], start=1):
        await add(database, id, name)
    found = await database.read(lambda tx: recipients.of_members(tx, SITE, LIST, [1, 2, 3, 4, 5]))
    assert found == {1: '{"n":"a"}', 3: '{"n":"b"}'}


async def test_names_that_nobody_has_are_counted_page_by_page(database: Database) -> None:
    await add(database, 1, "b")
    await database.write(lambda tx: subscriptions.end(tx, SITE, 1, SubscriptionState.UNSUBSCRIBED, NOW))
    assert await database.read(lambda tx: recipients.unknown_after(tx, SITE, LIST, "", 2)) == (1, "b")
    assert await database.read(lambda tx: recipients.unknown_after(tx, SITE, LIST, "b", 2)) == (1, None)


async def test_a_list_stays_as_long_as_a_message_has_it(database: Database) -> None:
    assert await use(database)
    await database.write(lambda tx: messages.add(tx, message(502, state=MessageState.DRAFT)))
    assert await use(database, 502)
    late = NOW + 100 * DAY
    for id in (MESSAGE, 502):
        assert await forget(database, late) == 0
        await database.write(
            lambda tx, id=id: messages.transition(  # type: ignore[misc]
                tx, id, set(MessageState), MessageState.CANCELLED, None, NOW
            )
        )
    assert await forget(database, NOW + DAY // 2) == 0
    assert await forget(database, late) == 5  # three names, and both messages that had it
    assert not await use(database)


async def test_a_series_keeps_its_list_until_its_last_occurrence_has_ended(database: Database) -> None:
    await use(database)
    occurrence = message(503, kind=messages.MessageKind.OCCURRENCE, parent_id=MESSAGE)
    await database.write(lambda tx: messages.add(tx, occurrence))
    for id, removed in ((MESSAGE, 0), (503, 4)):
        await database.write(
            lambda tx, id=id: messages.transition(  # type: ignore[misc]
                tx, id, set(MessageState), MessageState.CANCELLED, None, NOW
            )
        )
        assert await forget(database, NOW + 2 * DAY) == removed


async def test_an_upload_that_was_never_completed_is_removed(database: Database) -> None:
    assert await forget(database, NOW + DAY // 2) == 0
    assert await forget(database, NOW + 2 * DAY) == 4


async def test_the_list_before_is_removed_and_the_new_one_stays(database: Database) -> None:
    await use(database)
    await database.write(lambda tx: recipients.begin(tx, SITE, 78, MESSAGE, NOW))
    await database.write(lambda tx: recipients.add_many(tx, SITE, 78, [("z", "{}")]))
    assert await use(database, list_id=78)
    assert await forget(database, NOW + 2 * DAY) == 4
    assert await database.read(lambda tx: recipients.data(tx, SITE, 78, ["z"])) == {"z": "{}"}


async def test_what_was_uploaded_for_a_visitor_goes_with_the_last_of_their_subscriptions(
    database: Database,
) -> None:
    async def told() -> set[str]:
        return set(await database.read(lambda tx: recipients.data(tx, SITE, LIST, ["a", "b", "c"])))

    await add(database, 1, "a")
    await add(database, 2, "a", auth=b"x" * 16)
    await add(database, 3, None)
    for id in (3, 1):
        await database.write(lambda tx, id=id: subscriptions.erase(tx, SITE, id, NOW))  # type: ignore[misc]
        assert await told() == {"a", "b", "c"}
    await database.write(lambda tx: subscriptions.erase(tx, SITE, 2, NOW))
    assert await told() == {"b", "c"}
