import pytest

from storage import batches, deliveries, events, keys, messages, rollups, sites, subscriptions, tokens
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound
from storage.events import CustomEvent, Event, EventKind
from storage.keys import ApplicationServerKey, KeyState
from storage.messages import MessageState
from storage.sites import Identity
from storage.tokens import ApiToken, Scope
from tests.contract.rows import (
    MESSAGE,
    NOW,
    SITE,
    add_sending,
    add_site,
    batch,
    message,
    new_subscription,
    result,
    site,
)


def key(id: int, site_id: int = SITE, **changes: object) -> ApplicationServerKey:
    values: dict[str, object] = {
        "id": id,
        "site_id": site_id,
        "public_key": bytes([4]) + id.to_bytes(64, "big"),
        "sealed_private_key": b"sealed \x00",
        "state": KeyState.ACTIVE,
        "state_reason": None,
        "created_at": NOW,
    }
    return ApplicationServerKey(**{**values, **changes})  # type: ignore[arg-type]


def token(id: int, site_id: int | None = SITE, **changes: object) -> ApiToken:
    values: dict[str, object] = {
        "id": id,
        "site_id": site_id,
        "name": "back end",
        "scopes": frozenset({Scope.READ, Scope.SEND}),
        "created_at": NOW,
    }
    return ApiToken(**{**values, **changes})  # type: ignore[arg-type]


async def test_a_site_is_read_as_it_was_stored(database: Database) -> None:
    stored = site(
        name="Ümlaut's", origins=("https://a.example", "https://b.example"), demo=True, settings='{"a":1}'
    )
    await database.write(lambda tx: sites.add(tx, stored))
    assert await database.read(lambda tx: sites.get(tx, SITE)) == stored


async def test_a_site_id_that_is_taken_is_a_conflict(database: Database) -> None:
    await add_site(database)
    with pytest.raises(Conflict, match="sites"):
        await add_site(database)


async def test_sites_are_paged_by_id(database: Database) -> None:
    for id in (3, 1, 2, 4):
        await add_site(database, id)
    first = await database.read(lambda tx: sites.page(tx, 0, 3))
    assert [each.id for each in first] == [1, 2, 3]
    assert [each.id for each in await database.read(lambda tx: sites.page(tx, 3, 3))] == [4]
    only = await database.read(lambda tx: sites.page(tx, 0, 3, only={2, 4, 99}))
    assert [each.id for each in only] == [2, 4]
    assert await database.read(lambda tx: sites.page(tx, 0, 3, only=set())) == []


async def test_a_site_is_updated_as_a_whole(database: Database) -> None:
    await add_site(database)
    changed = site(name="New", identity=Identity.UNSIGNED, contact="https://example.com/contact")
    await database.write(lambda tx: sites.update(tx, changed))
    assert await database.read(lambda tx: sites.get(tx, SITE)) == changed
    with pytest.raises(NotFound):
        await database.write(lambda tx: sites.update(tx, site(99)))


async def test_the_oldest_demo_site_is_found(database: Database) -> None:
    await add_site(database, 1)
    assert await database.read(sites.find_demo) is None
    await add_site(database, 5, demo=True)
    await add_site(database, 4, demo=True)
    found = await database.read(sites.find_demo)
    assert found is not None
    assert found.id == 4


async def test_a_deleted_site_is_gone_with_its_tokens_keys_and_messages(database: Database) -> None:
    await add_site(database)
    await database.write(lambda tx: keys.add(tx, key(1)))
    await database.write(lambda tx: tokens.add(tx, token(1), b"h" * 32))
    await add_sending(database)

    await database.write(lambda tx: sites.delete(tx, SITE, NOW + 5))

    with pytest.raises(NotFound):
        await database.read(lambda tx: sites.get(tx, SITE))
    with pytest.raises(NotFound):
        await database.write(lambda tx: sites.delete(tx, SITE, NOW + 6))
    assert await database.read(lambda tx: sites.page(tx)) == []
    dead = await database.read(lambda tx: tokens.by_hash(tx, b"h" * 32))
    assert dead is not None
    assert not dead.is_valid(NOW + 5)
    assert (await database.read(lambda tx: keys.get(tx, SITE, 1))).state is KeyState.RETIRED
    stopped = await database.read(lambda tx: messages.get(tx, SITE, MESSAGE))
    assert (stopped.state, stopped.state_reason) == (MessageState.CANCELLED, "site_deleted")


