"""What some messages and sites ask about each recipient when their turn comes, read for a page of batches.

A plain message asks nothing, and nothing is read.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from msgspec import DecodeError

from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.quiet_hours import Quiet
from gateway.delivery.flight import Member
from gateway.logs import Log
from gateway.outgoing import Outgoing
from storage import recent_pushes, recipients, subscriptions, withdrawals
from storage.database import Transaction
from storage.deliveries import SkipReason
from storage.sites import Site
from storage.subscription import VisitorRow

log = Log(__name__)

K = TypeVar("K", bound=Hashable)


class Asked(NamedTuple):
    """By one message, on a site as it is now."""

    site_id: int
    quiet: Quiet | None = None
    cap: FrequencyCap | None = None
    category: str | None = None
    needs_visitors: bool = False
    list_id: int | None = None
    withdraws: int | None = None  # the message that it takes back
    ttl: int = 0  # seconds: so long push services keep that
    is_withdrawable: bool = False
    failure: str | None = (
        None  # why that is not known: the message's rules or the site's settings are damaged
    )

    @classmethod
    def by(cls, message_id: int, outgoing: Outgoing, site: Site) -> "Asked":
        """Never fails: what one message or site has stored must not stop a sender of all of them."""
        try:
            return cls._by(outgoing, site)
        except DecodeError as exc:
            log.error("push.render_failed", message_id=message_id, cause=exc)
            return cls(site.id, failure=type(exc).__name__)

    @classmethod
    def _by(cls, outgoing: Outgoing, site: Site) -> "Asked":
        quiet = outgoing.quiet_hours(site)
        by_visitor = quiet is not None and quiet.by_visitor
        return cls(
            site.id,
            quiet,
            outgoing.frequency_cap(site),
            outgoing.category,
            outgoing.needs_visitors or by_visitor,
            outgoing.list_id,
            outgoing.withdraws,
            outgoing.ttl,
            outgoing.is_withdrawable,
        )

    @property
    def anything(self) -> bool:
        """Whether any of it has to be read."""
        asks = self.needs_visitors or self.cap is not None or self.category is not None
        return asks or self.withdraws is not None


@dataclass(frozen=True, slots=True)
class Details:
    """Of the members of those batches that asked."""

    visitors: Mapping[int, Mapping[int, VisitorRow]] = field(default_factory=dict)  # by site
    told: Mapping[tuple[int, int], Mapping[int, str]] = field(default_factory=dict)  # JSON, by site and list
    full: Mapping[tuple[int, FrequencyCap], Collection[int]] = field(default_factory=dict)  # by site and cap
    left: Mapping[tuple[int, str], Collection[int]] = field(default_factory=dict)  # by site and category
    shown: Mapping[tuple[int, int], Collection[int]] = field(default_factory=dict)  # by site and message
    over: Mapping[tuple[int, int], Collection[int]] = field(default_factory=dict)  # by site and message
    kept: Mapping[tuple[int, int], Mapping[int, str]] = field(default_factory=dict)  # by site and message

    def visitors_of(self, asked: Asked, members: Iterable[Member]) -> Mapping[int, VisitorRow]:
        """By subscription id, at least those of `members`; with what an uploaded list has for them."""
        visitors = self.visitors.get(asked.site_id, {})
        if asked.list_id is None:
            return visitors
        told = self.told.get((asked.site_id, asked.list_id), {})
        found = {member[0]: visitors.get(member[0]) for member in members}
        return {id: each._replace(told=told.get(id)) for id, each in found.items() if each is not None}

    def spared(self, asked: Asked) -> Mapping[int, SkipReason]:
        """Who is not to be sent to, of all that were asked about. Who left the category counts as that."""
        spared: dict[int, SkipReason] = {}
        if asked.cap is not None:
            full = self.full.get((asked.site_id, asked.cap), ())
            spared |= dict.fromkeys(full, SkipReason.FREQUENCY_CAP)
        if asked.category is not None:
            left = self.left.get((asked.site_id, asked.category), ())
            spared |= dict.fromkeys(left, SkipReason.OPTED_OUT)
        if asked.withdraws is not None:
            over = self.over.get((asked.site_id, asked.withdraws), ())
            spared |= dict.fromkeys(over, SkipReason.NOT_WAITING)
            shown = self.shown.get((asked.site_id, asked.withdraws), ())
            spared |= dict.fromkeys(shown, SkipReason.DISPLAYED)
        return spared

    def locations_of(self, asked: Asked) -> Mapping[int, str]:
        """By subscription id where that is kept which is to be deleted."""
        return {} if asked.withdraws is None else self.kept.get((asked.site_id, asked.withdraws), {})


async def read_details(tx: Transaction, asking: Sequence[tuple[Asked, Sequence[int]]], now: int) -> Details:
    """`asking`: what is asked about which subscriptions. One query for each thing, however many batches."""
    visitors = _grouped((asked.site_id, ids) for asked, ids in asking if asked.needs_visitors)
    told = _grouped(
        ((asked.site_id, asked.list_id), ids) for asked, ids in asking if asked.list_id is not None
    )
    full = _grouped(((asked.site_id, asked.cap), ids) for asked, ids in asking if asked.cap is not None)
    left = _grouped(
        ((asked.site_id, asked.category), ids) for asked, ids in asking if asked.category is not None
    )
    sent = _grouped(
        ((asked.site_id, asked.withdraws), ids) for asked, ids in asking if asked.withdraws is not None
    )
    over_at = {(asked.site_id, asked.withdraws): now - asked.ttl * 1_000 for asked, _ in asking}
    return Details(
        {site_id: await subscriptions.visitors(tx, site_id, ids) for site_id, ids in visitors.items()},
        {key: await recipients.of_members(tx, *key, ids) for key, ids in told.items()},
        {key: await _full(tx, *key, ids, now) for key, ids in full.items()},
        {key: await subscriptions.opted_out(tx, key[0], ids, key[1]) for key, ids in left.items()},
        {key: await withdrawals.reported(tx, *key, ids) for key, ids in sent.items()},
        {key: await withdrawals.forgotten(tx, *key, ids, over_at[key]) for key, ids in sent.items()},
        {key: await withdrawals.locations(tx, *key, ids) for key, ids in sent.items()},
    )


async def _full(
    tx: Transaction, site_id: int, cap: FrequencyCap, ids: Sequence[int], now: int
) -> Collection[int]:
    """As it is at this moment: what is on its way to them is not counted yet."""
    return await recent_pushes.full(
        tx,
        site_id,
        ids,
        since=now - cap.window,
        messages=cap.messages,
        none_since=cap.quiet_since(now),
    )


def _grouped(pairs: Iterable[tuple[K, Sequence[int]]]) -> dict[K, list[int]]:
    groups: defaultdict[K, list[int]] = defaultdict(list)
    for key, ids in pairs:
        groups[key] += ids
    return groups
