"""What `/metrics` shows of this process' work. Totals of deliveries are in the database's roll-ups.

One `Metrics` for each process; whoever counts is handed it. Senders have no port: see gateway.figures.
"""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from storage.deliveries import Result


class Metrics:
    """Metrics of one process, on a registry of its own so that tests and processes do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages_started = Counter(
            "gateway_messages_started", "Messages whose audience began to be frozen.", registry=self.registry
        )
        self.recipients_frozen = Counter(
            "gateway_recipients_frozen", "Subscriptions put into batches.", registry=self.registry
        )
        self.messages_ended = Counter(
            "gateway_messages_ended",
            "Messages that reached sent or expired.",
            ["state"],
            registry=self.registry,
        )
        self.results = Counter(
            "gateway_results",
            "Results recorded by this process; `retry` is not an outcome yet.",
            ["outcome"],
            registry=self.registry,
        )
        self.failed_flushes = Counter(
            "gateway_failed_flushes",
            "Attempts to record results that the database did not take.",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "gateway_pushes_in_flight",
            "POSTed, not answered: a kill may repeat them.",
            registry=self.registry,
        )
        self.unrecorded = Gauge(
            "gateway_results_unrecorded",
            "Answered, not recorded: a kill repeats them.",
            registry=self.registry,
        )

    def count_results(self, results: Iterable[Result]) -> None:
        """Add what one flush recorded."""
        for outcome, count in Tally(result.outcome for result in results).items():
            self.results.labels("retry" if outcome is None else outcome.value).inc(count)
