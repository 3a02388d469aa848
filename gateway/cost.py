"""What sites cost: a sender's CPU time, shared out by the messages that it recorded for each of them.

Nothing is measured per message: flushes say how many were whose, and each look shares out what was used since
the last one. The sites that cost most have a line of their own, all the others one together.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.ids import Kind, encode_id

SHOWN = 20  # sites with a line of their own: each is two time series a sender
WEIGHED = 1_000  # sites whose late cost is remembered, to find those
FADES = 0.99  # how much of it is left at the next look: half after six minutes of looks each five seconds
OTHER = "other"
NOBODY = "none"  # CPU time of looks between which nothing was recorded: waiting, leases, looks at the clock


class SiteCost(Collector):
    """`used()`: CPU seconds of this process so far. A site whose line ended begins a new one at 0."""

    def __init__(self, used: Callable[[], float], shown: int = SHOWN) -> None:
        self._used = used
        self._shown = shown
        self._settled = used()
        self._messages: Counter[int] = Counter()  # by site, since the last look
        self._weights: dict[int, float] = {}
        # Seconds and messages, by site or word.
        self._lines: dict[str | int, list[float]] = {NOBODY: [0.0, 0.0], OTHER: [0.0, 0.0]}

    def add(self, messages: Mapping[int, int]) -> None:
        """So many results of each site were recorded."""
        self._messages.update(messages)

    def collect(self) -> Iterator[Metric]:
        self._settle()
        seconds = CounterMetricFamily(
            "gateway_site_cpu_seconds",
            "A sender's CPU time, shared out by messages: `other` sites, and `none` while nothing was sent.",
            labels=["site"],
        )
        messages = CounterMetricFamily(
            "gateway_site_messages", "Results that a sender recorded, retries included.", labels=["site"]
        )
        for site, (used, sent) in self._lines.items():
            name = encode_id(Kind.SITE, site) if isinstance(site, int) else site
            seconds.add_metric([name], used)
            messages.add_metric([name], sent)
        yield seconds
        yield messages

    def _settle(self) -> None:
        now = self._used()
        used, self._settled = now - self._settled, now
        counts, self._messages = self._messages, Counter()
        total = sum(counts.values())
        if not total:
            self._lines[NOBODY][0] += used
            return
        self._weigh({site: used * count / total for site, count in counts.items()})
        for site, count in counts.items():
            line = self._lines.get(site) or self._lines[OTHER]
            line[0] += used * count / total
            line[1] += count

    def _weigh(self, shares: Mapping[int, float]) -> None:
        """Decide who has a line. Whoever has one keeps it until somebody else costs twice as much."""
        weights = {site: weight * FADES for site, weight in self._weights.items()}
        for site, share in shares.items():
            weights[site] = weights.get(site, 0.0) + share
        heaviest = sorted(weights, key=weights.__getitem__, reverse=True)[:WEIGHED]
        self._weights = {site: weights[site] for site in heaviest}
        own = {site for site in self._lines if isinstance(site, int)}
        for site in heaviest[: self._shown]:
            if site in own:
                continue
            if len(own) >= self._shown:
                lightest = min(own, key=lambda each: self._weights.get(each, 0.0))
                if weights[site] < 2 * self._weights.get(lightest, 0.0):
                    return
                own.remove(lightest)
                del self._lines[lightest]
            own.add(site)
            self._lines[site] = [0.0, 0.0]
