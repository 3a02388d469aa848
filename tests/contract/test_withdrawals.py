"""What it takes to withdraw a message, on both databases."""

from storage import deliveries, events, messages, subscriptions, withdrawals
from storage.database import Database
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.messages import MessageKind, MessageState
from storage.withdrawals import PushLocation, Withdrawal
from tests.contract.rows import HOUR, MESSAGE, NOW, SITE, add_site, message, new_subscription


def location(subscription: int, message: int = MESSAGE, forget_at: int = NOW + HOUR) -> PushLocation:
    return PushLocation(
        SITE, subscription, message, f"https://push.example.net/m/{message}-{subscription}", forget_at
    )


async def add(database: Database, *found: PushLocation) -> None:
    await database.write(lambda tx: withdrawals.add_locations(tx, found))


async def known(database: Database, message: int = MESSAGE) -> list[int]:
    found = await database.read(lambda tx: withdrawals.locations(tx, SITE, message, range(1, 9)))
    assert all(url.endswith(f"/{message}-{id}") for id, url in found.items())
    return sorted(found)


async def test_locations_are_found_by_message_and_subscription_and_the_first_counts(
    database: Database,
) -> None:
    await add(database, location(1), location(2), location(1, 502), location(1))
    await add(database, location(2)._replace(location="another"))
    assert await known(database) == [1, 2]
    assert await known(database, 502) == [1]
    assert await known(database, 503) == []


async def test_locations_are_forgotten_at_their_time_in_steps(database: Database) -> None:
    await add(database, *(location(id, forget_at=NOW + id) for id in range(1, 6)))
    removed = [
        await database.write(lambda tx: withdrawals.forget_locations(tx, NOW + 3, 2)) for _ in range(3)
    ]
    assert removed == [2, 1, 0]
    assert await known(database) == [4, 5]


async def test_erasing_a_subscription_forgets_where_its_pushes_are(database: Database) -> None:
    await add_site(database)
    for id in (1, 2):
        new = new_subscription(id)
        await database.write(lambda tx, id=id, new=new: subscriptions.register(tx, SITE, id, new, NOW))  # type: ignore[misc]
    await add(database, location(1), location(2), location(1, 502))
    await database.write(lambda tx: subscriptions.erase(tx, SITE, 1, NOW))
    assert await known(database) == [2]
    assert await known(database, 502) == []


async def test_whose_browser_told_anything_of_a_message_has_shown_it(database: Database) -> None:
    told = [(1, EventKind.DISPLAYED), (1, EventKind.CLICKED), (3, EventKind.CLOSED)]
    await database.write(
        lambda tx: events.record(tx, [Event(SITE, MESSAGE, id, 0, kind, None, NOW) for id, kind in told])
    )
    found = await database.read(lambda tx: withdrawals.reported(tx, SITE, MESSAGE, [1, 2, 3]))
    assert found == {1, 3}
    assert await database.read(lambda tx: withdrawals.reported(tx, SITE, 502, [1, 2, 3])) == set()


async def test_who_was_sent_it_too_long_ago_is_found(database: Database) -> None:
    sent = [Result(SITE, MESSAGE, id, "fcm", 1, 0, Outcome.ACCEPTED, None, 201, NOW + id) for id in (1, 2, 3)]
    await database.write(lambda tx: deliveries.record(tx, sent))
    found = await database.read(lambda tx: withdrawals.forgotten(tx, SITE, MESSAGE, [2, 3, 4, 1], NOW + 2))
    assert found == {1, 2}
    assert await database.read(lambda tx: withdrawals.forgotten(tx, SITE, 502, [1, 2], NOW + 2)) == set()


async def test_from_whom_a_cancelled_withdrawal_has_taken_it_back_is_found(database: Database) -> None:
    await add_site(database)
    for id, state in ((601, MessageState.CANCELLED), (602, MessageState.SENDING)):
        made = message(id, kind=MessageKind.WITHDRAWAL, parent_id=MESSAGE, state=state)
        await database.write(lambda tx, made=made: messages.add(tx, made))  # type: ignore[misc]
    ended = [(601, 1, Outcome.ACCEPTED), (601, 2, Outcome.EXPIRED), (602, 3, Outcome.ACCEPTED)]
    results = [Result(SITE, of, id, "fcm", 1, 0, outcome, None, None, NOW) for of, id, outcome in ended]
    await database.write(lambda tx: deliveries.record(tx, results))
    found = await database.read(lambda tx: withdrawals.taken_back(tx, SITE, MESSAGE, [3, 2, 1]))
    assert found == {1}


async def test_of_several_withdrawals_of_a_message_the_last_is_found(database: Database) -> None:
    await add_site(database)
    kind, cancelled = MessageKind.WITHDRAWAL, MessageState.CANCELLED
    for made in (
        message(601, kind=kind, parent_id=501, state=cancelled),
        message(603, kind=kind, parent_id=501),
        message(602, kind=kind, parent_id=502, state=cancelled),
        message(604, kind=MessageKind.TEST, parent_id=501),
    ):
        await database.write(lambda tx, made=made: messages.add(tx, made))  # type: ignore[misc]
    found = await database.read(lambda tx: withdrawals.last_of(tx, [501, 502, 503]))
    assert found == {501: Withdrawal(603, MessageState.SCHEDULED), 502: Withdrawal(602, cancelled)}


async def test_what_is_scheduled_is_put_off_once(database: Database) -> None:
    await add_site(database)
    await database.write(lambda tx: messages.add(tx, message()))
    for moved in (True, False):
        assert moved == await database.write(
            lambda tx: withdrawals.put_off(tx, MESSAGE, NOW, NOW + 1_000, "not yet")
        )
    stored = await database.read(lambda tx: messages.get(tx, SITE, MESSAGE))
    assert (stored.send_at, stored.state_reason) == (NOW + 1_000, "not yet")
