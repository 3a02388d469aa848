"""Push services that are slow, broken, throttle or go wrong: who has to wait for them, and for how long."""

import asyncio
from collections import Counter
from dataclasses import replace

from gateway.delivery.limits import SenderLimits
from gateway.keys import end_wait
from gateway.throttles import Gone, resume_provider
from gateway.webpush import PushRequest, Reply
from storage import keys, messages, sites, subscriptions, throttles
from storage.database import Transaction
from storage.keys import KeyState
from storage.messages import MessageState
from storage.sites import Identity, Site
from storage.subscriptions import SubscriptionState
from storage.throttles import EVERY_SITE, FOR_GOOD, Throttle
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, finish, nothing_left, sender, start_due

SHARED = replace(SenderLimits(), poll=0.01, stop_within=5.0, flush_after=0.02, look_every=0.05)
HOUR = 3_600
RECEIVED = Reply(201, [b"X-WNS-NotificationStatus: received\r\n"])


def host(request: PushRequest) -> str:
    return request.origin.host


async def throttle(installation: Installation, site_id: int, provider: str = "fcm") -> Throttle | None:
    rows = await installation.database.read(throttles.all)
    return next((row for row in rows if (row.site_id, row.provider) == (site_id, provider)), None)


async def accepted(installation: Installation, message_id: int) -> int:
    progress = await installation.progress(message_id)
    return 0 if progress is None else progress.accepted


async def pass_time(installation: Installation, seconds: int) -> None:
    """Some seconds at a time, fewer than a lease has, so that whoever waits for a moment notices."""
    for passed in range(0, seconds, 5):
        installation.clock.advance(min(5, seconds - passed))
        await asyncio.sleep(0.02)


async def test_a_provider_that_never_answers_does_not_slow_two_others(installation: Installation) -> None:
    for provider in ("fcm", "mozilla", "wns"):
        await installation.subscribe(3_000, provider)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda request: None if "googleapis" in host(request) else RECEIVED)

    async with sender(installation, transport, limits=SHARED) as running:
        await eventually(lambda: accepted_is(installation, message.id, 6_000))
        stuck = running.sender.pump.lines["fcm"].in_flight
        assert transport.in_flight == stuck <= SHARED.first_window
        transport.rule = lambda _: RECEIVED
        transport.answer(RECEIVED)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 9_000


async def accepted_is(installation: Installation, message_id: int, count: int) -> bool:
    return await accepted(installation, message_id) == count


async def test_even_when_others_have_taken_all_a_provider_gets_its_least_share(
    installation: Installation,
) -> None:
    for provider in ("fcm", "mozilla"):
        await installation.subscribe(600, provider)
    await installation.subscribe(200, "wns")
    message = await installation.add_message()
    await start_due(installation)
    limits = replace(SHARED, in_flight=100, first_share=1.0, provider_share=1.0)
    transport = FakeTransport(lambda request: RECEIVED if "windows" in host(request) else None)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: accepted_is(installation, message.id, 200))
        most = limits.in_flight + 3 * limits.least_in_flight
        assert transport.in_flight <= most
        transport.rule = lambda _: RECEIVED
        transport.answer(RECEIVED)
        await eventually(lambda: nothing_left(installation, message.id))


async def test_a_429_holds_that_site_on_that_provider_only(installation: Installation) -> None:
    await installation.subscribe(300)
    await installation.subscribe(100, "mozilla")
    message = await installation.add_message()
    await start_due(installation)
    busy = Reply(429, [b"Retry-After: 120\r\n"])
    transport = FakeTransport(lambda request: busy if "googleapis" in host(request) else CREATED)
    limits = replace(QUICK, in_flight=80)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: accepted_is(installation, message.id, 100))
        await eventually(lambda: throttle(installation, installation.site.id))
        await asyncio.sleep(0.3)
        asked = Counter(map(host, transport.posted))["fcm.googleapis.com"]
        assert asked <= 60  # a window of them was in flight when the first one was refused
        transport.rule = lambda _: CREATED
        await pass_time(installation, 119)
        assert Counter(map(host, transport.posted))["fcm.googleapis.com"] == asked
        transport.rule = lambda _: busy
        await pass_time(installation, 2)
        await eventually(lambda: len(transport.posted) == 100 + asked + 1)  # one is tried, and refused
        await asyncio.sleep(0.2)
        assert len(transport.posted) == 100 + asked + 1
        transport.rule = lambda _: CREATED
        await pass_time(installation, 122)
        await eventually(lambda: nothing_left(installation, message.id))

    held = await throttle(installation, installation.site.id)
    assert held is not None
    assert (held.reason, held.failures) == ("retry_after", 0)
    assert await throttle(installation, EVERY_SITE) is None
    assert await accepted(installation, message.id) == 400
    assert len(transport.posted) == 400 + asked + 1


