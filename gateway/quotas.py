"""Quotas: how many subscribers a site may have, how many pushes it may send a day, and how fast.

Set by whoever runs the gateway for others (tokens for all sites); a site without any pays nothing for them.
A push is one message to one subscription: that is what costs. Pushes are counted when an audience is frozen
into batches, so tries again are free and whoever is skipped costs nothing; what is still to be frozen of a
message that has started is held against the day, too. A message is refused when it is
accepted, or cancelled when it starts, if the day's pushes are used up or it is known not to fit; once it has
started it is sent to everybody. So a day's quota is passed at most by messages that had started before.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.audience import read_audience
from gateway.campaigns.quotas import Quotas
from gateway.context import Context
from gateway.errors import QuotaExceeded
from gateway.site_settings import read_settings
from storage import growth, locks, messages, quotas, rollups, sites, throttles
from storage.batches import Batch
from storage.database import Transaction
from storage.messages import Message, MessageKind, MessageState
from storage.quotas import DAY
from storage.throttles import EVERY_PROVIDER

_FREEZING = 1_000  # messages of all sites that are frozen at a time; there are seldom more than a few


@dataclass(frozen=True, slots=True)
class Usage:
    """`resets_at`: when the next day begins."""

    subscribers: int
    pushes: int
    resets_at: int
    quotas: Quotas


async def change_quotas(tx: Transaction, site_id: int, old: Quotas, new: Quotas, now: int) -> None:
    """In the transaction that changes the site. Its rate is part of what every claim looks at anyway."""
    await quotas.set(tx, site_id, new.subscribers, new.messages_per_day, now)
    if old.rate == new.rate:
        return
    rate = next(
        (each.rate for each in await throttles.of_site(tx, site_id) if each.provider == EVERY_PROVIDER), None
    )
    own = None if rate == old.rate else rate  # a rate that is the quota's ends with it
    await throttles.set_rate(tx, site_id, EVERY_PROVIDER, slower(own, new.rate))


def slower(one: int | None, other: int | None) -> int | None:
    """None: there is no limit."""
    rates = [rate for rate in (one, other) if rate is not None]
    return min(rates, default=None)


async def check_subscribers(tx: Transaction, site_id: int, of_site: Quotas) -> None:
    """After some were added, in a transaction that began with `hold`. QuotaExceeded: none of them is."""
    most = of_site.subscribers
    if most is not None and await growth.active(tx, site_id) > most:
        raise QuotaExceeded(f"The site has {most} subscribers, as many as it may have.")


async def hold(tx: Transaction, site_id: int, of_site: Quotas) -> None:
    """First in a transaction that adds subscriptions: of a site with a limit one at a time."""
    if of_site.subscribers is not None:
        await locks.hold(tx, site_id)


async def check_message(tx: Transaction, of_site: Quotas, message: Message, now: int) -> None:
    """QuotaExceeded: today's pushes are used up, or it would need more than are left, as far as is known.

    One for another day is held against a whole day's, and looked at again when it starts. What takes a
    message back is always allowed.
    """
    most = of_site.messages_per_day
    if most is None or message.state is MessageState.DRAFT or message.kind is MessageKind.WITHDRAWAL:
        return
    today = message.send_at // DAY <= now // DAY
    stored = await quotas.get(tx, message.site_id, now) if today else None
    used = 0 if stored is None else stored.used
    if today:
        used += await _being_frozen(tx, message.site_id)
    needed = await _at_least(tx, message)
    if used + needed > most:
        raise QuotaExceeded(
            f"The site may send {most} pushes a day (UTC), has sent {used}, and this message needs {needed}."
        )


async def _at_least(tx: Transaction, message: Message) -> int:
    """Pushes that it will need, as far as can be known without reading its audience."""
    audience = read_audience(message.audience_spec)
    if audience.all is True:
        return await growth.active(tx, message.site_id)
    if isinstance(audience.subscriptions, tuple):
        return len(audience.subscriptions)
    return 1  # a visitor may have no browser left, or three


async def _being_frozen(tx: Transaction, site_id: int) -> int:
    """Pushes that messages which have started will still need, as far as is known."""
    begun = [each for each in await messages.freezing(tx, _FREEZING) if each.site_id == site_id]
    return sum([max(0, await _at_least(tx, each) - each.judged) for each in begun])


async def count_pushes(
    tx: Transaction, site_id: int, of_site: Quotas, made: Iterable[Batch], now: int
) -> None:
    """In the transaction that adds the batches, never twice for the same recipients."""
    if of_site.messages_per_day is not None and (pushes := sum(batch.size for batch in made)):
        await quotas.count(tx, site_id, pushes, now)


async def usage(context: Context, site_id: int) -> Usage:
    """storage.errors.NotFound: no such site."""
    now = context.clock.now()
    today = now - now % DAY

    async def body(tx: Transaction) -> Usage:
        of_site = read_settings(await sites.get(tx, site_id)).quotas
        stored = await quotas.get(tx, site_id, now)
        if of_site.messages_per_day is not None and stored is not None:
            pushes = stored.used
        else:
            pushes = await _sent(tx, site_id, today)
        return Usage(await growth.active(tx, site_id), pushes, today + DAY, of_site)

    return await context.database.read(body)


async def _sent(tx: Transaction, site_id: int, today: int) -> int:
    """Of a site that is not limited: what has an outcome today."""
    rows = await rollups.by_part(tx, site_id, today, today + DAY, 0, DAY)
    outcomes = slice(2, 2 + rollups.TOTALS.index("expired"))
    return sum(sum(row[outcomes]) for row in rows)
