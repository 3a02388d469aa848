"""How many requests each route answers, with what status and how fast."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.durations import Durations

LASTED: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
NO_ROUTE: Final = ("none", "any")  # what strangers ask for is no label
HUNG_UP: Final = 499  # as nginx writes it in its logs

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestCounts(Collector):
    """By the route's pattern, never by the path: `/v1/sites/{site}/messages`."""

    def __init__(self) -> None:
        self.in_progress = 0
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._lasted: dict[tuple[str, str], Durations] = {}

    def add(self, route: tuple[str, str], status: int, seconds: float | None) -> None:
        """`seconds` None: a stream, which lasts as long as its reader likes."""
        self._answered[*route, status] += 1
        if seconds is not None:
            lasted = self._lasted.get(route)
            if lasted is None:
                lasted = self._lasted[route] = Durations(LASTED)
            lasted.add(seconds)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "gateway_requests",
            "Requests answered; status 499: the caller hung up.",
            labels=["route", "method", "status"],
        )
        for (route, method, status), count in sorted(self._answered.items()):
            requests.add_metric([route, method, str(status)], count)
        yield requests
        lasted = HistogramMetricFamily(
            "gateway_request_seconds", "Until the answer begins, without streams.", labels=["route", "method"]
        )
        for labels, durations in sorted(self._lasted.items()):
            lasted.add_metric(labels, durations.cumulative, durations.total)
        yield lasted
        yield GaugeMetricFamily("gateway_requests_in_progress", "Being answered.", value=self.in_progress)


def counted(counts: RequestCounts) -> Middleware:
    """Outside all others, so that it sees what callers see."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        began_at = time.perf_counter()
        counts.in_progress += 1
        status, streams = HUNG_UP, False
        try:
            response = await handler(request)
            status, streams = response.status, not isinstance(response, web.Response)
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            counts.in_progress -= 1
            resource = request.match_info.route.resource
            route = NO_ROUTE if resource is None else (resource.canonical, request.method)
            counts.add(route, status, None if streams else time.perf_counter() - began_at)
        return response

    return count
