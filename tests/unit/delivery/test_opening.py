"""Claimed batches that cannot be opened, because the database goes away half-way, are as if never claimed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.rules import Rules, write_rules
from gateway.content import Content, Notification, Options
from gateway.delivery import page
from gateway.delivery.flight import Flight
from gateway.delivery.reader import Reader
from gateway.delivery.recorder import Recorder
from gateway.site_settings import SiteSettings, write_settings
from storage import batches, recent_pushes, sites, subscriptions
from storage.database import Body, Database, Transaction
from storage.errors import StorageUnavailable
from storage.recent_pushes import RecentPush
from storage.subscriptions import Change, SubscriptionState
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import nothing_left, sender, start_due

UNSUBSCRIBED = SubscriptionState.UNSUBSCRIBED
PERSONAL = Content(Notification("Hi {{ attributes.name }}"), Options(ttl=3_600))


class Outage:
    """Takes the database away in the middle of opening: at the read of whom a message speaks of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lasts = True
        self.failed = 0
        self._read = subscriptions.visitors
        monkeypatch.setattr(subscriptions, "visitors", self.visitors)

    async def visitors(self, tx: Transaction, site_id: int, ids: Sequence[int]) -> Any:
        if self.lasts:
            self.failed += 1
            raise StorageUnavailable("The database is switched off.")
        return await self._read(tx, site_id, ids)


async def opt(installation: Installation, id: int, *left: str) -> None:
    change = Change(opted_out=left)
    await installation.database.write(lambda tx: subscriptions.change(tx, installation.site.id, id, change))


async def test_who_comes_back_to_a_category_in_an_outage_is_sent_to_and_counted_as_that(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    [leaves, _] = await installation.subscribe(2)
    await opt(installation, leaves, "offers")
    message = await installation.add_message(content=PERSONAL, rules=write_rules(Rules(category="offers")))
    await start_due(installation)
    outage, transport = Outage(monkeypatch), FakeTransport()
    async with sender(installation, transport) as running:
        await eventually(lambda: outage.failed > 1)
        assert running.sender.recorder.unrecorded == 0
        await opt(installation, leaves)
        outage.lasts = False
        await eventually(lambda: nothing_left(installation, message.id))
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (len(transport.posted), progress.accepted, progress.skips) == (2, 2, {})


async def test_who_had_enough_before_an_outage_and_has_not_afterwards_is_sent_to_and_counted_as_that(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = write_settings(SiteSettings(frequency_cap=FrequencyCap(1, 24)))
    installation.site = replace(installation.site, settings=settings)
    await installation.database.write(lambda tx: sites.update(tx, installation.site))
    [full, _] = await installation.subscribe(2)
    now = installation.clock.now()
    push = RecentPush(installation.site.id, full, 1, now, now + 86_400_000)
    await installation.database.write(lambda tx: recent_pushes.add(tx, [push]))
    message = await installation.add_message(content=PERSONAL)
    await start_due(installation)
    outage, transport = Outage(monkeypatch), FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: outage.failed > 1)
        await installation.database.write(lambda tx: recent_pushes.erase(tx, installation.site.id, full))
        outage.lasts = False
        await eventually(lambda: nothing_left(installation, message.id))
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (len(transport.posted), progress.accepted, progress.skips) == (2, 2, {})


class Ledger:
    """In the place of a Recorder: who was settled."""

    def __init__(self) -> None:
        self.settled: list[int] = []

    def settle(self, _flight: Flight, subscription_id: int, *_: object) -> None:
        self.settled.append(subscription_id)


class Failing:
    """A database of which so many reads succeed."""

    def __init__(self, database: Database, reads: int) -> None:
        self._database = database
        self._reads = reads

    async def read(self, body: Body[Any]) -> Any:
        if self._reads == 0:
            raise StorageUnavailable("The database is switched off.")
        self._reads -= 1
        return await self._database.read(body)


async def test_nobody_is_settled_before_the_last_page_was_read(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_MEMBERS", 2)  # two batches are two pages
    gone = await installation.subscribe(1) + await installation.subscribe(1, "mozilla")
    await installation.subscribe(1)
    await installation.subscribe(1, "mozilla")
    message = await installation.add_message(content=PERSONAL, rules=write_rules(Rules(category="offers")))
    await start_due(installation)
    now = installation.clock.now()
    for id in gone:
        await installation.database.write(
            lambda tx, id=id: subscriptions.end(tx, installation.site.id, id, UNSUBSCRIBED, now)  # type: ignore[misc]
        )
    claimed = await installation.database.write(lambda tx: batches.claim(tx, "me", now, 30_000, 2))
    assert [batch.size for batch in claimed] == [2, 2]

    reads = 0
    while True:
        ledger, database = Ledger(), cast(Database, Failing(installation.database, reads))
        reader = Reader(replace(installation.context, database=database), cast(Recorder, ledger))
        try:
            flights = await reader.open(claimed)
        except StorageUnavailable:
            assert ledger.settled == []
            reads += 1
        else:
            break
    assert reads > 2
    assert {flight.batch.message_id for flight in flights} == {message.id}
    assert [len(flight.waiting) for flight in flights] == [1, 1]
    assert sorted(ledger.settled) == sorted(gone)