async def _something_of_everything(tx: Transaction, site_id: int) -> None:
    await sites.add(tx, site(site_id))
    await keys.add(tx, key(site_id, site_id))
    await tokens.add(tx, token(site_id, site_id), bytes([site_id]) * 32)
    await messages.add(tx, message(site_id, site_id))
    await messages.remember_idempotent(tx, site_id, "k", b"h" * 32, site_id, NOW)
    await batches.add_many(tx, [batch(site_id, site_id)])
    for n in range(25):
        await subscriptions.register(tx, site_id, n + 1, new_subscription(n), NOW)
    await deliveries.record(tx, [result(n, site_id=site_id, message_id=site_id) for n in range(25)])
    displayed = [Event(site_id, site_id, n, 0, EventKind.DISPLAYED, None, NOW) for n in range(25)]
    await events.record(tx, displayed)
    await events.track(tx, [CustomEvent(1, site_id, 1, "visit", None, NOW)])


async def test_a_deleted_site_is_purged_in_small_steps_and_nobody_else(database: Database) -> None:
    for id in (SITE, SITE + 1):
        await database.write(lambda tx, id=id: _something_of_everything(tx, id))  # type: ignore[misc]
    await database.write(lambda tx: sites.delete(tx, SITE, NOW))

    steps = []
    while removed := await database.write(lambda tx: sites.purge_step(tx, 10)):
        steps.append(removed)

    assert max(steps) <= 10
    # 25 each of events, deliveries, subscriptions; 3 rollups, 2 totals of the site, 1 of its growth,
    # 4 breakdowns; 24 looks; one each of six others and the site.
    assert sum(steps) == 75 + 3 + 7 + 24 + 7
    assert await database.read(lambda tx: subscriptions.count_by_state(tx, SITE)) == {}
    assert await database.read(lambda tx: rollups.of_message(tx, SITE, SITE)) == []
    kept = await database.read(lambda tx: subscriptions.count_by_state(tx, SITE + 1))
    assert sum(kept.values()) == 25
    assert len(await database.read(lambda tx: keys.of_site(tx, SITE + 1))) == 1


async def test_keys_are_listed_newest_first_and_the_newest_active_serves(database: Database) -> None:
    await add_site(database)
    for id in (1, 2, 3):
        await database.write(lambda tx, id=id: keys.add(tx, key(id)))  # type: ignore[misc]
    assert [each.id for each in await database.read(lambda tx: keys.of_site(tx, SITE))] == [3, 2, 1]
    assert await database.read(lambda tx: keys.get(tx, SITE, 2)) == key(2)
    assert await database.read(lambda tx: keys.newest_active(tx, SITE)) == key(3)

    await database.write(lambda tx: keys.retire(tx, SITE, 3))
    await database.write(lambda tx: keys.retire(tx, SITE, 3))

    assert await database.read(lambda tx: keys.newest_active(tx, SITE)) == key(2)
    found = await database.read(lambda tx: keys.by_ids(tx, [3, 1, 77]))
    assert {each.id: each.state for each in found} == {1: KeyState.ACTIVE, 3: KeyState.RETIRED}
    with pytest.raises(NotFound):
        await database.write(lambda tx: keys.retire(tx, SITE + 1, 2))


async def test_a_public_key_belongs_to_a_site_once(database: Database) -> None:
    await add_site(database)
    await add_site(database, SITE + 1)
    await database.write(lambda tx: keys.add(tx, key(1)))
    with pytest.raises(Conflict):
        await database.write(lambda tx: keys.add(tx, key(2, public_key=key(1).public_key)))
    await database.write(lambda tx: keys.add(tx, key(3, SITE + 1, public_key=key(1).public_key)))


