"""Pushes are counted when they are frozen; a message that finds no room when it is to start is cancelled."""

from dataclasses import replace

from gateway.audience import AudienceSpec
from gateway.campaigns.quotas import Quotas
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import USED_UP, Starter
from gateway.site_settings import SiteSettings, write_settings
from storage import quotas, sites, subscriptions
from storage.database import Transaction
from storage.messages import MessageState
from storage.subscriptions import SubscriptionState
from tests.unit.installation import Installation


async def allow(there: Installation, pushes: int) -> None:
    settings = SiteSettings(quotas=Quotas(messages_per_day=pushes))
    there.site = replace(there.site, settings=write_settings(settings))

    async def body(tx: Transaction) -> None:
        await sites.update(tx, there.site)
        await quotas.set(tx, there.site.id, None, pushes, there.clock.now())

    await there.database.write(body)


async def used(there: Installation) -> int:
    found = await there.database.read(lambda tx: quotas.get(tx, there.site.id, there.clock.now()))
    assert found is not None
    return found.used


async def run(there: Installation) -> None:
    starter, freezer = Starter(there.context, Metrics()), Freezer(there.context, Metrics(), step=7)
    while await starter.step() or await freezer.step():
        pass


async def test_every_push_of_an_audience_is_counted_once_however_many_steps_it_takes(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(20)
    await allow(installation, 100)
    await installation.add_message()
    await installation.add_message(AudienceSpec(subscriptions=tuple(ids[:5])))
    await run(installation)
    assert await used(installation) == 25


async def test_whoever_is_skipped_costs_nothing(installation: Installation) -> None:
    ids = await installation.subscribe(3)
    await allow(installation, 100)
    end, now = SubscriptionState.UNSUBSCRIBED, installation.clock.now()
    await installation.database.write(
        lambda tx: subscriptions.end(tx, installation.site.id, ids[0], end, now)
    )
    await installation.add_message(AudienceSpec(subscriptions=tuple(ids)))
    await run(installation)
    assert await used(installation) == 2


async def test_a_message_for_later_that_finds_no_room_at_its_time_is_cancelled_and_says_why(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    await allow(installation, 15)
    now = installation.clock.now()
    first = await installation.add_message(send_at=now + 1_000)
    second = await installation.add_message(send_at=now + 2_000)
    installation.clock.advance(1)
    await run(installation)
    installation.clock.advance(1)
    await run(installation)
    assert (await installation.message(first.id)).state is MessageState.SENDING
    refused = await installation.message(second.id)
    assert (refused.state, refused.state_reason) == (MessageState.CANCELLED, USED_UP)
    assert await used(installation) == 10


async def test_of_messages_due_at_the_same_moment_as_many_start_as_there_is_room_for(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    await allow(installation, 25)
    made = [await installation.add_message() for _ in range(4)]
    await run(installation)
    states = [(await installation.message(each.id)).state for each in made]
    assert (states.count(MessageState.SENDING), states.count(MessageState.CANCELLED)) == (2, 2)
    assert await used(installation) == 20


async def test_the_next_day_begins_at_nothing(installation: Installation) -> None:
    await installation.subscribe(10)
    await allow(installation, 15)
    await installation.add_message()
    await run(installation)
    installation.clock.advance(24 * 3_600)
    assert await used(installation) == 0
    message = await installation.add_message()
    await run(installation)
    assert (await installation.message(message.id)).state is MessageState.SENDING
    assert await used(installation) == 10


async def test_what_started_while_there_was_room_is_sent_to_everybody(installation: Installation) -> None:
    """The bound: how many somebody's browsers are is not known before they are looked up."""
    await installation.subscribe(10, external_id="the family")
    await allow(installation, 5)
    messages = []
    for _ in range(2):
        messages.append(await installation.add_message(AudienceSpec(external_ids=("the family",))))
        await run(installation)
    assert await used(installation) == 10
    states = [(await installation.message(each.id)).state for each in messages]
    assert states == [MessageState.SENDING, MessageState.CANCELLED]
