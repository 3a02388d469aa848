"""What became of a site's messages and subscribers in a time: sums of counters, never of raw rows."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.campaigns.periods import Span, StatsStep, part_length, periods, place_of, spans
from gateway.campaigns.zones import DAY, moment_of, wall_of, zone_or
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.site_settings import read_settings
from gateway.subscription_fields import check_zone
from storage import breakdowns, growth, rollups, site_hours, sites
from storage.breakdowns import Dimension
from storage.database import Transaction
from storage.growth import LOSSES, MOVES, Move
from storage.rollups import TOTALS

MOST_POINTS = 2_000
MOST_DAYS = 3_700  # ten years
_USUAL_DAYS = 30

Tally = list[int]  # in the order of rollups.TOTALS


@dataclass(frozen=True, slots=True)
class Asked:
    """`start` and `end`: RFC 3339 times, or days of the zone. None: the last 30 days in the site's zone."""

    start: str | None = None
    end: str | None = None
    step: StatsStep | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Whole steps of a zone: their beginnings, and the end of the last."""

    zone: str
    step: StatsStep
    edges: Sequence[int]

    @property
    def start(self) -> int:
        return self.edges[0]

    @property
    def end(self) -> int:
        return self.edges[-1]

    @property
    def points(self) -> Sequence[int]:
        return self.edges[:-1]

    @property
    def spans(self) -> Sequence[Span]:
        """In which hours are added up in the database: none of them has two offsets."""
        if self.step is StatsStep.HOUR:
            return [Span(self.start, self.end, 0)]
        return spans(self.zone, self.start, self.end)

    @property
    def part(self) -> int:
        return part_length(self.step)

    def place(self, part: int) -> int:
        """The point to which a part of a span belongs."""
        return place_of(self.zone, self.edges, part, self.step)


@dataclass(frozen=True, slots=True)
class SiteStats:
    """Lists are in the order of the window's points. `hours`: 24 shares, None when nobody has looked yet."""

    window: Window
    messages: int  # started in this time, but for tests and withdrawals
    series: Sequence[Tally]
    moves: Sequence[Mapping[Move, int]]
    by_provider: Mapping[str, Tally]
    told: Mapping[Dimension, Mapping[str, breakdowns.Counts]]
    active: int  # now
    hours: Sequence[float] | None

    @property
    def total(self) -> Tally:
        return [sum(column) for column in zip(*self.series, strict=True)]

    @property
    def moved(self) -> Mapping[Move, int]:
        return sum((Counter(each) for each in self.moves), Counter())


def lost(moves: Mapping[Move, int]) -> int:
    return sum(moves.get(move, 0) for move in LOSSES)


def window_of(asked: Asked, zone: str, now: int) -> Window:
    """Aligned to the steps, outwards. InvalidRequest: too many points, no such time."""
    step = asked.step or StatsStep.DAY
    end = now + 1 if asked.end is None else _moment("to", asked.end, zone)
    start = _usual_start(zone, end) if asked.start is None else _moment("from", asked.start, zone)
    if end > now + MOST_DAYS * DAY:
        raise InvalidRequest(errors=[FieldError("to", "Nobody knows so far ahead.")])
    if start >= end:
        raise InvalidRequest(errors=[FieldError("from", "This is not before the end, `to`.")])
    if end - start > MOST_DAYS * DAY:
        raise InvalidRequest(errors=[FieldError("from", f"At most {MOST_DAYS:,} days can be asked for.")])
    return cut(zone, start, end, step)


def _usual_start(zone: str, end: int) -> int:
    """So many days of the zone, the one that holds the moment before `end` among them."""
    last_day = datetime.combine(wall_of(zone, end - 1), datetime.min.time())
    return moment_of(zone, last_day - timedelta(days=_USUAL_DAYS - 1))


def cut(zone: str, start: int, end: int, step: StatsStep) -> Window:
    """InvalidRequest: too many points."""
    edges = periods(zone, start, end, step, MOST_POINTS)
    if len(edges) - 1 > MOST_POINTS:
        sentence = f"By the {step} these are more than {MOST_POINTS:,} points: ask for longer steps, or less."
        raise InvalidRequest(errors=[FieldError("step", sentence)])
    return Window(zone, step, edges)


def zone_of(asked: Asked, site: sites.Site) -> str:
    """The site's unless another is asked for. InvalidRequest: there is none of that name."""
    if asked.timezone is None:
        return zone_or(read_settings(site).timezone, "UTC")
    if errors := check_zone(asked.timezone, "timezone"):
        raise InvalidRequest(errors=errors)
    return asked.timezone


async def site_stats(context: Context, site_id: int, asked: Asked) -> SiteStats:
    """storage.errors.NotFound; InvalidRequest."""
    now = context.clock.now()

    async def body(tx: Transaction) -> SiteStats:
        window = window_of(asked, zone_of(asked, await sites.get(tx, site_id)), now)
        series = [[0] * len(TOTALS) for _ in window.points]
        by_provider: defaultdict[str, Tally] = defaultdict(lambda: [0] * len(TOTALS))
        moves: list[Counter[Move]] = [Counter() for _ in window.points]
        for start, end, offset in window.spans:
            for part, provider, *counts in await rollups.by_part(
                tx, site_id, start, end, offset, window.part
            ):
                _add(series[window.place(part)], counts)
                _add(by_provider[provider], counts)
            for part, *counts in await growth.by_part(tx, site_id, start, end, offset, window.part):
                moves[window.place(part)].update(dict(zip(MOVES, counts, strict=True)))
        return SiteStats(
            window=window,
            messages=await rollups.count_started(tx, site_id, window.start, window.end),
            series=series,
            moves=moves,
            by_provider=dict(sorted(by_provider.items())),
            told=await breakdowns.of_site(tx, site_id, window.start - window.start % DAY, window.end),
            active=await growth.active(tx, site_id),
            hours=_shares((await site_hours.of_sites(tx, [site_id], now)).get(site_id, ())),
        )

    return await context.database.read_apart(body)


def _add(tally: Tally, counts: Sequence[int]) -> None:
    for place, n in enumerate(counts):
        tally[place] += n


def _shares(hours: Sequence[int]) -> Sequence[float] | None:
    total = sum(hours)
    return [round(n / total, 4) for n in hours] if total else None


def _moment(path: str, text: str, zone: str) -> int:
    """A day begins in the zone; a time says its own."""
    try:
        if len(text) == len("2026-01-01"):
            at = moment_of(zone, datetime.combine(date.fromisoformat(text), datetime.min.time()))
        else:
            said = datetime.fromisoformat(text.replace(" ", "+"))  # what a `+` in a query becomes
            if said.tzinfo is None:
                raise ValueError
            at = round(said.astimezone(UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        at = -1
    if at < 0:
        sentence = "This is neither a day, `2026-12-01`, nor a time with its zone, `2026-12-01T09:00:00Z`."
        raise InvalidRequest(errors=[FieldError(path, sentence)])
    return at
