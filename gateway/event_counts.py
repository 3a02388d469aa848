"""How the browsers' reports fare, as Prometheus sees it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class EventCounts:
    """Since the start of this process. A repeated event is recorded each time, and `counted` once."""

    recorded: int = 0
    counted: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by reason


class EventsCollector(Collector):
    """`waiting()` is how many events were taken and are not yet stored."""

    def __init__(self, counts: EventCounts, waiting: Callable[[], int]) -> None:
        self._counts = counts
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("gateway_events_waiting", "Reported, not yet stored.", self._waiting())
        yield CounterMetricFamily("gateway_events_recorded", "Reports stored.", self._counts.recorded)
        yield CounterMetricFamily(
            "gateway_events_counted",
            "Reports stored that were the first of their kind.",
            self._counts.counted,
        )
        yield CounterMetricFamily(
            "gateway_events_repeated",
            "Reports stored that had been counted before.",
            self._counts.recorded - self._counts.counted,
        )
        refused = CounterMetricFamily("gateway_events_refused", "Reports not stored.", labels=["reason"])
        for reason, count in sorted(self._counts.refused.items()):
            refused.add_metric([reason], count)
        yield refused