async def test_a_provider_that_throttles_one_site_after_the_other_is_held_for_the_back_off(
    installation: Installation,
) -> None:
    first = installation.site
    for number in range(20):
        site = Site(
            installation.context.ids.next(), "Shop", ("https://shop.example",), "mailto:ops@shop.example",
            Identity.SIGNED, False, installation.clock.now(),
        )  # fmt: skip
        await add_site(installation, site)
        installation.site = site
        await installation.subscribe(1)
        await installation.add_message()
        if number == 19:
            await start_due(installation)
    transport = FakeTransport(lambda _: Reply(429, [b"Retry-After: 60\r\n"]))
    async with sender(installation, transport):
        held = await eventually(lambda: throttle(installation, EVERY_SITE))
    assert held.reason == "retry_after"
    assert held.not_before <= installation.clock.now() + 5_000  # not for what each site was asked to wait
    assert await throttle(installation, first.id) is None


async def add_site(installation: Installation, site: Site) -> None:
    await installation.database.write(lambda tx: sites.add(tx, site))


async def test_a_hold_that_one_sender_made_is_kept_by_another(installation: Installation) -> None:
    await installation.subscribe(1_000)
    message = await installation.add_message()
    await start_due(installation)
    mine, others = FakeTransport(lambda _: None), FakeTransport(lambda _: None)
    limits = replace(QUICK, in_flight=20, read_ahead=100)

    async with (
        sender(installation, mine, "mine", limits),
        sender(installation, others, "others", limits) as other,
    ):
        await eventually(lambda: mine.in_flight == others.in_flight == 15)
        mine.rule = others.rule = lambda _: CREATED
        mine.answer_each(lambda _: Reply(503, [b"Retry-After: 30\r\n"]))
        await eventually(lambda: other.sender.pump.lines["fcm"].held, within=1.0)
        posted = len(others.posted)
        others.answer()
        await asyncio.sleep(0.2)
        assert len(others.posted) == posted
        assert not any(flight.waiting for flight in other.sender.pump.flights.values())
        await pass_time(installation, 90)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await accepted(installation, message.id) == 1_000


async def test_a_broken_provider_is_left_alone_and_then_tried_with_a_few(installation: Installation) -> None:
    await installation.subscribe(400)
    message = await installation.add_message(ttl=3_600)
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(500))
    limits = replace(QUICK, in_flight=40)

    async with sender(installation, transport, limits=limits) as running:
        held = await eventually(lambda: throttle(installation, EVERY_SITE))
        assert (held.reason, held.failures) == ("breaker", 1)
        wait = (held.not_before - installation.clock.now()) // 1_000
        assert 5 <= wait <= 10
        posted = len(transport.posted)
        assert posted <= 60
        await pass_time(installation, wait + 1)
        await eventually(lambda: len(transport.posted) == posted + 1)  # one probe, and it failed
        await eventually(lambda: failures_are(installation, 2))
        again = await throttle(installation, EVERY_SITE)
        assert again is not None
        assert again.not_before - installation.clock.now() > 10_000
        transport.rule = lambda _: CREATED
        await pass_time(installation, 60)
        await eventually(lambda: nothing_left(installation, message.id))
        assert running.sender.pump.lines["fcm"].window.size > 1
    assert await failures_are(installation, 0)
    assert await accepted(installation, message.id) == 400


async def failures_are(installation: Installation, count: int) -> bool:
    row = await throttle(installation, EVERY_SITE)
    return row is not None and row.failures == count


async def test_a_refused_key_is_paused_and_its_subscribers_wait(installation: Installation) -> None:
    ids = await installation.subscribe(500)
    message = await installation.add_message(ttl=3_600)
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(403, body=b"wrong key"))
    limits = replace(QUICK, in_flight=40)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: key_is(installation, KeyState.PAUSED))
        await asyncio.sleep(0.2)
        refused = len(transport.posted)
        assert refused <= 80
        await pass_time(installation, 190)  # looked at twice, and put off
        assert len(transport.posted) == refused
        progress = await installation.progress(message.id)
        assert progress is not None
        assert (progress.failed, progress.remaining, progress.retrying) == (refused, 500 - refused, 0)
        transport.rule = lambda _: CREATED
        key_id = installation.key.id
        await installation.database.write(
            lambda tx: keys.set_state(tx, key_id, KeyState.PAUSED, KeyState.ACTIVE, None)
        )
        await end_wait(installation.context, installation.site.id)
        await pass_time(installation, 2)
        await eventually(lambda: nothing_left(installation, message.id))

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.failures) == (500 - refused, {"unauthorized": refused})
    assert len(transport.posted) == 500
    states = await states_of(installation, ids)
    assert states == {SubscriptionState.ACTIVE: 500}


async def key_is(installation: Installation, state: KeyState) -> bool:
    key = await installation.database.read(lambda tx: keys.get(tx, installation.site.id, installation.key.id))
    return key.state is state and (state is KeyState.ACTIVE or "403" in (key.state_reason or ""))


