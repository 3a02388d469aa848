"""How long a push service is asked to keep a push that was sent later than it was read."""

from dataclasses import replace

import pytest

from gateway.delivery.flight import Flight
from gateway.outgoing import Outgoing
from gateway.webpush import PushRequest
from storage.batches import Batch, pack
from storage.messages import Message, Priority
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, nothing_left, sender, start_due

NOW = 1_767_225_600_000


def asked(request: PushRequest) -> int:
    return next(int(line[5:]) for line in request.headers if line.startswith("TTL: "))


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_push_that_waited_for_a_slow_push_service_is_not_kept_beyond_expires_at(
    installation: Installation,
) -> None:
    await installation.subscribe(100)
    ends_at = installation.clock.now() + 600_000
    message = await installation.add_message(expires_at=ends_at)
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    async with sender(installation, transport, limits=replace(QUICK, in_flight=40)):
        await eventually(lambda: transport.in_flight == 30)
        installation.clock.advance(400.5)
        transport.rule = lambda _: CREATED
        transport.answer()
        await eventually(lambda: nothing_left(installation, message.id))
    assert {asked(request) for request in transport.posted[:30]} == {600}
    assert {asked(request) for request in transport.posted[30:]} == {200}


def test_each_second_the_ttl_is_a_second_less_until_the_time_is_over() -> None:
    message = Message(
        id=1,
        site_id=1,
        priority=Priority.BULK,
        lane=1,
        content="{}",
        audience_spec="{}",
        ttl=60,
        send_at=NOW,
        created_at=NOW,
    )
    flight = Flight(
        batch=Batch(1, 1, 1, "fcm", pack([1]), 1, NOW, 1, 0, 0, 1, NOW, leases=1),
        outgoing=Outgoing(message, "https://push.example"),
        contact="mailto:ops@shop.example",
        event_key=b"",
        keys={},
        waiting=[],
        started_at=NOW,
        header_lines={(1, "https://fcm.googleapis.com"): ["TTL: 60"]},
    )
    assert (flight.ttl, flight.ttl_until) == (60, NOW + 1_000)
    assert flight.has_time(NOW + 1_000)
    assert (flight.ttl, flight.ttl_until, flight.header_lines) == (59, NOW + 2_000, {})
    assert flight.has_time(NOW + 59_999)
    assert (flight.ttl, flight.ttl_until) == (1, NOW + 60_000)
    assert not flight.has_time(NOW + 60_000)