async def test_a_key_needs_its_site(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.write(lambda tx: keys.add(tx, key(1, 404)))


async def test_a_key_is_paused_by_compare_and_set(database: Database) -> None:
    await add_site(database)
    await database.write(lambda tx: keys.add(tx, key(1)))
    active, paused = KeyState.ACTIVE, KeyState.PAUSED
    assert await database.write(lambda tx: keys.set_state(tx, 1, active, paused, "401")) is True
    assert await database.write(lambda tx: keys.set_state(tx, 1, active, paused, "403")) is False
    assert (await database.read(lambda tx: keys.get(tx, SITE, 1))).state_reason == "401"


async def test_a_token_is_found_by_its_hash_with_scopes_and_site(database: Database) -> None:
    await add_site(database)
    everywhere = token(2, None, scopes=frozenset(Scope), expires_at=NOW + 10)
    await database.write(lambda tx: tokens.add(tx, token(1), b"a" * 32))
    await database.write(lambda tx: tokens.add(tx, everywhere, b"b" * 32))
    assert await database.read(lambda tx: tokens.by_hash(tx, b"a" * 32)) == token(1)
    assert await database.read(lambda tx: tokens.by_hash(tx, b"b" * 32)) == everywhere
    assert await database.read(lambda tx: tokens.by_hash(tx, b"c" * 32)) is None
    assert await database.read(lambda tx: tokens.of_site(tx, SITE)) == [token(1)]
    assert await database.read(lambda tx: tokens.of_site(tx, None)) == [everywhere]
    with pytest.raises(Conflict):
        await database.write(lambda tx: tokens.add(tx, token(3), b"a" * 32))
    with pytest.raises(NotFound):
        await database.write(lambda tx: tokens.add(tx, token(4, 404), b"d" * 32))


async def test_a_token_ends_once_by_revocation_or_in_time(database: Database) -> None:
    await database.write(lambda tx: tokens.add(tx, token(1, None, expires_at=NOW + 10), b"a" * 32))
    assert token(1, expires_at=NOW + 10).is_valid(NOW + 9)
    assert not token(1, expires_at=NOW + 10).is_valid(NOW + 10)
    await database.write(lambda tx: tokens.revoke(tx, 1, NOW + 1))
    await database.write(lambda tx: tokens.revoke(tx, 1, NOW + 2))
    revoked = await database.read(lambda tx: tokens.get(tx, 1))
    assert revoked.revoked_at == NOW + 1
    assert not revoked.is_valid(NOW + 1)
    with pytest.raises(NotFound):
        await database.write(lambda tx: tokens.revoke(tx, 404, NOW))


async def test_a_key_s_resume_makes_due_what_waited_for_it_and_nothing_that_is_planned(
    database: Database,
) -> None:
    await add_site(database)
    await add_sending(database)
    waits = [batch(due_at=NOW + 9, waits_for_key=True), batch(due_at=NOW + 9, attempt=2, waits_for_key=True)]
    others = [
        batch(due_at=NOW + 9),  # planned
        batch(due_at=NOW + 9, attempt=2),  # a Retry-After
        batch(due_at=NOW + 11, waits_for_key=True),  # further away than anybody is put off
        batch(due_at=None),
    ]
    await database.write(lambda tx: batches.add_many(tx, [*waits, *others]))
    assert await database.read(lambda tx: keys.idle_waits(tx, NOW, NOW + 10)) == [SITE]
    assert await database.write(lambda tx: keys.end_wait(tx, SITE, NOW, NOW + 10)) == 2
    assert await database.write(lambda tx: keys.end_wait(tx, SITE, NOW, NOW + 10)) == 0
    assert await database.read(lambda tx: keys.idle_waits(tx, NOW, NOW + 10)) == []
    claimed = await database.write(lambda tx: batches.claim(tx, "me", NOW, 1_000, 10))
    assert {each.id for each in claimed} == {each.id for each in waits}