async def states_of(installation: Installation, ids: list[int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for start in range(0, len(ids), 500):
        page = ids[start : start + 500]

        async def body(tx: Transaction, page: list[int] = page) -> None:
            rows = await subscriptions.by_ids(tx, installation.site.id, page)
            found.update(state for _, _, state in rows)

        await installation.database.read(body)
    return found


async def test_who_waits_for_a_paused_key_longer_than_the_ttl_counts_as_expired(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    key_id = installation.key.id
    await installation.database.write(
        lambda tx: keys.set_state(tx, key_id, KeyState.ACTIVE, KeyState.PAUSED, "test")
    )
    message = await installation.add_message(ttl=150)
    await start_due(installation)
    transport = FakeTransport()
    async with sender(installation, transport):
        await pass_time(installation, 180)
        await eventually(lambda: nothing_left(installation, message.id))
    await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.expired, transport.posted) == (10, [])


async def test_a_mass_of_404s_stops_the_provider_and_can_be_reverted(installation: Installation) -> None:
    ids = await installation.subscribe(1_000)
    installation.clock.advance(HOUR)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(404))
    limits = replace(QUICK, in_flight=40)

    async with sender(installation, transport, limits=limits):
        held = await eventually(lambda: throttle(installation, EVERY_SITE))
        await asyncio.sleep(0.2)
        assert (held.reason, held.not_before) == ("mass_gone", FOR_GOOD)
        asked = len(transport.posted)
        assert asked <= 300
        marked = (await states_of(installation, ids))[SubscriptionState.GONE]
        assert marked <= 200
        assert await resume_provider(installation.context, "admin", "fcm", Gone.REVERT) == marked
        transport.rule = lambda _: CREATED
        await pass_time(installation, 2)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await states_of(installation, ids) == {SubscriptionState.ACTIVE: 1_000}
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.gone, progress.accepted) == (asked, 1_000 - asked)


async def test_second_looks_at_the_young_are_no_mass_of_404s(installation: Installation) -> None:
    """All of them come a minute later and most are 410s, though of everybody who was asked few are gone."""
    await installation.subscribe(1_000)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda request: Reply(410) if request.url[-1] in "123" else CREATED)

    async with sender(installation, transport):
        await eventually(lambda: accepted_is(installation, message.id, 700))
        await pass_time(installation, 95)
        await eventually(lambda: nothing_left(installation, message.id))
    assert await throttle(installation, EVERY_SITE) is None
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.gone) == (700, 300)
    assert len(transport.posted) == 1_300


async def test_after_an_admin_has_confirmed_that_they_are_gone_they_are_marked(
    installation: Installation,
) -> None:
    ids = await installation.subscribe(600)
    installation.clock.advance(HOUR)
    message = await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: Reply(410))
    limits = replace(QUICK, in_flight=40)

    async with sender(installation, transport, limits=limits):
        await eventually(lambda: throttle(installation, EVERY_SITE))
        unmarked = len(transport.posted) - (await states_of(installation, ids))[SubscriptionState.GONE]
        now = installation.clock.now()
        await installation.database.write(lambda tx: throttles.confirm(tx, "fcm", now))
        await pass_time(installation, 2)
        await eventually(lambda: nothing_left(installation, message.id))
    assert len(transport.posted) == 600
    assert (await states_of(installation, ids))[SubscriptionState.ACTIVE] <= max(unmarked, 60)
    held = await throttle(installation, EVERY_SITE)
    assert held is not None
    assert held.not_before == 0


async def test_two_senders_together_keep_to_the_rate_of_a_message(installation: Installation) -> None:
    await installation.subscribe(200)
    message = await installation.add_message(rate=10)
    await start_due(installation)
    one, two = FakeTransport(), FakeTransport()
    posted: list[int] = []

    async with sender(installation, one, "one"), sender(installation, two, "two"):
        for _ in range(45):
            await pass_time(installation, 1)
            await asyncio.sleep(0.08)
            posted.append(len(one.posted) + len(two.posted))
            if posted[-1] == 200:
                break
        await eventually(lambda: nothing_left(installation, message.id))

    assert all(count <= 10 * (second + 2) for second, count in enumerate(posted, start=1))
    assert await accepted(installation, message.id) == 200


async def test_a_slow_message_does_not_keep_a_fast_one_waiting(installation: Installation) -> None:
    await installation.subscribe(300)
    slow = await installation.add_message(rate=1)
    await start_due(installation)
    transport = FakeTransport()
    async with sender(installation, transport):
        await eventually(lambda: len(transport.posted) >= 1)
        fast = await installation.add_message()
        await start_due(installation)
        await eventually(lambda: nothing_left(installation, fast.id))
        assert await accepted(installation, slow.id) <= 5
        await installation.database.write(lambda tx: cancel(tx, slow.id, installation.clock.now()))


async def cancel(tx: Transaction, message_id: int, now: int) -> None:
    await messages.transition(tx, message_id, {MessageState.SENDING}, MessageState.CANCELLED, None, now)
