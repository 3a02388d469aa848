"""What each process shows of itself: what it is, and what it uses of the machine."""

import platform
import resource
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import VERSION

_MEMORY = Path("/proc/self/statm")


class Role(StrEnum):
    SERVE = "serve"
    API = "api"
    SEND = "send"


class ProcessCollector(Collector):
    """Register with the process' registry; reads everything at the moment of the scrape."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._started_at = time.time()

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "gateway_process_info", "1; what the process is.", labels=["role", "version", "python"]
        )
        info.add_metric([self._role, VERSION, platform.python_version()], 1)
        yield info
        yield GaugeMetricFamily(
            "gateway_process_started_seconds",
            "When it was started, in seconds since the epoch.",
            value=self._started_at,
        )
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield CounterMetricFamily(
            "gateway_cpu_seconds", "CPU time, user and system.", value=used.ru_utime + used.ru_stime
        )
        most = used.ru_maxrss * 1_024
        yield GaugeMetricFamily("gateway_memory_bytes", "Memory that it holds.", value=_memory(most))
        yield GaugeMetricFamily("gateway_peak_memory_bytes", "The most memory it ever held.", value=most)


def _memory(most: int) -> int:
    """`most` where the system does not say."""
    try:
        pages = int(_MEMORY.read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return most
    return pages * resource.getpagesize()
