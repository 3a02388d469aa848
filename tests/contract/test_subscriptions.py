import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from storage import events, subscriptions
from storage.database import Database, Transaction
from storage.errors import Conflict, EndpointTaken, NotFound
from storage.events import CustomEvent
from storage.ids import id_ceiling
from storage.subscriptions import (
    Change,
    Gone,
    Imported,
    MemberRow,
    NewSubscription,
    Registered,
    Subscription,
    SubscriptionState,
)
from tests.contract.rows import NOW, SITE, new_subscription

ACTIVE, GONE = SubscriptionState.ACTIVE, SubscriptionState.GONE


async def register(database: Database, id: int, new: NewSubscription, now: int = NOW) -> Registered:
    return await database.write(lambda tx: subscriptions.register(tx, SITE, id, new, now))


async def get(database: Database, id: int) -> Subscription:
    return await database.read(lambda tx: subscriptions.get(tx, SITE, id))


async def test_a_new_subscription_is_stored_with_everything_said(database: Database) -> None:
    new = new_subscription(
        external_id="customer 1",
        language="de-AT",
        timezone="Europe/Vienna",
        tags=("a", 'quo"te'),
        attributes={"plan": "pro", "visits": 3, "score": 1.5, "paid": True},
        expires_at=NOW + 5,
    )
    assert await register(database, 1, new, NOW + 1) == Registered(1, created=True)
    stored = await get(database, 1)
    assert (stored.endpoint, stored.p256dh, stored.auth) == (new.endpoint, new.p256dh, new.auth)
    assert (stored.external_id, stored.language, stored.timezone) == ("customer 1", "de-AT", "Europe/Vienna")
    assert (stored.tags, stored.attributes, stored.opted_out) == (new.tags, new.attributes, ())
    assert (stored.state, stored.provider, stored.key_id) == (ACTIVE, "fcm", 7)
    assert (stored.created_at, stored.seen_at, stored.expires_at) == (NOW, NOW + 1, NOW + 5)
    assert (stored.accepted_at, stored.ended_at) == (None, None)


async def test_a_known_endpoint_with_the_same_keys_is_refreshed_and_merged(database: Database) -> None:
    await register(database, 1, new_subscription(tags=("a", "b"), attributes={"x": 1}, external_id="e"))
    again = new_subscription(tags=("b", "c"), attributes={"y": 2}, language="fr", key_id=8)
    assert await register(database, 2, again, NOW + 9) == Registered(1, created=False)
    stored = await get(database, 1)
    assert (stored.tags, stored.attributes) == (("a", "b", "c"), {"x": 1, "y": 2})
    assert (stored.external_id, stored.language) == ("e", "fr")
    assert (stored.seen_at, stored.created_at, stored.key_id) == (NOW + 9, NOW, 8)
    with pytest.raises(NotFound):
        await get(database, 2)


@pytest.mark.parametrize("ended", [GONE, SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED])
async def test_a_browser_that_comes_back_revives_its_subscription(
    database: Database, ended: SubscriptionState
) -> None:
    await register(database, 1, new_subscription())
    assert await database.write(lambda tx: subscriptions.end(tx, SITE, 1, ended, NOW + 1)) is True
    assert (await get(database, 1)).ended_at == NOW + 1
    await register(database, 2, new_subscription(), NOW + 2)
    revived = await get(database, 1)
    assert (revived.state, revived.ended_at) == (ACTIVE, None)


@pytest.mark.parametrize("other", [("auth", b"x" * 16), ("p256dh", b"\x04" + b"y" * 64)])
async def test_a_known_endpoint_with_other_keys_is_taken(database: Database, other: tuple[str, Any]) -> None:
    await register(database, 1, new_subscription(tags=("mine",)))
    with pytest.raises(EndpointTaken):
        await register(database, 2, new_subscription(1, **dict([other, ("tags", ("stolen",))])), NOW + 1)
    stored = await get(database, 1)
    assert (stored.tags, stored.seen_at) == (("mine",), NOW)


async def test_sites_do_not_share_endpoints_or_ids(database: Database) -> None:
    await register(database, 1, new_subscription())
    elsewhere = new_subscription(auth=b"x" * 16)
    created = await database.write(lambda tx: subscriptions.register(tx, SITE + 1, 1, elsewhere, NOW))
    assert created == Registered(1, created=True)


