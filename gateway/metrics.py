"""What `/metrics` shows of this process' work. Totals of deliveries are in the database's roll-ups.

One `Metrics` for each process; whoever counts is handed it. Senders have no port: see gateway.figures.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.send_counts import SendCounts
from storage.deliveries import Result


class Sized(Protocol):
    @property
    def size(self) -> int: ...


class ProviderLine(Protocol):
    """What is shown of gateway.delivery.line.Line."""

    @property
    def provider(self) -> str: ...
    @property
    def window(self) -> Sized: ...
    @property
    def in_flight(self) -> int: ...


class Metrics:
    """Metrics of one process, on a registry of its own so that tests and processes do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sending = SendCounts()
        self.registry.register(self.sending)
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

        self.provider_window = Gauge(
            "gateway_provider_window",
            "Pushes that may be in flight to a provider at once, as it has let us find out.",
            ["provider"],
            registry=self.registry,
        )
        self.provider_in_flight = Gauge(
            "gateway_provider_in_flight",
            "Pushes to a provider that are POSTed and not answered.",
            ["provider"],
            registry=self.registry,
        )

    def watch_lines(self, lines: Iterable[ProviderLine]) -> None:
        """How a sender gets on with each provider."""
        for line in lines:
            self.provider_window.labels(line.provider).set(line.window.size)
            self.provider_in_flight.labels(line.provider).set(line.in_flight)

    def count_results(self, results: Sequence[Result], seconds: float) -> None:
        """Add what one flush recorded, and how long that took."""
        for outcome, count in self.sending.flushed(results, seconds).items():
            self.results.labels("retry" if outcome is None else outcome.value).inc(count)
