"""Open files and connections as Prometheus sees them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.openfiles.accept import Acceptor
from gateway.openfiles.budget import Budget, open_files


class OpenFilesCollector(Collector):
    """Register with a `CollectorRegistry`; reads everything at the moment of the scrape. No acceptor: it is a
    process that serves nobody."""

    def __init__(self, budget: Budget, acceptor: Acceptor | None = None) -> None:
        self._budget = budget
        self._acceptor = acceptor

    def collect(self) -> Iterator[Metric]:
        budget = self._budget
        yield _gauge("gateway_open_files", "Files that this process has open.", open_files(budget.limit))
        yield _gauge("gateway_open_files_limit", "Files that this process may have open.", budget.limit)
        shares = GaugeMetricFamily("gateway_open_files_budget", "Shares of the limit.", labels=["purpose"])
        for purpose in ("inbound", "outbound", "database", "reserve"):
            shares.add_metric([purpose], getattr(budget, purpose))
        yield shares
        if self._acceptor is not None:
            yield from _inbound(self._acceptor)


def _inbound(acceptor: Acceptor) -> Iterator[Metric]:
    counts = acceptor.counts
    yield _gauge("gateway_connections", "Inbound connections open.", acceptor.open_connections)
    yield _gauge("gateway_connections_limit", "Connections that callers may hold.", acceptor.capacity)
    yield _counter("gateway_connections_attempted", "Callers that connected.", counts.attempted)
    yield _counter("gateway_connections_accepted", "Connections handed to the HTTP server.", counts.accepted)
    refused = CounterMetricFamily(
        "gateway_connections_refused", "Connections answered 503 unread.", labels=["reason"]
    )
    refused.add_metric(["over_budget"], counts.refused)
    yield refused
    closed = CounterMetricFamily(
        "gateway_connections_closed", "Accepted connections that we closed.", labels=["reason"]
    )
    closed.add_metric(["idle_shed"], counts.shed_idle)
    closed.add_metric(["head_timeout"], counts.head_timeouts)
    yield closed
    yield _counter(
        "gateway_accept_failures", "Times the system had no descriptor left.", counts.accept_failures
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