async def test_an_id_that_is_taken_is_a_conflict(database: Database) -> None:
    await register(database, 1, new_subscription(1))
    with pytest.raises(Conflict):
        await register(database, 1, new_subscription(2))


async def test_a_changed_subscription_keeps_id_tags_and_history(database: Database) -> None:
    await register(database, 1, new_subscription(1, tags=("kept",)))
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [1], NOW))
    renewed = new_subscription(2)
    answer = await database.write(lambda tx: subscriptions.replace(tx, SITE, 1, renewed, NOW + 1))
    assert answer == Registered(1, created=False)
    stored = await get(database, 1)
    assert (stored.endpoint, stored.auth, stored.tags) == (renewed.endpoint, renewed.auth, ("kept",))
    assert stored.accepted_at == NOW
    # The old endpoint is free again, the new one is found.
    assert (await register(database, 3, new_subscription(1))).created
    assert await register(database, 4, renewed) == Registered(1, created=False)


async def test_a_change_to_an_endpoint_that_is_known_ends_the_old_one(database: Database) -> None:
    await register(database, 1, new_subscription(1))
    await register(database, 2, new_subscription(2))
    answer = await database.write(lambda tx: subscriptions.replace(tx, SITE, 1, new_subscription(2), NOW))
    assert answer == Registered(2, created=False)
    assert ((await get(database, 1)).state, (await get(database, 2)).state) == (GONE, ACTIVE)


async def test_a_change_cannot_take_over_somebody_elses_endpoint(database: Database) -> None:
    await register(database, 1, new_subscription(1))
    await register(database, 2, new_subscription(2))
    stolen = new_subscription(2, auth=b"x" * 16)
    with pytest.raises(EndpointTaken):
        await database.write(lambda tx: subscriptions.replace(tx, SITE, 1, stolen, NOW))
    with pytest.raises(NotFound):
        await database.write(lambda tx: subscriptions.replace(tx, SITE, 404, new_subscription(3), NOW))
    assert (await get(database, 1)).state is ACTIVE


async def test_subscriptions_are_paged_by_id_and_filtered(database: Database) -> None:
    for id in range(1, 8):
        tags = ("even",) if id % 2 == 0 else ("odd",)
        external_id = "same" if id > 4 else None
        await register(database, id, new_subscription(id, tags=tags, external_id=external_id))
    await database.write(lambda tx: subscriptions.end(tx, SITE, 6, GONE, NOW))

    async def ids(after: int = 0, limit: int = 100, **filters: object) -> list[int]:
        found = await database.read(
            lambda tx: subscriptions.page(tx, SITE, after, limit, **filters)  # type: ignore[arg-type]
        )
        return [each.id for each in found]

    assert await ids(2, 3) == [3, 4, 5]
    assert await ids(tag="even") == [2, 4, 6]
    assert await ids(state=GONE) == [6]
    assert await ids(tag="even", state=ACTIVE) == [2, 4]
    assert await ids(external_id="same") == [5, 6, 7]
    assert await ids(5, external_id="same", state=ACTIVE) == [7]
    assert await ids(external_id="same", tag="odd") == [5, 7]
    assert await ids(tag="eve") == []
    exported = await database.read(lambda tx: subscriptions.export_page(tx, SITE, 4, 2))
    assert [each.id for each in exported] == [5, 7]


async def test_a_change_touches_what_it_names_only(database: Database) -> None:
    await register(database, 1, new_subscription(tags=("a",), external_id="e", attributes={"x": 1}))
    change = Change(tags=(), attributes={"y": True}, opted_out=("news",), seen_at=NOW + 4)
    changed = await database.write(lambda tx: subscriptions.change(tx, SITE, 1, change))
    assert changed == await get(database, 1)
    assert (changed.tags, changed.attributes, changed.opted_out) == ((), {"y": True}, ("news",))
    assert (changed.external_id, changed.seen_at) == ("e", NOW + 4)
    cleared = await database.write(
        lambda tx: subscriptions.change(tx, SITE, 1, Change(external_id="", language="en"))
    )
    assert (cleared.external_id, cleared.language, cleared.opted_out) == (None, "en", ("news",))


