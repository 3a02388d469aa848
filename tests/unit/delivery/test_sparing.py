"""Who left a category, or has had enough for now, is spared a message when their turn comes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.rules import Rules, write_rules
from gateway.context import Context
from gateway.scheduler.housekeeper import Housekeeper
from gateway.site_settings import SiteSettings, write_settings
from gateway.webpush import PushRequest, Reply
from storage import sites, subscriptions
from storage.messages import Message, Priority, Progress
from storage.queries import Query
from storage.subscriptions import Change
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import nothing_left, sender, start_due

HOUR = 3_600


async def set_cap(installation: Installation, cap: FrequencyCap | None) -> None:
    settings = write_settings(SiteSettings(frequency_cap=cap))
    installation.site = replace(installation.site, settings=settings)
    await installation.database.write(lambda tx: sites.update(tx, installation.site))


async def leave(installation: Installation, id: int, *names: str) -> None:
    change = Change(opted_out=names)
    await installation.database.write(lambda tx: subscriptions.change(tx, installation.site.id, id, change))


async def send(installation: Installation, transport: FakeTransport | None = None, **fields: Any) -> Progress:
    message = await installation.add_message(**fields)
    return await deliver(installation, message, transport)


async def deliver(
    installation: Installation, message: Message, transport: FakeTransport | None = None
) -> Progress:
    await start_due(installation)
    async with sender(installation, transport or FakeTransport()):
        await eventually(lambda: nothing_left(installation, message.id))
    progress = await installation.progress(message.id)
    assert progress is not None
    return progress


async def counted(installation: Installation) -> Sequence[Any]:
    text = "select message_id, subscription_id from recent_pushes order by 1, 2"
    query = Query("test.recent", text, text)
    return [tuple(row) for row in await installation.database.read(lambda tx: tx.fetch(query))]


def of(name: str) -> str:
    return write_rules(Rules(category=name))


async def test_nobody_gets_more_messages_than_the_cap_within_its_hours(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(2, 24))
    await installation.subscribe(3)
    for _ in range(2):
        assert (await send(installation)).accepted == 3
        installation.clock.advance(HOUR)
    await installation.subscribe(2)
    progress = await send(installation)
    assert (progress.accepted, progress.skipped, progress.skips) == (2, 3, {"frequency_cap": 3})
    installation.clock.advance(22 * HOUR + 1)  # the first one is more than 24 hours ago
    assert (await send(installation)).accepted == 5
    assert (await send(installation)).skips == {"frequency_cap": 5}


async def test_another_message_right_after_one_is_skipped(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(10, 24, minutes_between=60))
    await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    installation.clock.advance(HOUR - 1)
    assert (await send(installation)).skips == {"frequency_cap": 2}
    installation.clock.advance(1)
    assert (await send(installation)).accepted == 2


async def test_transactional_messages_pass_the_cap_and_do_not_count(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    await installation.subscribe(2)
    for _ in range(2):
        assert (await send(installation, priority=Priority.TRANSACTIONAL)).accepted == 2
    assert await counted(installation) == []
    assert (await send(installation)).accepted == 2
    assert (await send(installation)).skips == {"frequency_cap": 2}
    assert (await send(installation, priority=Priority.TRANSACTIONAL)).accepted == 2


async def test_nothing_is_counted_where_there_is_no_cap(installation: Installation) -> None:
    await installation.subscribe(3)
    assert (await send(installation)).accepted == 3
    assert await counted(installation) == []


async def test_only_accepted_pushes_count_and_a_retry_is_not_held_back_by_its_own_message(
    installation: Installation,
) -> None:
    await set_cap(installation, FrequencyCap(1, 24, minutes_between=60))
    [flaky, dead, fine] = await installation.subscribe(3)
    stored = [
        await installation.database.read(
            lambda tx, id=id: subscriptions.get(tx, installation.site.id, id)  # type: ignore[misc]
        )
        for id in (flaky, dead)
    ]
    tries = 0

    def answer(request: PushRequest) -> Reply | None:
        nonlocal tries
        if request.url == stored[1].endpoint:
            return Reply(400)
        if request.url == stored[0].endpoint:
            tries += 1
            return Reply(503) if tries == 1 else CREATED
        return CREATED

    message = await installation.add_message()
    await start_due(installation)
    async with sender(installation, FakeTransport(answer)):
        await eventually(lambda: tries == 1)

        async def retried() -> bool:
            installation.clock.advance(60)
            return await nothing_left(installation, message.id)

        await eventually(retried)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.failed, tries) == (2, 1, 2)
    assert await counted(installation) == sorted([(message.id, flaky), (message.id, fine)])


async def test_a_retry_is_skipped_when_another_message_came_first(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    await installation.subscribe(1)
    first = await installation.add_message(ttl=10 * HOUR)
    await start_due(installation)
    async with sender(installation, FakeTransport(lambda _: Reply(503))):
        await eventually(lambda: _retrying(installation, first.id))
    installation.clock.advance(1)
    other = await installation.add_message()
    await start_due(installation)
    async with sender(installation, FakeTransport()):
        await eventually(lambda: nothing_left(installation, other.id))
        installation.clock.advance(HOUR)
        await eventually(lambda: nothing_left(installation, first.id))
    progress = await installation.progress(first.id)
    assert progress is not None
    assert (progress.skips, progress.retrying) == ({"frequency_cap": 1}, 0)


async def _retrying(installation: Installation, message_id: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == 1


async def test_what_is_on_its_way_does_not_count_yet(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    await installation.subscribe(1)
    messages = [await installation.add_message() for _ in range(2)]
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) == 2)
        transport.answer()
        for message in messages:
            await eventually(lambda id=message.id: nothing_left(installation, id))  # type: ignore[misc]
    assert len(await counted(installation)) == 2
    assert (await send(installation)).skips == {"frequency_cap": 1}


async def test_a_cap_that_was_taken_away_holds_nobody_back(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    await set_cap(installation, None)
    assert (await send(installation)).accepted == 2


async def test_what_no_longer_counts_is_forgotten(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 2))
    await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    await housekeeping(installation.context)
    assert len(await counted(installation)) == 2
    installation.clock.advance(2 * HOUR)
    await housekeeping(installation.context)
    assert await counted(installation) == []


async def housekeeping(context: Context) -> None:
    await Housekeeper(context).step()


async def test_an_erased_subscription_leaves_no_trace_of_what_it_got(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    [id, _] = await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    now = installation.clock.now()
    await installation.database.write(lambda tx: subscriptions.erase(tx, installation.site.id, id, now))
    assert len(await counted(installation)) == 1


async def test_the_pushes_of_a_deleted_site_are_purged(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    now = installation.clock.now()
    await installation.database.write(lambda tx: sites.delete(tx, installation.site.id, now))
    await housekeeping(installation.context)
    assert await counted(installation) == []


async def test_who_left_the_category_gets_nothing_of_it(installation: Installation) -> None:
    [stays, leaves, _] = await installation.subscribe(3)
    await leave(installation, leaves, "offers", "news")
    await leave(installation, stays, "news")
    progress = await send(installation, rules=of("offers"))
    assert (progress.accepted, progress.skips) == (2, {"opted_out": 1})
    assert (await send(installation, rules=of("tips"))).accepted == 3
    assert (await send(installation)).accepted == 3


async def test_transactional_messages_respect_who_left_their_category(installation: Installation) -> None:
    [leaves, _] = await installation.subscribe(2)
    await leave(installation, leaves, "offers")
    progress = await send(installation, rules=of("offers"), priority=Priority.TRANSACTIONAL)
    assert (progress.accepted, progress.skips) == (1, {"opted_out": 1})


async def test_whoever_leaves_after_the_audience_was_frozen_gets_nothing(installation: Installation) -> None:
    [leaves, _] = await installation.subscribe(2)
    message = await installation.add_message(rules=of("offers"))
    await start_due(installation)
    await leave(installation, leaves, "offers")
    progress = await deliver(installation, message)
    assert (progress.accepted, progress.skips) == (1, {"opted_out": 1})
    found = (await installation.deliveries(message.id))[leaves]
    assert (found.outcome, found.reason) == ("skipped", "opted_out")


async def test_who_left_and_has_had_enough_counts_once_as_having_left(installation: Installation) -> None:
    await set_cap(installation, FrequencyCap(1, 24))
    [leaves, _] = await installation.subscribe(2)
    assert (await send(installation)).accepted == 2
    await leave(installation, leaves, "offers")
    progress = await send(installation, rules=of("offers"))
    assert progress.skips == {"opted_out": 1, "frequency_cap": 1}


async def test_a_batch_of_which_all_are_spared_ends_without_a_push(installation: Installation) -> None:
    for id in await installation.subscribe(2):
        await leave(installation, id, "offers")
    transport = FakeTransport()
    progress = await send(installation, transport, rules=of("offers"))
    await asyncio.sleep(0)
    assert (progress.skipped, len(transport.posted)) == (2, 0)
