"""What a sender's metrics say of a broadcast: every message once, in the right place."""

from gateway.audience import AudienceSpec
from gateway.metrics import Metrics
from gateway.webpush import PushRequest, Reply
from storage.ids import Kind, encode_id
from storage.messages import Priority
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import expire_leases, nothing_left, sender, start_due

GONE = Reply(410)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_each_message_counts_once_as_waited_sent_and_answered(installation: Installation) -> None:
    await installation.subscribe(700)
    installation.clock.advance(3_600)  # or who is gone would be too young for it
    message = await installation.add_message()
    installation.clock.advance(2)
    await start_due(installation)
    metrics, transport = Metrics(), FakeTransport(lambda _: None)
    ended = 0

    def some_are_gone(request: PushRequest) -> Reply:
        nonlocal ended
        ended += 1
        return GONE if ended % 7 == 0 else CREATED

    async with sender(installation, transport, metrics=metrics) as running:
        await eventually(lambda: len(transport.posted) == 700)
        assert value(metrics, "gateway_pushes_in_flight") == 700
        installation.clock.advance(0.4)
        transport.answer_each(some_are_gone)
        await eventually(lambda: nothing_left(installation, message.id))
        await eventually(lambda: running.sender.recorder.unrecorded == 0)

        assert value(metrics, "gateway_answers_total", provider="fcm", status="2xx", answer="accepted") == 600
        assert value(metrics, "gateway_answers_total", provider="fcm", status="4xx", answer="gone") == 100
        assert value(metrics, "gateway_send_seconds_count", provider="fcm") == 700
        assert round(value(metrics, "gateway_send_seconds_sum", provider="fcm"), 3) == 280  # 0.4 s each
        assert value(metrics, "gateway_queue_wait_seconds_count", lane="bulk") == 700
        assert value(metrics, "gateway_accepted_to_answered_seconds_count", lane="bulk") == 700
        assert value(metrics, "gateway_flush_results_sum") == 700
        assert value(metrics, "gateway_batch_leases_total", event="claimed") == 2
        site = encode_id(Kind.SITE, installation.site.id)
        assert value(metrics, "gateway_site_messages_total", site=site) == 700
        assert value(metrics, "gateway_site_cpu_seconds_total", site=site) > 0


async def test_a_transactional_message_waits_from_the_request_on(installation: Installation) -> None:
    (id,) = await installation.subscribe(1)
    message = await installation.add_message(
        AudienceSpec(subscriptions=(id,)), priority=Priority.TRANSACTIONAL
    )
    installation.clock.advance(2)
    await start_due(installation)
    installation.clock.advance(1)
    metrics = Metrics()
    async with sender(installation, FakeTransport(), metrics=metrics):
        await eventually(lambda: nothing_left(installation, message.id))
        lane = {"lane": "transactional"}
        await eventually(lambda: value(metrics, "gateway_queue_wait_seconds_count", **lane) == 1)
        assert value(metrics, "gateway_queue_wait_seconds_sum", **lane) == 3.0


async def test_batches_that_were_somebody_elses_are_counted_as_claimed_again(
    installation: Installation,
) -> None:
    await installation.subscribe(10)
    message = await installation.add_message()
    await start_due(installation)
    dead = FakeTransport(lambda _: None)
    async with sender(installation, dead, "sender-dead") as killed:
        await eventually(lambda: len(dead.posted) == 10)
        killed.kill()
    await expire_leases(installation)
    metrics = Metrics()
    async with sender(installation, FakeTransport(), "sender-next", metrics=metrics):
        await eventually(lambda: nothing_left(installation, message.id))
    assert value(metrics, "gateway_batch_leases_total", event="claimed") == 1
    assert value(metrics, "gateway_batch_leases_total", event="reclaimed") == 1
