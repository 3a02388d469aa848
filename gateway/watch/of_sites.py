"""What sites are to be told of besides their rates: webhooks that are late or dead, quotas that run out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.watch.looks import Key, Reading, Severity
from gateway.watch.names import QUOTA, WEBHOOK_DEAD, WEBHOOK_LAG
from gateway.watch.sentences import LOOK_AT, percent
from storage import growth, quotas, watched
from storage.database import Database
from storage.quotas import Quota

LATE = 600.0  # seconds that the oldest delivery may wait
GIVEN_UP_WITHIN = 15 * 60_000  # ms
NEARLY = 0.9  # of a quota
QUOTAS = 200  # in one look


@dataclass(slots=True)
class Customers:
    database: Database
    _after: int = 0  # the site of the last quota that was looked at

    async def look(self, now: int, raised: Collection[int]) -> Sequence[Reading]:
        """All webhooks, and some of the quotas: in turn, and those of the sites in `raised` each time."""
        late = await self.database.read_apart(watched.late_webhooks)
        dead = await self.database.read_apart(lambda tx: watched.dead_webhooks(tx, now - GIVEN_UP_WITHIN))
        found = [
            *[_late(site_id, (now - since) / 1_000, now) for site_id, since in late],
            *[_dead(*each, now) for each in dead],
        ]
        for quota in await self._quotas(raised, now):
            found += await self._quota(quota, now)
        return found

    async def _quotas(self, raised: Collection[int], now: int) -> Sequence[Quota]:
        after = self._after
        found = await self.database.read_apart(lambda tx: quotas.page(tx, after, QUOTAS, now))
        self._after = found[-1].site_id if len(found) == QUOTAS else 0
        there = {each.site_id for each in found}
        others = [await self._quota_of(site_id, now) for site_id in raised if site_id not in there]
        return [*found, *(each for each in others if each is not None)]

    async def _quota_of(self, site_id: int, now: int) -> Quota | None:
        return await self.database.read_apart(lambda tx: quotas.get(tx, site_id, now))

    async def _quota(self, quota: Quota, now: int) -> Sequence[Reading]:
        shares = []
        if quota.messages_per_day is not None:
            shares.append((quota.used, quota.messages_per_day, "pushes of today"))
        if quota.subscribers is not None:
            active = await self.database.read_apart(lambda tx: growth.active(tx, quota.site_id))
            shares.append((active, quota.subscribers, "subscribers"))
        parts = [(used / limit if limit else float(used > 0), used, limit, of) for used, limit, of in shares]
        share, used, limit, of = max(parts, default=(0.0, 0, 0, ""))
        return [
            Reading(
                Key(QUOTA, quota.site_id),
                Severity.CRITICAL if share >= 1 else Severity.WARNING,
                share,
                None,
                NEARLY,
                now,
                summary=f"The site has used {percent(share)} of its quota of {of}: {used} of {limit}.",
                look_at=LOOK_AT[QUOTA],
                looks=1,
                back=1,
            )
        ]


def _late(site_id: int, seconds: float, now: int) -> Reading:
    return Reading(
        Key(WEBHOOK_LAG, site_id),
        Severity.WARNING,
        seconds,
        None,
        LATE,
        now,
        summary=f"A webhook of the site is {seconds / 60:.0f} minutes behind: its receiver takes too little.",
        look_at=LOOK_AT[WEBHOOK_LAG],
    )


def _dead(site_id: int, dead: int, paused: int, now: int) -> Reading:
    what = f"{dead} deliveries of the site's webhooks were given up in the last quarter of an hour"
    if dead == 1:
        what = "A delivery of the site's webhooks was given up in the last quarter of an hour"
    if paused:
        what = "A webhook of the site was paused because it had failed for too long"
    return Reading(
        Key(WEBHOOK_DEAD, site_id),
        Severity.WARNING,
        dead + paused,
        None,
        0,
        now,
        summary=f"{what}.",
        look_at=LOOK_AT[WEBHOOK_DEAD],
        looks=1,
    )
