"""What concerns the whole gateway: reports of browsers that stay away, and push services that grow slow.

What no roll-up holds is added up here by the hour, so that it has a past to be compared with.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.watch import sentences
from gateway.watch.bands import HISTORY, HOUR, Hour, Ratio, band_for, samples, window
from gateway.watch.looks import Key, Reading, Severity
from gateway.watch.names import BEACONS_MISSING, LATENCY
from gateway.watch.vitals import Answered
from storage import watched
from storage.database import Database, Transaction

DISPLAYS = Ratio(hours=3, least=1_000, matters=0.3)
ANSWERS = Ratio(hours=1, least=100, matters=1.0, floor=250.0, settles=False)  # ms; twice as long as usual
_SEEN = "displayed"


@dataclass(slots=True)
class Everybody:
    database: Database
    _hour: int = 0  # until which displays are added up
    _answered: dict[tuple[str, str], Answered] = field(default_factory=dict)  # by owner and provider

    async def displays(self, now: int, late: int) -> Sequence[Reading]:
        """Once an hour: the share of all accepted pushes of which browsers have reported a display."""
        hour = (now - late) // HOUR * HOUR
        if hour <= self._hour:
            return ()
        start = hour - (DISPLAYS.hours + 1) * HOUR
        found = await self.database.read_apart(lambda tx: watched.together(tx, start, hour))

        async def body(tx: Transaction) -> Sequence[watched.Noted]:
            for at, accepted, displayed in found:
                await watched.replace(tx, _SEEN, "", at, accepted, displayed)
            await watched.forget(tx, hour - HISTORY - HOUR)
            return await watched.noted(tx, _SEEN, hour - HISTORY)

        noted = await self.database.write(body)
        self._hour = hour
        hours = {each.hour: Hour(each.n, each.total) for each in noted}
        sample = window(DISPLAYS, hours, hour)
        if sample is None:
            return ()
        band = band_for(DISPLAYS, sample, samples(DISPLAYS, hours, sample.at))
        if band is None:
            return ()
        return [
            Reading(
                Key(BEACONS_MISSING),
                Severity.CRITICAL,
                sample.ratio,
                band.low,
                None,
                hour,
                summary=f"Browsers report the display of only {sentences.percent(sample.ratio)} of all "
                f"accepted pushes, usually {sentences.percent(band.usual)}: their reports do not arrive.",
                look_at=sentences.LOOK_AT[BEACONS_MISSING],
                looks=1,
                back=1,
            )
        ]

    async def answers(self, now: int, told: Mapping[str, Mapping[str, Answered]]) -> Sequence[Reading]:
        """How long push services take to answer; `told` by owner and provider, since each one's start."""
        grown: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        known, self._answered = self._answered, {}
        for owner, of_owner in told.items():
            for provider, each in of_owner.items():
                self._answered[owner, provider] = each
                before = known.get((owner, provider))
                if before is not None and each.n > before.n:
                    grown[provider][0] += each.n - before.n
                    grown[provider][1] += each.total - before.total
        if not grown:
            return ()
        hour = now - now % HOUR

        async def body(tx: Transaction) -> Sequence[watched.Noted]:
            for provider, (n, total) in sorted(grown.items()):
                await watched.note(tx, LATENCY, provider, hour, n, total)
            return await watched.noted(tx, LATENCY, hour - HISTORY)

        noted = await self.database.write(body)
        return [reading for provider in grown if (reading := _latency(provider, noted, hour, now))]


def _latency(provider: str, noted: Sequence[watched.Noted], hour: int, now: int) -> Reading | None:
    hours = {each.hour: Hour(each.n, each.total) for each in noted if each.provider == provider}
    sample = window(ANSWERS, hours, hour + HOUR)
    band = None if sample is None else band_for(ANSWERS, sample, samples(ANSWERS, hours, hour))
    if sample is None or band is None:
        return None
    return Reading(
        Key(LATENCY, provider=provider),
        Severity.WARNING,
        sample.ratio / 1_000,
        None,
        band.high / 1_000,
        now,
        summary=f"Pushes take {sample.ratio / 1_000:.2g} s from the claim to the answer of {provider}, "
        f"usually {band.usual / 1_000:.2g} s.",
        look_at=sentences.LOOK_AT[LATENCY],
        looks=3,
        back=5,
    )
