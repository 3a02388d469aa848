"""Durations as Prometheus reads them."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.durations import Durations, Timings


def histogram(name: str, text: str, label: str, found: Mapping[str, Durations]) -> Metric:
    """One family, a histogram for each value of `label`; "" for none."""
    family = HistogramMetricFamily(name, text, labels=[label] if label else [])
    for value, durations in sorted(found.items()):
        family.add_metric([value] if label else [], durations.cumulative, durations.total)
    return family


class DatabaseCollector(Collector):
    """How long transactions of this process wait and take."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings

    def collect(self) -> Iterator[Metric]:
        yield histogram(
            "gateway_database_wait_seconds",
            "Before a transaction begins: for SQLite's write lock, or for a connection.",
            "kind",
            self._timings.waited,
        )
        yield histogram(
            "gateway_database_seconds",
            "From the beginning of a transaction to the end of its commit.",
            "kind",
            self._timings.worked,
        )
