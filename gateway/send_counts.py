"""What a sender counts of its work, a batch or a flush at a time; nothing here is called for each message."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.cost import SiteCost
from gateway.histograms import histogram
from storage.batches import TRANSACTIONAL
from storage.deliveries import Outcome, Result
from storage.durations import Durations

WAITED = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)  # seconds
ANSWERED = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FLUSHED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SIZES = (1, 10, 50, 100, 250, 500, 1_000, 2_000)
NO_ANSWER = "none"

_KEY = itemgetter(0, 3, 6, 8)  # of a Result: site, provider, outcome, code
_ANSWERS = {429: "throttled", 406: "throttled", 404: "gone", 410: "gone"}  # of those who are tried again


class Sent(Protocol):
    """What is asked of gateway.delivery.flight.Flight, once its last answer is in."""

    @property
    def waits_since(self) -> int | None: ...
    @property
    def started_at(self) -> int: ...
    @property
    def answers_at(self) -> Sequence[int]: ...
    @property
    def provider(self) -> str: ...
    @property
    def lane(self) -> int: ...


class SendCounts(Collector):
    """One for each process; empty where nothing is sent."""

    def __init__(self) -> None:
        self.cost = SiteCost(time.process_time)
        self._waited: dict[str, Durations] = {}  # by lane
        self._answered: dict[str, Durations] = {}  # by provider
        self._whole: dict[str, Durations] = {}  # by lane
        self._answers: Counter[tuple[str, str, str]] = Counter()  # by provider, class of status, and answer
        self._leases: Counter[str] = Counter()
        self._flush_seconds = Durations(FLUSHED)
        self._flush_sizes = Durations(SIZES)

    def claimed(self, leases: Iterable[int]) -> None:
        """Batches were claimed in one transaction; `leases`: how often each was, this time included."""
        found = list(leases)
        self._leases["claimed"] += len(found)
        self._leases["reclaimed"] += sum(1 for each in found if each > 1)

    def lost(self, batches: int) -> None:
        """Leases that ran out."""
        self._leases["expired"] += batches

    def released(self, batches: int) -> None:
        """Given back before their end."""
        self._leases["released"] += batches

    def flushed(self, results: Sequence[Result], seconds: float) -> Mapping[Outcome | None, int]:
        """One flush is recorded; its results by outcome."""
        self._flush_seconds.add(seconds)
        self._flush_sizes.add(len(results))
        sites: Counter[int] = Counter()
        outcomes: Counter[Outcome | None] = Counter()
        for (site_id, provider, outcome, code), count in _tally(results).items():
            sites[site_id] += count
            outcomes[outcome] += count
            answer = _answer(outcome, code)
            if answer is not None:
                status = NO_ANSWER if code is None else f"{code // 100}xx"
                self._answers[provider, status, answer] += count
        self.cost.add(sites)
        return outcomes

    def ended(self, flights: Iterable[Sent]) -> None:
        """All answers of these batches are recorded."""
        for flight in flights:
            moments = sorted(flight.answers_at)  # they mostly are
            if not moments:
                continue
            _of(self._answered, flight.provider, ANSWERED).add_moments(moments, flight.started_at)
            if flight.waits_since is not None:
                lane = "transactional" if flight.lane == TRANSACTIONAL else "bulk"
                waited = max(0, flight.started_at - flight.waits_since) / 1_000
                _of(self._waited, lane, WAITED).add(waited, len(moments))
                _of(self._whole, lane, WAITED).add_moments(moments, flight.waits_since)

    def collect(self) -> Iterator[Metric]:
        yield histogram(
            "gateway_queue_wait_seconds",
            "From the accepted request, or the time it asked for, to the claim; first attempts.",
            "lane",
            self._waited,
        )
        yield histogram(
            "gateway_send_seconds", "From the claim to the push service's answer.", "provider", self._answered
        )
        yield histogram(
            "gateway_accepted_to_answered_seconds",
            "From the accepted request to the push service's answer; first attempts.",
            "lane",
            self._whole,
        )
        yield histogram("gateway_flush_seconds", "To record a flush.", "", {"": self._flush_seconds})
        yield histogram(
            "gateway_flush_results", "Results recorded in one flush.", "", {"": self._flush_sizes}
        )
        answers = CounterMetricFamily(
            "gateway_answers",
            "What push services answered; status `none`: nothing.",
            labels=["provider", "status", "answer"],
        )
        for labels, count in sorted(self._answers.items()):
            answers.add_metric(labels, count)
        yield answers
        leases = CounterMetricFamily(
            "gateway_batch_leases",
            "Batches `claimed`, of those `reclaimed` after somebody else; leases `expired` in our hands, "
            "or `released` early.",
            labels=["event"],
        )
        for event in ("claimed", "reclaimed", "expired", "released"):
            leases.add_metric([event], self._leases[event])
        yield leases
        yield from self.cost.collect()


def _tally(results: Sequence[Result]) -> Counter[tuple[int, str, Outcome | None, int | None]]:
    """By site, provider, outcome and code. Most are as the one before: that costs half of a look-up each."""
    tally: Counter[tuple[int, str, Outcome | None, int | None]] = Counter()
    last, run = None, 0
    for key in map(_KEY, results):
        if key == last:
            run += 1
            continue
        if last is not None:
            tally[last] += run
        last, run = key, 1
    if last is not None:
        tally[last] += run
    return tally


def _of(durations: dict[str, Durations], label: str, bounds: Sequence[float]) -> Durations:
    found = durations.get(label)
    if found is None:
        found = durations[label] = Durations(bounds)
    return found


def _answer(outcome: Outcome | None, code: int | None) -> str | None:
    """The kind of an answer; None when no push service had a part in the outcome."""
    if code is None:
        return "unavailable" if outcome is None else None
    if outcome is None or outcome is Outcome.EXPIRED:
        return _ANSWERS.get(code) or ("throttled" if code < 300 else "unavailable")
    return "not_there" if outcome is Outcome.SKIPPED else outcome.value