async def test_changes_at_once_lose_nothing(database: Database) -> None:
    await register(database, 1, new_subscription())
    visits = [register(database, 2 + n, new_subscription(tags=(f"tag {n}",))) for n in range(12)]
    assert {each.id for each in await asyncio.gather(*visits)} == {1}
    assert len((await get(database, 1)).tags) == 12


async def test_a_change_does_not_revive_what_ends_meanwhile(database: Database) -> None:
    await register(database, 1, new_subscription())
    changes = [
        database.write(lambda tx, n=n: subscriptions.change(tx, SITE, 1, Change(language=f"l{n}")))  # type: ignore[misc]
        for n in range(12)
    ]
    end = database.write(lambda tx: subscriptions.end(tx, SITE, 1, SubscriptionState.UNSUBSCRIBED, NOW))
    await asyncio.gather(*changes[:6], end, *changes[6:])
    assert (await get(database, 1)).state is SubscriptionState.UNSUBSCRIBED


async def test_ending_counts_once(database: Database) -> None:
    await register(database, 1, new_subscription())
    end = SubscriptionState.UNSUBSCRIBED
    assert await database.write(lambda tx: subscriptions.end(tx, SITE, 1, end, NOW)) is True
    assert await database.write(lambda tx: subscriptions.end(tx, SITE, 1, GONE, NOW)) is False
    assert (await get(database, 1)).state is end
    with pytest.raises(NotFound):
        await database.write(lambda tx: subscriptions.end(tx, SITE, 2, end, NOW))


async def test_an_erased_subscription_keeps_nothing_personal(database: Database) -> None:
    new = new_subscription(tags=("a",), external_id="e", language="de", timezone="UTC", attributes={"x": 1})
    await register(database, 1, new)
    event = CustomEvent(5, SITE, 1, "bought", '{"what":"secret"}', NOW)
    await database.write(lambda tx: events.track(tx, [event]))
    assert await database.read(lambda tx: events.custom_of_subscription(tx, SITE, 1)) == [event]

    await database.write(lambda tx: subscriptions.erase(tx, SITE, 1, NOW + 3))

    erased = await get(database, 1)
    assert (erased.state, erased.ended_at, erased.endpoint) == (SubscriptionState.ERASED, NOW + 3, "")
    assert (erased.p256dh, erased.auth) == (bytes(65), bytes(16))
    assert (erased.external_id, erased.language, erased.timezone) == (None, None, None)
    assert (erased.tags, erased.attributes, erased.opted_out) == ((), {}, ())
    assert await database.read(lambda tx: events.custom_of_subscription(tx, SITE, 1)) == []
    # The same browser may come again, as somebody new; what was erased stays so.
    assert await register(database, 2, new) == Registered(2, created=True)
    for attempt in (
        lambda tx: subscriptions.change(tx, SITE, 1, Change(language="de")),
        lambda tx: subscriptions.replace(tx, SITE, 1, new_subscription(9), NOW),
        lambda tx: subscriptions.erase(tx, SITE, 404, NOW),
    ):
        with pytest.raises(NotFound):
            await database.write(attempt)
    await database.write(lambda tx: subscriptions.erase(tx, SITE, 2, NOW))  # two tombstones do not collide


async def test_an_import_counts_added_known_and_conflicting_lines(database: Database) -> None:
    await register(database, 1, new_subscription(1, tags=("a",)))
    rows = [
        (11, new_subscription(1, tags=("b",))),  # known
        (12, new_subscription(2)),  # added
        (13, new_subscription(1, auth=b"x" * 16)),  # known with other keys
        (14, new_subscription(2, tags=("late",))),  # a repeated line
        (15, new_subscription(2, auth=b"x" * 16)),  # contradicts a line before
        (16, new_subscription(3)),  # added
        (17, new_subscription(1, tags=("c",))),  # known, again
    ]
    imported = await database.write(lambda tx: subscriptions.add_many(tx, SITE, rows, NOW + 7))
    assert imported == Imported(added=2, known=3, conflicts=(2, 4))
    assert (await get(database, 1)).tags == ("a", "b", "c")
    assert (await get(database, 16)).seen_at == NOW + 7
    page = await database.read(lambda tx: subscriptions.page(tx, SITE))
    assert [each.id for each in page] == [1, 12, 16]
    again = await database.write(lambda tx: subscriptions.add_many(tx, SITE, rows[:2], NOW))
    assert again == Imported(added=0, known=2, conflicts=())
    assert await database.write(lambda tx: subscriptions.add_many(tx, SITE, [], NOW)) == Imported(0, 0, ())


