from dataclasses import dataclass, field

import pytest

from gateway.metrics import Metrics
from storage.batches import BULK, TRANSACTIONAL
from storage.deliveries import Outcome, Result


@dataclass
class Flight:
    answers_at: list[int] = field(default_factory=list)
    waits_since: int | None = 0
    started_at: int = 0
    provider: str = "fcm"
    lane: int = BULK


def result(outcome: Outcome | None, code: int | None, provider: str = "fcm", site_id: int = 1) -> Result:
    return Result(site_id, 2, 3, provider, 1, 0, outcome, None, code, 0)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("outcome", "code", "status", "answer"),
    [
        (Outcome.ACCEPTED, 201, "2xx", "accepted"),
        (Outcome.GONE, 410, "4xx", "gone"),
        (None, 410, "4xx", "gone"),  # young: asked again
        (None, 429, "4xx", "throttled"),
        (None, 200, "2xx", "throttled"),  # WNS
        (None, 503, "5xx", "unavailable"),
        (None, None, "none", "unavailable"),
        (Outcome.EXPIRED, 503, "5xx", "unavailable"),
        (Outcome.UNAUTHORIZED, 403, "4xx", "unauthorized"),
        (Outcome.REJECTED, 301, "3xx", "rejected"),
        (Outcome.SKIPPED, 404, "4xx", "not_there"),
    ],
)
def test_an_answer_counts_by_provider_class_of_status_and_kind(
    outcome: Outcome | None, code: int | None, status: str, answer: str
) -> None:
    metrics = Metrics()
    metrics.count_results([result(outcome, code, "mozilla")], 0.01)
    labels = {"provider": "mozilla", "status": status, "answer": answer}
    assert value(metrics, "gateway_answers_total", **labels) == 1
    assert value(metrics, "gateway_results_total", outcome="retry" if outcome is None else outcome) == 1


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.RENDER_FAILED, Outcome.EXPIRED])
def test_what_no_push_service_was_asked_is_no_answer(outcome: Outcome) -> None:
    metrics = Metrics()
    metrics.count_results([result(outcome, None)], 0.01)
    families = {family.name: family for family in metrics.registry.collect()}
    assert families["gateway_answers"].samples == []
    assert value(metrics, "gateway_results_total", outcome=outcome) == 1


def test_a_flush_counts_once_with_its_size_and_time_and_for_its_sites() -> None:
    metrics = Metrics()
    accepted = [result(Outcome.ACCEPTED, 201)] * 300 + [result(Outcome.ACCEPTED, 201, site_id=2)] * 100
    metrics.count_results(accepted, 0.03)
    assert value(metrics, "gateway_flush_results_bucket", le="250.0") == 0
    assert value(metrics, "gateway_flush_results_bucket", le="500.0") == 1
    assert value(metrics, "gateway_flush_seconds_sum") == 0.03
    assert value(metrics, "gateway_site_messages_total", site="site_0000000000001") == 300
    assert value(metrics, "gateway_site_messages_total", site="site_0000000000002") == 100


def test_a_flush_counts_the_same_in_whatever_order_its_results_came() -> None:
    kinds = [result(Outcome.ACCEPTED, 201), result(None, 503), result(Outcome.ACCEPTED, 201, "mozilla")]
    sorted_out, mixed = Metrics(), Metrics()
    sorted_out.count_results([each for each in kinds for _ in range(5)], 0.01)
    mixed.count_results(kinds * 5, 0.01)
    counted = [
        [
            sample
            for family in metrics.sending.collect()
            if family.name == "gateway_answers"
            for sample in family.samples
        ]
        for metrics in (sorted_out, mixed)
    ]
    assert counted[0] == counted[1]
    assert [sample.value for sample in counted[0]] == [5, 5, 5]


def test_waiting_and_sending_are_apart_and_count_for_each_message() -> None:
    metrics = Metrics()
    flight = Flight([1_100, 1_100, 3_000], waits_since=0, started_at=1_000, lane=TRANSACTIONAL)
    metrics.sending.ended([flight, Flight()])
    lane = {"lane": "transactional"}
    assert value(metrics, "gateway_queue_wait_seconds_count", **lane) == 3
    assert value(metrics, "gateway_queue_wait_seconds_sum", **lane) == 3.0
    assert value(metrics, "gateway_send_seconds_bucket", provider="fcm", le="0.1") == 2
    assert value(metrics, "gateway_send_seconds_sum", provider="fcm") == 2.2
    assert value(metrics, "gateway_accepted_to_answered_seconds_bucket", le="2.5", **lane) == 2
    assert value(metrics, "gateway_accepted_to_answered_seconds_sum", **lane) == 5.2


def test_another_attempt_says_nothing_of_waiting() -> None:
    metrics = Metrics()
    metrics.sending.ended([Flight([90_000], waits_since=None, started_at=89_950)])
    assert value(metrics, "gateway_send_seconds_count", provider="fcm") == 1
    assert value(metrics, "gateway_queue_wait_seconds_count", lane="bulk") is None


def test_leases_count_by_what_became_of_them() -> None:
    metrics = Metrics()
    metrics.sending.claimed([1, 1, 2])
    metrics.sending.lost(4)
    metrics.sending.released(5)
    found = {
        event: value(metrics, "gateway_batch_leases_total", event=event)
        for event in ("claimed", "reclaimed", "expired", "released")
    }
    assert found == {"claimed": 3, "reclaimed": 1, "expired": 4, "released": 5}
