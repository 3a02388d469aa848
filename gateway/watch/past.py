"""Ratios of sites and providers against their own past, from the roll-ups by the hour.

Two speeds. What fails shows in the hour in which it is sent, and is looked at every time, where there is
enough of it. What browsers report comes back over hours: once an hour all sites that sent enough are looked
at, a part of them at a time, so that a look is bounded however many sites there are.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.watch import sentences
from gateway.watch.bands import (
    HISTORY,
    HOUR,
    NEAR,
    Band,
    Hour,
    Hours,
    Ratio,
    Sample,
    band_for,
    samples,
    window,
)
from gateway.watch.looks import Key, Reading
from gateway.watch.names import CLICK_RATE, DISPLAY_RATE, FAILURE_RATE, PRUNE_RATE
from storage import watched
from storage.database import Database
from storage.watched import Failed, Totals

HOURLY: Mapping[str, Ratio] = {
    DISPLAY_RATE: Ratio(hours=3, least=200, matters=0.25),
    CLICK_RATE: Ratio(hours=3, least=500, matters=0.5),
}
AT_ONCE: Mapping[str, Ratio] = {
    FAILURE_RATE: Ratio(hours=2, least=50, matters=0.5, floor=0.02, settles=False),
    PRUNE_RATE: Ratio(hours=2, least=200, matters=0.5, floor=0.05, settles=False),
}
FEWEST = 20  # pushes that failed or found nobody, before it is looked at
MOST_FAILING = 200  # sites and providers in one look
MOST_SITES = 100_000
ROWS = 50_000  # of the past read in one look at sites: about a tenth of a second, a site at a time
LATE = 5 * 60_000  # ms after an hour until it is looked at: the last reports of it are stored

Series = Mapping[str, Sequence[Totals]]  # by provider


@dataclass(slots=True)
class Ratios:
    database: Database
    all_failing: bool = (
        True  # else there were more than one look takes: who was not seen may fail all the same
    )
    _hour: int = 0  # the end of the windows that are being looked at
    _sites: list[int] = field(default_factory=list)  # that are still to be looked at, the last first
    _last: int = 0  # that was looked at
    _bands: dict[tuple[Key, int], Band | None] = field(default_factory=dict)  # of what fails, for an hour

    async def failing(self, now: int) -> Sequence[Reading]:
        """Of what is sent just now, wherever there is enough that fails. `evidence` is the look."""
        hour = now - now % HOUR
        start = hour - HOUR
        found = await self.database.read_apart(
            lambda tx: watched.that_failed(tx, start, FEWEST, MOST_FAILING)
        )
        self.all_failing = len(found) < MOST_FAILING
        self._bands = {place: band for place, band in self._bands.items() if place[1] == hour}
        return [reading for each in found async for reading in self._of_failed(each, hour, now)]

    async def _of_failed(self, each: Failed, hour: int, now: int) -> AsyncIterator[Reading]:
        n = each.accepted + each.failed + each.gone
        for name, hits in ((FAILURE_RATE, each.failed), (PRUNE_RATE, each.gone)):
            ratio, key = AT_ONCE[name], Key(name, each.site_id, each.provider)
            if n < ratio.least or hits / n < ratio.floor:
                continue
            sample = Sample(hour - HOUR, n, hits)
            if (key, hour) not in self._bands:
                self._bands[key, hour] = await self._band(key, ratio, sample, hour - HOUR)
            band = self._bands[key, hour]
            if band is not None:
                yield sentences.of_ratio(key, sample, band, now)

    async def _band(self, key: Key, ratio: Ratio, sample: Sample, until: int) -> Band | None:
        rows = await self.database.read_apart(
            lambda tx: watched.of_site(tx, key.site_id, until - HISTORY, until)
        )
        hours = _counted(key.name, [row for row in rows if row.provider == key.provider])
        return band_for(ratio, sample, samples(ratio, hours, until))

    async def settled(self, now: int) -> Sequence[Reading]:
        """Some of the sites whose last hours have not been looked at yet. `evidence` is the hour."""
        hour = (now - LATE) // HOUR * HOUR
        if hour > self._hour:
            longest = max(ratio.hours for ratio in HOURLY.values())
            least = min(ratio.least for ratio in HOURLY.values())
            sites = await self.database.read_apart(
                lambda tx: watched.sites_that_sent(tx, hour - longest * HOUR, hour, least, MOST_SITES)
            )
            # Where it stopped, if an hour was not enough for all: nobody is always the last.
            ahead = [each for each in sites if each > self._last]
            behind = [each for each in sites if each <= self._last]
            self._hour, self._sites = hour, [*ahead, *behind][::-1]
        readings: list[Reading] = []
        rows = 0
        while self._sites and rows < ROWS:
            self._last = self._sites.pop()
            found, read = await self._of_site(self._last)
            readings += found
            rows += read
        return readings

    async def _of_site(self, site_id: int) -> tuple[Sequence[Reading], int]:
        """And how many rows that took: those of this time of the day, or all where these are not enough."""
        end, longest = self._hour, max(ratio.hours for ratio in HOURLY.values())
        since, first = end - HISTORY, (end // HOUR - longest - NEAR - 1) % 24
        rows = await self.database.read_apart(
            lambda tx: watched.of_site(tx, site_id, since, end, first, longest + 1 + 2 * NEAR)
        )
        readings, enough = _judge(site_id, rows, end, end - longest * HOUR)
        if enough:
            return readings, len(rows)
        whole = await self.database.read_apart(lambda tx: watched.of_site(tx, site_id, since, end))
        return _judge(site_id, whole, end, None)[0], len(rows) + len(whole)


def _judge(
    site_id: int, rows: Sequence[Totals], end: int, near: int | None
) -> tuple[Sequence[Reading], bool]:
    """The readings of all providers, and whether there was enough of a past for each."""
    readings, enough = [], True
    for provider, of_provider in _by_provider(rows).items():
        for name, ratio in HOURLY.items():
            hours = _counted(name, of_provider)
            sample = window(ratio, hours, end)
            if sample is None:
                continue
            band = band_for(ratio, sample, samples(ratio, hours, sample.at, near))
            if band is None:
                enough = False
            else:
                readings.append(sentences.of_ratio(Key(name, site_id, provider), sample, band, end))
    return readings, enough


def _counted(name: str, rows: Sequence[Totals]) -> Hours:
    """What is counted against what, hour by hour."""
    if name == DISPLAY_RATE:
        return {row.hour: Hour(row.accepted, row.displayed) for row in rows}
    if name == CLICK_RATE:
        return {row.hour: Hour(row.displayed, row.clicked) for row in rows}
    return {
        row.hour: Hour(row.accepted + row.failed + row.gone, row.failed if name == FAILURE_RATE else row.gone)
        for row in rows
    }


def _by_provider(rows: Sequence[Totals]) -> Series:
    series: defaultdict[str, list[Totals]] = defaultdict(list)
    for row in rows:
        series[row.provider].append(row)
    return series
