"""A message taken back from those for whom push services still keep it."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import structs

from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.quiet_hours import ClockOf, QuietHours
from gateway.campaigns.utm import Utm
from gateway.content import Content, Notification, Options
from gateway.messages import cancel_message, pause_message, resume_message
from gateway.outgoing import Outgoing
from gateway.scheduler.housekeeper import Housekeeper
from gateway.scheduler.starter import LOOK_AGAIN
from gateway.site_settings import SiteSettings, write_settings
from gateway.webpush import Reply
from storage import sites, subscriptions
from storage.messages import MessageState
from storage.subscriptions import SubscriptionState
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.delivery.withdrawing import (
    CONTENT,
    FALLBACK,
    KEPT,
    TTL,
    PushServices,
    add,
    count,
    deliver,
    field,
    finished,
    show,
    withdraw,
)
from tests.unit.installation import Installation
from tests.unit.sending import expire_leases, nothing_left, sender, start_due


async def test_a_message_that_may_be_withdrawn_has_a_topic_of_its_own(installation: Installation) -> None:
    await installation.subscribe(2)
    transport = PushServices()
    own = replace_options(topic="weekly")
    for fields in ({}, {}, {"content": own}, {"rules": "{}"}):
        await deliver(installation, (await add(installation, **fields)).id, transport)
    first, again, second, _, weekly, _, none, _ = (field(each, "Topic") for each in transport.posted)
    assert first == again != second
    assert (len(first or ""), weekly, none) == (24, "weekly", None)


def replace_options(**options: Any) -> Content:
    return Content(CONTENT.notification, Options(ttl=TTL, **options), fallback=FALLBACK)


async def test_only_mozillas_pushes_of_what_may_be_withdrawn_are_noted_until_they_are_worth_nothing(
    installation: Installation,
) -> None:
    for provider in ("fcm", "mozilla", "wns"):
        await installation.subscribe(2, provider)
    await deliver(installation, (await add(installation, rules="{}")).id, PushServices())
    assert await count(installation, "push_locations") == 0
    await deliver(installation, (await add(installation)).id, PushServices())
    assert await count(installation, "push_locations") == 2
    installation.clock.advance(TTL + 23 * 3_600)
    await Housekeeper(installation.context).step()
    assert await count(installation, "push_locations") == 2
    installation.clock.advance(3_601)
    await Housekeeper(installation.context).step()
    assert await count(installation, "push_locations") == 0


async def test_it_is_deleted_where_that_is_offered_replaced_elsewhere_and_left_with_apple(
    installation: Installation,
) -> None:
    seen = [id for provider in ("fcm", "mozilla") for id in await installation.subscribe(1, provider)]
    for provider in ("fcm", "mozilla", "wns", "apple"):
        await installation.subscribe(2, provider)
    transport = PushServices()
    message = await add(installation)
    await deliver(installation, message.id, transport)
    await show(installation, message, seen)
    sent = len(transport.posted)
    topic = field(transport.posted[0], "Topic")

    withdrawal = (await withdraw(installation, message)).message
    progress = await deliver(installation, withdrawal.id, transport)

    assert (progress.audience, progress.accepted, progress.skips) == (8, 6, {"not_offered": 2})
    asked = transport.since(sent)
    assert asked == {
        ("DELETE", "updates.push.services.mozilla.com"): 2,
        ("POST", "fcm.googleapis.com"): 2,
        ("POST", "wns2.notify.windows.com"): 2,
    }
    for request in transport.posted[sent:]:
        if request.method == "POST":
            assert (field(request, "TTL"), field(request, "Topic")) == ("1", topic)
        else:
            assert request.url.startswith(KEPT.format(""))
            assert request.body == b""
    assert (await installation.message(withdrawal.id)).state is MessageState.SENT
    assert await installation.progress(message.id) is not None


@pytest.mark.parametrize("campaign", ["autumn", "{{autumn}}"])
async def test_what_arrives_shows_the_fallback_in_the_place_of_the_message(
    installation: Installation, campaign: str
) -> None:
    utm = Utm(campaign=campaign)
    message = await add(installation, content=structs.replace(CONTENT, utm=utm))
    await deliver(installation, message.id, PushServices())
    withdrawal = (await withdraw(installation, message)).message
    shown = json.loads(Outgoing(withdrawal, "https://push.example.net").render("token", None))
    plain = json.loads(Outgoing(message, "https://push.example.net").render("token", None))
    url = f"https://example.com/?utm_campaign={quote(campaign)}"
    assert shown["n"] == {"title": "See our site", "url": url, "tag": "sale"}
    assert shown["m"] == plain["m"]


async def test_without_a_fallback_it_says_that_it_was_withdrawn(installation: Installation) -> None:
    message = await add(installation, content=Content(Notification("Sale"), Options(ttl=TTL)))
    await deliver(installation, message.id, PushServices())
    withdrawal = (await withdraw(installation, message)).message
    shown = json.loads(Outgoing(withdrawal, "https://push.example.net").render("token", None))
    assert shown["n"] == {"title": "shop.example", "body": "This message has been withdrawn"}


@pytest.mark.parametrize("status", [404, 410])
async def test_what_mozilla_keeps_no_longer_is_counted_once_and_ends_no_subscription(
    installation: Installation, status: int
) -> None:
    ids = await installation.subscribe(3, "mozilla")
    installation.clock.advance(3_600)  # they are not so new that one asks again
    transport = PushServices()
    transport.deletions = Reply(status)
    message = await add(installation)
    await deliver(installation, message.id, transport)
    progress = await deliver(installation, (await withdraw(installation, message)).message.id, transport)
    assert (progress.audience, progress.skipped, progress.skips) == (3, 3, {"not_waiting": 3})
    assert len(transport.posted) == 6
    for id in ids:
        stored = await installation.database.read(
            lambda tx, id=id: subscriptions.get(tx, installation.site.id, id)  # type: ignore[misc]
        )
        assert stored.state is SubscriptionState.ACTIVE


async def test_a_deletion_that_fails_for_now_is_tried_again(installation: Installation) -> None:
    await installation.subscribe(3, "mozilla")
    transport = PushServices()
    message = await add(installation)
    await deliver(installation, message.id, transport)
    transport.deletions = Reply(500)
    withdrawal = (await withdraw(installation, message)).message
    await start_due(installation)
    async with sender(installation, transport):
        await eventually(lambda: retrying(installation, withdrawal.id, 3))
    transport.deletions = Reply(204)
    installation.clock.advance(60)
    progress = await deliver(installation, withdrawal.id, transport)
    assert (progress.accepted, progress.retrying) == (3, 0)
    assert transport.since(3) == {("DELETE", "updates.push.services.mozilla.com"): 6}


async def retrying(installation: Installation, message_id: int, expected: int) -> bool:
    progress = await installation.progress(message_id)
    return progress is not None and progress.retrying == expected


@pytest.mark.parametrize(
    "location", ["https://evil.example/m/{}", "/m/{}", "http://updates.push.services.mozilla.com/m/{}"]
)
async def test_nothing_is_deleted_anywhere_but_with_the_same_push_service(
    installation: Installation, location: str
) -> None:
    await installation.subscribe(1, "mozilla")
    transport = PushServices()
    transport.location = location
    message = await add(installation)
    await deliver(installation, message.id, transport)
    progress = await deliver(installation, (await withdraw(installation, message)).message.id, transport)
    assert progress.accepted == 1
    assert transport.since(1) == {("POST", "updates.push.services.mozilla.com"): 1}


async def test_withdrawing_what_is_sending_cancels_the_rest_and_waits_for_what_is_in_flight(
    installation: Installation,
) -> None:
    await installation.subscribe(4, "mozilla")
    transport = PushServices()
    answer, transport.rule = transport.rule, lambda _: None
    message = await add(installation, rate=2)  # two now, two a second later
    await start_due(installation)
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) > 0)
        sent = len(transport.posted)
        withdrawal = (await withdraw(installation, message)).message
        assert (await installation.message(message.id)).state is MessageState.CANCELLED
        await start_due(installation)
        put_off = await installation.message(withdrawal.id)
        assert (put_off.state, put_off.send_at) == (
            MessageState.SCHEDULED,
            installation.clock.now() + LOOK_AGAIN,
        )
        transport.rule = answer
        transport.answer_each(transport.take)  # type: ignore[arg-type]
        await eventually(lambda: finished(installation, message.id))
        installation.clock.advance(LOOK_AGAIN / 1_000)
        await start_due(installation)
        await eventually(lambda: nothing_left(installation, withdrawal.id))
    of_message, of_withdrawal = [await installation.progress(each.id) for each in (message, withdrawal)]
    assert of_message is not None
    assert of_withdrawal is not None
    assert (of_message.accepted, of_message.skips) == (sent, {"cancelled": 4 - sent})
    assert (of_withdrawal.audience, of_withdrawal.accepted) == (sent, sent)


async def test_it_is_paused_resumed_and_cancelled_like_any_message(installation: Installation) -> None:
    await installation.subscribe(1_200)
    message = await add(installation)
    transport = PushServices()
    await deliver(installation, message.id, transport)
    context, site_id = installation.context, installation.site.id
    withdrawal = (await withdraw(installation, message)).message
    await start_due(installation)
    await pause_message(context, "a test", site_id, withdrawal.id)
    async with sender(installation, transport) as running:
        await running.sender.recorder.catch_up()
        assert len(transport.posted) == 1_200
        taken, transport.rule = transport.rule, lambda _: None
        await resume_message(context, "a test", site_id, withdrawal.id)
        await eventually(lambda: len(transport.posted) > 1_200)
        transport.rule = taken
        await cancel_message(context, "a test", site_id, withdrawal.id)
        transport.answer(CREATED)
        await eventually(lambda: finished(installation, withdrawal.id))
    progress = await installation.progress(withdrawal.id)
    assert progress is not None
    assert progress.audience == 1_200 == progress.accepted + progress.skipped
    assert progress.skips.keys() <= {"cancelled"}
    again = (await withdraw(installation, message)).message
    assert again.id != withdrawal.id
    assert (await deliver(installation, again.id, transport)).accepted == progress.skipped


async def test_from_whom_a_cancelled_withdrawal_took_it_back_the_next_one_leaves_alone(
    installation: Installation,
) -> None:
    await installation.subscribe(700)
    message = await add(installation)
    transport = PushServices()
    await deliver(installation, message.id, transport)
    first = (await withdraw(installation, message)).message
    await start_due(installation)
    taken, transport.rule = transport.rule, lambda _: None
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) > 700)
        await cancel_message(installation.context, "a test", installation.site.id, first.id)
        again = (await withdraw(installation, message)).message
        await start_due(installation)  # what is in flight may still be answered: it waits
        transport.rule = taken
        transport.answer(CREATED)
        await eventually(lambda: finished(installation, first.id))
    installation.clock.advance(LOOK_AGAIN / 1_000)
    await deliver(installation, again.id, transport)
    asked = Counter(request.url for request in transport.posted[700:])
    assert (len(asked), max(asked.values())) == (700, 1)


async def test_whose_browser_shows_it_while_the_withdrawal_waits_is_left_alone(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(5)
    message = await add(installation)
    transport = PushServices()
    await deliver(installation, message.id, transport)
    withdrawal = (await withdraw(installation, message)).message
    await start_due(installation)
    await show(installation, message, ids[:2])
    progress = await deliver(installation, withdrawal.id, transport)
    assert (progress.audience, progress.accepted, progress.skips) == (5, 3, {"displayed": 2})
    assert len(transport.posted) == 8


async def test_who_did_not_get_it_or_whose_ttl_is_over_is_no_part_of_it(installation: Installation) -> None:
    await installation.subscribe(2)
    transport = FakeTransport(lambda _: Reply(400))
    message = await add(installation)
    await deliver(installation, message.id, transport)
    assert (
        await deliver(installation, (await withdraw(installation, message)).message.id, transport)
    ).audience == 0
    late = await add(installation)
    await deliver(installation, late.id, PushServices())
    installation.clock.advance(TTL)
    progress = await deliver(installation, (await withdraw(installation, late)).message.id, transport)
    assert progress.audience == 0


async def test_whose_ttl_ends_while_the_withdrawal_waits_is_shown_nothing(installation: Installation) -> None:
    for provider in ("fcm", "mozilla"):
        await installation.subscribe(2, provider)
    message = await add(installation)
    transport = PushServices()
    await deliver(installation, message.id, transport)
    context, site_id = installation.context, installation.site.id
    withdrawal = (await withdraw(installation, message)).message
    await start_due(installation)
    await pause_message(context, "a test", site_id, withdrawal.id)
    installation.clock.advance(TTL)
    await resume_message(context, "a test", site_id, withdrawal.id)
    progress = await deliver(installation, withdrawal.id, transport)
    assert (progress.audience, progress.skips) == (4, {"not_waiting": 4})
    assert len(transport.posted) == 4


async def test_neither_quiet_hours_nor_caps_hold_it_up(installation: Installation) -> None:
    await installation.subscribe(2)
    message = await add(installation)
    transport = PushServices()
    hour = installation.clock.now() // 3_600_000 % 24
    settings = SiteSettings(frequency_cap=FrequencyCap(1, 24))
    await set_settings(installation, settings)
    await deliver(installation, message.id, transport)
    quiet = QuietHours(f"{hour:02}:00", f"{(hour + 8) % 24:02}:00", ClockOf.SITE)
    await set_settings(installation, SiteSettings(frequency_cap=FrequencyCap(1, 24), quiet_hours=quiet))
    withdrawal = (await withdraw(installation, message)).message
    assert (await deliver(installation, withdrawal.id, transport)).accepted == 2


async def set_settings(installation: Installation, settings: SiteSettings) -> None:
    installation.site = replace(installation.site, settings=write_settings(settings))
    await installation.database.write(lambda tx: sites.update(tx, installation.site))


async def test_a_sender_that_is_killed_in_the_middle_of_it_counts_nobody_twice(
    installation: Installation,
) -> None:
    await installation.subscribe(300, "mozilla")
    await installation.subscribe(300)
    message = await add(installation)
    transport = PushServices()
    await deliver(installation, message.id, transport)
    withdrawal = (await withdraw(installation, message)).message
    await start_due(installation)
    dying = PushServices()
    async with sender(installation, dying, "sender-x") as running:
        await eventually(lambda: len(dying.posted) > 50)
        running.kill()
        dying.die()
    await expire_leases(installation)
    progress = await deliver(installation, withdrawal.id, transport)
    assert (progress.audience, progress.accepted, progress.remaining) == (600, 600, 0)
