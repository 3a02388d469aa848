"""`…/stats`: what became of a site's messages and subscribers, and of one message."""

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.api.admin.stats_types import (
    MOST_ACTIONS,
    Counts,
    Format,
    Lost,
    MessagePoint,
    MessageStatistics,
    MessageStatsQuery,
    Reported,
    SitePoint,
    SiteStatsQuery,
    SiteTotals,
    Statistics,
    SubscriberGrowth,
    VariantCounts,
)
from gateway.api.lines import stream_lines
from gateway.api.moments import to_moment
from gateway.api.route import JSON, Call, route
from gateway.message_stats import MessageStats, message_stats
from gateway.stats import Asked, SiteStats, Tally, lost, site_stats
from gateway.subscription_lines import CONTENT_TYPE as NDJSON
from storage.breakdowns import EVENTS, Dimension
from storage.growth import LOSSES, Move
from storage.ids import Kind
from storage.rollups import TOTALS
from storage.tokens import Scope

CSV = "text/csv"

_AT_ONCE = 200  # lines
_ENDED = tuple(TOTALS.index(name) for name in ("accepted", "gone", "failed", "expired", "skipped"))


@route(
    "GET",
    "/v1/sites/{site}/stats",
    "What became of a site's messages and subscribers",
    scope=Scope.READ,
    shows=Statistics,
    also_gives=(CSV, NDJSON),
)
async def show_site_stats(call: Call[None, SiteStatsQuery]) -> web.StreamResponse:
    """The last 30 days by the day in the site's zone, unless something else is asked for.

    At most 2,000 points. Exact, and for ever: raw rows that were removed stay counted.
    """
    asked = call.query
    found = await site_stats(
        call.context, call.site_id, Asked(asked.from_, asked.to, asked.step, asked.timezone)
    )
    if asked.format is not Format.JSON:
        return await _stream(call, asked.format, _site_points(found), "stats")
    window, moved, total = found.window, found.moved, found.total
    return _json(
        Statistics(
            from_=to_moment(window.start),
            to=to_moment(window.end),
            step=window.step,
            timezone=window.zone,
            totals=SiteTotals(**_counts(total), messages=found.messages),
            series=_site_points(found),
            subscribers=SubscriberGrowth(
                active=found.active,
                subscribed=moved.get(Move.SUBSCRIBED, 0),
                resubscribed=moved.get(Move.RESUBSCRIBED, 0),
                lost=Lost(**{move.value: moved.get(move, 0) for move in LOSSES}),
            ),
            by_provider={name: Counts(**_counts(tally)) for name, tally in found.by_provider.items()},
            by_browser=_reported(found.told[Dimension.BROWSER]),
            by_country=_reported(found.told[Dimension.COUNTRY]),
            best_hours=found.hours,
        )
    )


@route(
    "GET",
    "/v1/sites/{site}/messages/{message}/stats",
    "What became of a message",
    scope=Scope.READ,
    shows=MessageStatistics,
    also_gives=(CSV, NDJSON),
)
async def show_message_stats(call: Call[None, MessageStatsQuery]) -> web.StreamResponse:
    """By the hour if it took a week or less, else by the day, unless something else is asked for.

    A step of an automation with all who came to it; a series with its newest 100 occurrences together.
    """
    asked = call.query
    message_id = call.id_of(Kind.MESSAGE)
    wanted = Asked(step=asked.step, timezone=asked.timezone)
    found = await message_stats(call.context, call.site_id, message_id, wanted)
    points = _message_points(found)
    if asked.format is not Format.JSON:
        return await _stream(call, asked.format, points, "message")
    actions = sorted(found.told[Dimension.ACTION].items(), key=lambda item: (-item[1][1], item[0]))
    return _json(
        MessageStatistics(
            funnel=Counts(**_counts(found.total) | {"audience": found.audience}),
            step=None if found.window is None else found.window.step,
            timezone=None if found.window is None else found.window.zone,
            series=points,
            by_provider={name: Counts(**_counts(tally)) for name, tally in found.by_provider.items()},
            by_browser=_reported(found.told[Dimension.BROWSER]),
            by_country=_reported(found.told[Dimension.COUNTRY]),
            by_variant=[VariantCounts(name=name, **_counts(tally)) for name, tally in found.variants.items()],
            actions={name: counts[EVENTS.index("clicked")] for name, counts in actions[:MOST_ACTIONS]},
        )
    )


def _counts(tally: Tally) -> dict[str, int]:
    return {"audience": sum(tally[place] for place in _ENDED), **dict(zip(TOTALS, tally, strict=True))}


def _site_points(found: SiteStats) -> Sequence[SitePoint]:
    return [
        SitePoint(
            at=to_moment(at),
            subscribed=moves.get(Move.SUBSCRIBED, 0),
            resubscribed=moves.get(Move.RESUBSCRIBED, 0),
            lost=lost(moves),
            **_counts(tally),
        )
        for at, tally, moves in zip(found.window.points, found.series, found.moves, strict=True)
    ]


def _message_points(found: MessageStats) -> Sequence[MessagePoint]:
    if found.window is None:
        return []
    shown = [name for name in MessagePoint.__struct_fields__ if name != "at"]
    return [
        MessagePoint(at=to_moment(at), **{name: tally[TOTALS.index(name)] for name in shown})
        for at, tally in zip(found.window.points, found.series, strict=True)
    ]


def _reported(values: Mapping[str, Sequence[int]]) -> Mapping[str, Reported]:
    return {
        name: Reported(**dict(zip(EVENTS, counts, strict=True))) for name, counts in sorted(values.items())
    }


def _json(answer: Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type=JSON)


async def _stream(
    call: Call[None, MessageStatsQuery] | Call[None, SiteStatsQuery],
    format: Format,
    points: Sequence[Struct],
    name: str,
) -> web.StreamResponse:
    """A line for each point."""
    lines = _ndjson_lines(points) if format is Format.NDJSON else _csv_lines(points)
    content_type = NDJSON if format is Format.NDJSON else CSV
    return await stream_lines(call.request, lines, f"{name}.{format}", call.site_id, content_type)


async def _ndjson_lines(points: Sequence[Struct]) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for start in range(0, len(points), _AT_ONCE):
        yield b"".join(encode(point) + b"\n" for point in points[start : start + _AT_ONCE])


async def _csv_lines(points: Sequence[Struct]) -> AsyncIterator[bytes]:
    """RFC 4180, with a head; numbers and times only, so that nothing needs quotes."""
    if not points:
        return
    columns = ["at", *(name for name in points[0].__struct_fields__ if name != "at")]
    yield ",".join(columns).encode() + b"\r\n"
    for start in range(0, len(points), _AT_ONCE):
        rows = [msgspec.to_builtins(point) for point in points[start : start + _AT_ONCE]]
        yield "".join(",".join(str(row[name]) for name in columns) + "\r\n" for row in rows).encode()


ROUTES = (show_site_stats, show_message_stats)