async def test_an_endpoint_that_an_import_names_twice_has_all_that_was_said_of_it(database: Database) -> None:
    rows = [
        (1, new_subscription(1, tags=("a",), attributes={"n": 1, "m": 1}, language="de")),
        (2, new_subscription(1, tags=("b",), attributes={"n": 2}, opted_out=("offers",))),
        (3, new_subscription(1, tags=("c",))),
    ]
    imported = await database.write(
        lambda tx: subscriptions.add_many(tx, SITE, rows, NOW, lambda merged: "c" not in merged.tags)
    )
    assert imported == Imported(added=1, known=1, conflicts=(), overfull=(2,))
    found = await get(database, 1)
    assert (found.tags, found.attributes) == (("a", "b"), {"n": 2, "m": 1})
    assert (found.language, found.opted_out) == ("de", ("offers",))


async def test_subscriptions_are_counted_by_state_and_by_age(database: Database) -> None:
    ids = [id_ceiling(NOW + n) for n in range(5)]
    for n, id in enumerate(ids):
        await register(database, id, new_subscription(n))
    await database.write(lambda tx: subscriptions.end(tx, SITE, ids[0], GONE, NOW))
    counts = await database.read(lambda tx: subscriptions.count_by_state(tx, SITE))
    assert counts == {ACTIVE: 4, GONE: 1}
    since = await database.read(lambda tx: subscriptions.count_new_since(tx, SITE, NOW + 2, 100))
    assert since == 3
    assert await database.read(lambda tx: subscriptions.count_new_since(tx, SITE, NOW, 2)) == 2


async def test_members_are_read_with_all_that_a_sender_needs(database: Database) -> None:
    for id in (1, 2, 3):
        await register(database, id, new_subscription(id, external_id=f"e{id}", expires_at=NOW + id))
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [2], NOW + 5))
    rows = await database.read(lambda tx: subscriptions.members(tx, SITE, [3, 2, 404]))
    assert sorted(tuple(row) for row in rows) == [
        MemberRow(
            id=id,
            state="active",
            endpoint=new_subscription(id).endpoint,
            p256dh=new_subscription(id).p256dh,
            auth=new_subscription(id).auth,
            key_id=7,
            expires_at=NOW + id,
            accepted_at=NOW + 5 if id == 2 else None,
            external_id=f"e{id}",
            seen_at=NOW,
        )
        for id in (2, 3)
    ]


async def test_an_audience_is_walked_in_order_up_to_its_ceiling_without_the_ended(database: Database) -> None:
    for id in (5, 1, 4, 2, 3, 6):
        await register(database, id, new_subscription(id))
    await database.write(lambda tx: subscriptions.end(tx, SITE, 3, GONE, NOW))
    walked: list[int] = []

    async def next_step(tx: Transaction) -> Sequence[tuple[int, str]]:
        return await subscriptions.audience_step(tx, SITE, walked[-1] if walked else 0, 5, 2)

    while step := await database.read(next_step):
        walked += [id for id, provider in step]
        assert {provider for _, provider in step} == {"fcm"}
    assert walked == [1, 2, 4, 5]


async def test_named_recipients_are_found_by_id_and_by_external_id(database: Database) -> None:
    await register(database, 1, new_subscription(1, external_id="a"))
    await register(database, 2, new_subscription(2, external_id="a", provider="mozilla"))
    await register(database, 3, new_subscription(3))
    await database.write(lambda tx: subscriptions.end(tx, SITE, 2, GONE, NOW))
    found = await database.read(lambda tx: subscriptions.by_ids(tx, SITE, [2, 3, 9]))
    assert sorted(map(tuple, found)) == [(2, "mozilla", "gone"), (3, "fcm", "active")]
    by_external = await database.read(lambda tx: subscriptions.by_external_ids(tx, SITE, ["a", "b'\""]))
    assert sorted(map(tuple, by_external)) == [("a", 1, "fcm", "active"), ("a", 2, "mozilla", "gone")]


