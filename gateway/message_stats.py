"""What became of one message: its funnel, and how displays and clicks came in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.campaigns.periods import StatsStep
from gateway.campaigns.rules import read_rules
from gateway.campaigns.zones import DAY
from gateway.context import Context
from gateway.stats import Asked, Tally, Window, cut, zone_of
from storage import breakdowns, families, messages, rollups, sites
from storage.breakdowns import Dimension
from storage.database import Transaction
from storage.deliveries import SkipReason
from storage.rollups import HOUR, SKIPPED, TOTALS, column_of

_BY_THE_HOUR = 7 * DAY  # a message that took longer is shown by the day, unless something else is asked for
# They were in no variant: what happened before one was drawn for them.
_OF_NO_VARIANT = frozenset(SKIPPED + reason for reason in (SkipReason.HOLDOUT, SkipReason.LATE))


@dataclass(frozen=True, slots=True)
class MessageStats:
    """`audience`: everybody judged so far, of whom some may wait for their outcome.

    `window` None: nothing has happened yet, and there is no series. `variants`: by name, in their order.
    """

    audience: int
    total: Tally
    window: Window | None
    series: Sequence[Tally]
    by_provider: Mapping[str, Tally]
    variants: Mapping[str, Tally]
    told: Mapping[Dimension, Mapping[str, breakdowns.Counts]]


async def message_stats(context: Context, site_id: int, message_id: int, asked: Asked) -> MessageStats:
    """Of a step of an automation over all of its rounds, of a series over its newest occurrences together.

    `asked`: `step` and `timezone`; by the hour if the message took a week or less. storage.errors.NotFound;
    InvalidRequest.
    """

    async def body(tx: Transaction) -> MessageStats:
        zone = zone_of(asked, await sites.get(tx, site_id))
        message = await messages.get(tx, site_id, message_id)
        family = await families.of_message(tx, site_id, message_id)
        ids = [id for id, _ in family]
        total, by_provider, by_variant = _tallies(await rollups.by_kind(tx, site_id, ids))
        window = _window(asked.step, zone, await rollups.hours(tx, site_id, ids))
        variants = read_rules(message).variants
        return MessageStats(
            audience=sum(audience for _, audience in family),
            total=total,
            window=window,
            series=[] if window is None else await _series(tx, site_id, ids, window),
            by_provider=dict(sorted(by_provider.items())),
            variants={}
            if variants is None
            else {option.name: by_variant[index] for index, option in enumerate(variants.options)},
            told=await breakdowns.of_messages(tx, site_id, ids),
        )

    return await context.database.read_apart(body)


def _none() -> Tally:
    return [0] * len(TOTALS)


def _tallies(
    rows: Sequence[tuple[int, str, str, int]],
) -> tuple[Tally, dict[str, Tally], defaultdict[int, Tally]]:
    """All together, by provider, by variant."""
    total = _none()
    by_provider: defaultdict[str, Tally] = defaultdict(_none)
    by_variant: defaultdict[int, Tally] = defaultdict(_none)
    for variant, provider, kind, n in rows:
        column = column_of(kind)
        if column is None:
            continue
        total[column] += n
        by_provider[provider][column] += n
        if kind not in _OF_NO_VARIANT:
            by_variant[variant][column] += n
    return total, by_provider, by_variant


def _window(step: StatsStep | None, zone: str, hours: tuple[int, int] | None) -> Window | None:
    if hours is None:
        return None
    first, last = hours
    usual = StatsStep.HOUR if last - first < _BY_THE_HOUR else StatsStep.DAY
    return cut(zone, first, last + HOUR, step or usual)


async def _series(tx: Transaction, site_id: int, ids: Sequence[int], window: Window) -> Sequence[Tally]:
    series = [_none() for _ in window.points]
    for start, end, offset in window.spans:
        rows = await rollups.kinds_by_part(tx, site_id, ids, start, end, offset, window.part)
        for part, kind, n in rows:
            column = column_of(kind)
            if column is not None:
                series[window.place(part)][column] += n
    return series
