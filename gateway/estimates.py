"""How many an audience would be if it were frozen now: counted in windows, apart from everybody else's reads.

Nobody waits for an estimate but the one who asked: it runs on a connection of its own, a window at a time,
one estimate of a site at once. A caller who is gone ends it in the middle of a window.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from gateway.audience import AudienceSpec
from gateway.campaigns.conditions import to_condition
from gateway.campaigns.freezing import is_expression, resolve, unknown_names
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, TooManyRequests
from storage import audiences, sites, subscriptions
from storage.conditions import Condition, Every
from storage.database import Transaction
from storage.ids import MAX_ID
from storage.subscription import SubscriptionState

WINDOW = 20_000  # subscriptions in one read
MOST_WAITING = 4  # estimates of a site, with the one that runs

EVERYBODY = Every(())


@dataclass(frozen=True, slots=True)
class Estimate:
    """Active subscriptions, together and by provider."""

    count: int
    by_provider: Mapping[str, int]


class Estimates:
    """Those that one process makes."""

    def __init__(self, context: Context, window: int = WINDOW) -> None:
        self._context = context
        self._database = context.database
        self._window = window
        self._asked: Counter[int] = Counter()  # by site
        self._turns: dict[int, asyncio.Lock] = {}

    async def make(self, site_id: int, audience: AudienceSpec) -> Estimate:
        """Cancel it when nobody wants to know any more. InvalidRequest when the audience names what the site
        has not; TooManyRequests when others of the site wait already; storage.errors.NotFound.
        """
        if self._asked[site_id] >= MOST_WAITING:
            raise TooManyRequests("Other estimates of this site are being made.", retry_after=2)
        self._asked[site_id] += 1
        try:
            async with self._turns.setdefault(site_id, asyncio.Lock()):
                return await self._make(site_id, audience)
        finally:
            self._asked[site_id] -= 1
            if not self._asked[site_id]:
                del self._asked[site_id], self._turns[site_id]

    async def _make(self, site_id: int, audience: AudienceSpec) -> Estimate:
        condition = await self._database.read(lambda tx: self._condition(tx, site_id, audience))
        if condition is None:
            return await self._database.read_apart(lambda tx: _count_named(tx, site_id, audience))
        sent = await self._database.read_apart(lambda tx: audiences.look(tx, site_id, condition))
        found: Counter[str] = Counter()
        after_id, last = 0, False
        while not last:

            async def look(tx: Transaction, after_id: int = after_id) -> audiences.Window:
                return await audiences.count(tx, site_id, condition, after_id, MAX_ID, self._window, sent)

            rows, after_id, last = await self._database.read_apart(look)
            found.update(dict(rows))
        return _estimate(found)

    async def _condition(self, tx: Transaction, site_id: int, audience: AudienceSpec) -> Condition | None:
        """None for an audience of names."""
        await sites.get(tx, site_id)
        if audience.uploaded is not UNSET:
            sentence = "This is nobody before a draft has it: its upload says how many names there are."
            raise InvalidRequest(errors=[FieldError("audience.uploaded", sentence)])
        if not is_expression(audience):
            return EVERYBODY if audience.all is True else None
        if errors := await unknown_names(tx, site_id, audience, "audience"):
            raise InvalidRequest("The audience is not valid.", errors)
        now = self._context.clock.now()
        resolved = await resolve(tx, site_id, audience, now)
        assert resolved.expression is not None, "the segment is there"
        return to_condition(resolved.expression, now)


async def _count_named(tx: Transaction, site_id: int, audience: AudienceSpec) -> Estimate:
    names = audience.named_external_ids
    if names is not None:
        known = await subscriptions.by_external_ids(tx, site_id, names)
        found = [(provider, state) for _, _, provider, state in known]
    else:
        assert audience.subscriptions is not UNSET
        rows = await subscriptions.by_ids(tx, site_id, audience.subscriptions)
        found = [(provider, state) for _, provider, state in rows]
    return _estimate(Counter(provider for provider, state in found if state == SubscriptionState.ACTIVE))


def _estimate(found: Counter[str]) -> Estimate:
    return Estimate(found.total(), dict(sorted(found.items())))
