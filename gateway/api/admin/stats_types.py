"""What the routes of statistics take and answer."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from gateway.api.moments import Moment
from gateway.campaigns.periods import StatsStep
from gateway.subscription_fields import Timezone

MOST_ACTIONS = 100

_When = Annotated[
    str,
    Meta(
        max_length=40,
        description="A day of the zone, `2026-12-01`, or a time with its zone; the step it lies in.",
    ),
]


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"  # the series only, as all but JSON
    NDJSON = "ndjson"


class MessageStatsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    step: StatsStep | None = None
    timezone: Annotated[Timezone, Meta(description="Default: the site's.")] | None = None
    format: Format = Format.JSON


class SiteStatsQuery(MessageStatsQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    from_: _When | None = field(default=None, name="from")
    to: Annotated[_When, Meta(description="Until before it; default: now.")] | None = None


class Counts(Struct, frozen=True, kw_only=True):
    audience: Annotated[
        int,
        Meta(
            description="Of a message's funnel everybody; else whose delivery ended: the next five together."
        ),
    ]
    accepted: int
    gone: int
    failed: int
    expired: int
    skipped: int
    displayed: int
    clicked: int
    closed: int
    unsubscribed: Annotated[int, Meta(description="Within a day after the message was displayed.")]


class SiteTotals(Counts, frozen=True, kw_only=True):
    messages: Annotated[int, Meta(description="Started in this time.")]


class SitePoint(Counts, frozen=True, kw_only=True):
    at: Moment
    subscribed: int
    resubscribed: int
    lost: int


class Lost(Struct, frozen=True, kw_only=True):
    gone: int
    never_worked: Annotated[int, Meta(description="Gone before any push to it was accepted.")]
    unsubscribed: int
    expired: int
    erased: int


class SubscriberGrowth(Struct, frozen=True, kw_only=True):
    active: Annotated[int, Meta(description="Now.")]
    subscribed: int
    resubscribed: Annotated[int, Meta(description="Active again.")]
    lost: Lost


class Reported(Struct, frozen=True, kw_only=True):
    displayed: int
    clicked: int
    closed: int


class Statistics(Struct, frozen=True, kw_only=True):
    from_: Moment = field(name="from")
    to: Moment
    step: StatsStep
    timezone: str
    totals: SiteTotals
    series: Sequence[SitePoint]
    subscribers: SubscriberGrowth
    by_provider: Mapping[str, Counts]
    by_browser: Annotated[Mapping[str, Reported], Meta(description="Of whole days in UTC.")]
    by_country: Annotated[Mapping[str, Reported], Meta(description="Of whole days in UTC.")]
    best_hours: Annotated[
        Sequence[float] | None,
        Meta(
            description="Shares of the 24 hours of visitors' own days in which they look and click, of late."
        ),
    ]


class MessagePoint(Struct, frozen=True, kw_only=True):
    at: Moment
    accepted: int
    displayed: int
    clicked: int
    closed: int
    failed: int
    gone: int


class VariantCounts(Counts, frozen=True, kw_only=True):
    name: str


class MessageStatistics(Struct, frozen=True, kw_only=True):
    funnel: Counts
    step: StatsStep | None
    timezone: str | None
    series: Sequence[MessagePoint]
    by_provider: Mapping[str, Counts]
    by_browser: Mapping[str, Reported]
    by_country: Mapping[str, Reported]
    by_variant: Sequence[VariantCounts]
    actions: Annotated[
        Mapping[str, int], Meta(description=f"Clicks by button, the {MOST_ACTIONS} clicked most.")
    ]
