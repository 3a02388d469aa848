"""What is not sent for now, and how fast the rest may be: a row for a site, a provider, or one on the other.

A row holds everything of it until `not_before` (Retry-After, a push service that is broken or behaves
suspiciously); `rate` paces what is not held. The claim passes over what is held, senders give back what they
have of it. `site_id` EVERY_SITE and `provider` EVERY_PROVIDER stand for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Row, Transaction
from storage.queries import load

_SQL = load("throttles")

EVERY_SITE = 0
EVERY_PROVIDER = ""
MASS_GONE = "mass_gone"  # a reason that senders act upon
MASS_GONE_WITHIN = 60_000  # milliseconds before such a hold in which the answers came that led to it
TRUSTED = 86_400_000  # milliseconds that nobody doubts a provider whose mass of 404s an admin has confirmed
MOST_FAILURES = 10_000  # a push service may be dead for weeks, and the column holds 16 bits
IN_A_ROW = 600_000  # milliseconds after a hold in which the next failure goes on with its row
FOR_GOOD = 2**53  # until somebody releases it; every JSON reader can hold it


@dataclass(frozen=True, slots=True)
class Throttle:
    site_id: int
    provider: str
    not_before: int  # nothing is claimed or POSTed earlier; 0: not held
    reason: str | None  # of the hold, for people: "retry_after", "breaker", "mass_gone", …
    since: int | None  # when the hold began
    failures: int  # how often in a row it was held because it failed
    rate: int | None  # messages a second; None: as fast as it goes
    next_at: int  # when the rate allows the next claim
    trusted_until: int = 0  # however many are gone, it is not held for that; no hold or release changes it


async def hold(
    tx: Transaction, site_id: int, provider: str, until: int, reason: str, now: int, failures: int = 0
) -> None:
    """Nothing of it before `until`; a hold that lasts longer stays as it is, with its reason.

    `failures`: how many in a row this one makes. Of several senders that see one outage all say the same.
    """
    await tx.execute(
        _SQL["hold"], site_id, provider, until, reason, now, min(failures, MOST_FAILURES), IN_A_ROW
    )
    await tx.notify_work()


async def recover(tx: Transaction, site_id: int, provider: str) -> None:
    """It answers again: its next failure is the first."""
    await tx.execute(_SQL["recover"], site_id, provider)


async def confirm(tx: Transaction, provider: str, now: int) -> None:
    """An admin says that those who are gone at this provider really are: release it, and do not hold it for
    the same reason before a day has passed."""
    await tx.execute(_SQL["confirm"], provider, now + TRUSTED)
    await tx.execute(_SQL["wake"], EVERY_SITE)
    await tx.notify_work()


async def release(tx: Transaction, site_id: int, provider: str) -> bool:
    """End a hold at once, whatever its reason; a rate stays. False when there is no such row."""
    released = bool(await tx.execute(_SQL["release"], site_id, provider))
    await tx.execute(_SQL["wake"], site_id)
    await tx.notify_work()
    return released


async def set_rate(tx: Transaction, site_id: int, provider: str, rate: int | None) -> None:
    """At most `rate` messages a second from now on, over all senders; None: no limit."""
    await tx.execute(_SQL["set_rate"], site_id, provider, rate)
    await tx.notify_work()


async def all(tx: Transaction, limit: int = 10_000) -> Sequence[Throttle]:
    """By site and provider; also those that are not held (any more)."""
    return [Throttle(*row) for row in await tx.fetch(_SQL["all"], limit)]


async def of_site(tx: Transaction, site_id: int) -> Sequence[Throttle]:
    """Of one site, or with EVERY_SITE of the providers themselves."""
    return [Throttle(*row) for row in await tx.fetch(_SQL["of_site"], site_id)]


async def held(tx: Transaction, now: int, limit: int = 10_000) -> Sequence[Throttle]:
    """Those that are held at `now`: whole providers first, then the sites, the last to end first."""
    providers = [each for each in await of_site(tx, EVERY_SITE) if each.not_before > now]
    return [*providers, *await _held_sites(tx, now, now, limit - len(providers))]


async def in_force(tx: Transaction, now: int, limit: int = 10_000) -> Sequence[Throttle]:
    """For senders: every row of a provider itself, and the sites that are held at `now`, or were a while ago
    and have not answered since."""
    return [*await of_site(tx, EVERY_SITE), *await _held_sites(tx, now, now - IN_A_ROW, limit)]


async def _held_sites(tx: Transaction, now: int, failed_after: int, limit: int) -> list[Throttle]:
    return [Throttle(*row) for row in await tx.fetch(_SQL["held_sites"], now, failed_after, limit)]


async def open_providers(tx: Transaction, now: int, providers: Sequence[str], *, paced: bool) -> list[str]:
    """Those of `providers` that a claim may look at now; without `paced` those that have no rate either."""
    closed = {
        row.provider
        for row in [Throttle(*row) for row in await tx.fetch(_SQL["of_providers"])]
        if row.not_before > now or row.next_at > now or (row.rate is not None and not paced)
    }
    return [] if EVERY_PROVIDER in closed else [name for name in providers if name not in closed]


async def rates(tx: Transaction, site_ids: Sequence[int]) -> Sequence[Row]:
    """(site_id, provider, rate, next_at) of those that have a rate, nobody else's until this ends."""
    return await tx.fetch(_SQL["rates"], list(site_ids))


async def pace(tx: Transaction, site_id: int, provider: str, next_at: int) -> None:
    """The time up to `next_at` is granted."""
    await tx.execute(_SQL["pace"], site_id, provider, next_at)


async def forget(tx: Transaction, before: int, limit: int = 1_000) -> int:
    """Removes rows that say nothing any more (held and trusted until `before`, without a rate); how many."""
    return await tx.execute(_SQL["forget"], before, limit)
