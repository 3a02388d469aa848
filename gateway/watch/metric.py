"""Alerts as Prometheus sees them: how many of each name are raised."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from gateway.watch.looks import Severity
from gateway.watch.names import NAMES
from storage.alerts import Alert


def alerts_family(raised: Iterable[Alert]) -> Metric:
    """Those that are not raised are 0, so that a rule can tell it from a scrape that did not work."""
    counts = Counter((each.name, each.severity) for each in raised)
    family = GaugeMetricFamily("gateway_alerts", "Alerts that are raised.", labels=["name", "severity"])
    for name in NAMES:
        for severity in Severity:
            family.add_metric([name, severity.value], counts[name, severity.value])
    return family