async def test_gone_ends_active_ones_that_still_have_the_endpoint(database: Database) -> None:
    for id in (1, 2, 3):
        await register(database, id, new_subscription(id))
    await database.write(lambda tx: subscriptions.end(tx, SITE, 3, SubscriptionState.UNSUBSCRIBED, NOW))
    said = [Gone(SITE, id, new_subscription(id).endpoint, NOW + id) for id in (1, 3, 9)]
    said += [said[0], Gone(SITE, 2, "https://fcm.googleapis.com/fcm/send/an-earlier-one", NOW)]
    assert await database.write(lambda tx: subscriptions.gone(tx, said)) == 1
    ended = await get(database, 1)
    assert (ended.state, ended.ended_at) == (GONE, NOW + 1)
    assert (await get(database, 2)).state is ACTIVE
    assert (await get(database, 3)).state is SubscriptionState.UNSUBSCRIBED


async def test_those_whom_a_provider_wrongly_called_gone_come_back(database: Database) -> None:
    providers = {1: "fcm", 2: "fcm", 3: "fcm", 4: "mozilla", 5: "fcm"}
    for id, provider in providers.items():
        await register(database, id, new_subscription(id, provider=provider))
    said = [Gone(SITE, id, new_subscription(id).endpoint, NOW + id) for id in (1, 2, 3, 4)]
    await database.write(lambda tx: subscriptions.gone(tx, said))
    await database.write(lambda tx: subscriptions.end(tx, SITE, 5, SubscriptionState.UNSUBSCRIBED, NOW + 2))

    async def revert() -> int:
        return await database.write(lambda tx: subscriptions.revert_gone(tx, "fcm", NOW + 2, NOW + 9, 1))

    assert [await revert(), await revert(), await revert()] == [1, 1, 0]
    states = [(await get(database, id)).state for id in providers]
    assert states == [GONE, ACTIVE, ACTIVE, GONE, SubscriptionState.UNSUBSCRIBED]
    assert (await get(database, 2)).ended_at is None


async def test_those_that_never_accepted_a_push_are_forgotten_after_they_are_gone(database: Database) -> None:
    for id in (1, 2, 3):
        await register(database, id, new_subscription(id))
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [1], NOW))
    said = [Gone(SITE, id, new_subscription(id).endpoint, NOW + id) for id in (1, 2, 3)]
    await database.write(lambda tx: subscriptions.gone(tx, said))
    assert await database.write(lambda tx: subscriptions.forget_never_accepted(tx, NOW + 3)) == 1
    with pytest.raises(NotFound):
        await get(database, 2)
    assert (await get(database, 3)).state is GONE


async def test_who_accepted_since_an_earlier_end_is_kept_when_it_is_gone_again(database: Database) -> None:
    await register(database, 1, new_subscription(1))
    said = [Gone(SITE, 1, new_subscription(1).endpoint, NOW)]
    await database.write(lambda tx: subscriptions.gone(tx, said))
    await register(database, 1, new_subscription(1))
    await database.write(lambda tx: subscriptions.accepted(tx, SITE, [1, 1], NOW))
    await database.write(lambda tx: subscriptions.gone(tx, said))
    assert await database.write(lambda tx: subscriptions.forget_never_accepted(tx, NOW + 1)) == 0
    assert (await get(database, 1)).accepted_at == NOW


async def test_subscriptions_expire_when_the_browser_said(database: Database) -> None:
    for id in (1, 2, 3, 4):
        await register(database, id, new_subscription(id, expires_at=NOW + id if id < 4 else None))
    assert await database.write(lambda tx: subscriptions.expire_due(tx, NOW + 2, 1)) == 1
    assert await database.write(lambda tx: subscriptions.expire_due(tx, NOW + 2, 10)) == 1
    assert await database.write(lambda tx: subscriptions.expire_due(tx, NOW + 2, 10)) == 0
    states = [(await get(database, id)).state for id in (1, 2, 3, 4)]
    assert states == [SubscriptionState.EXPIRED, SubscriptionState.EXPIRED, ACTIVE, ACTIVE]
