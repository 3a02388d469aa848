"""What is held back and how fast the rest may go, as admins see it and change it."""

from collections.abc import Sequence
from enum import StrEnum

from gateway import audit
from gateway.context import Context
from gateway.errors import NotFound, WrongState
from gateway.quotas import slower
from gateway.site_settings import read_settings
from gateway.webpush import Provider
from storage import audit as stored_audit
from storage import locks, sites, subscriptions, throttles
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, MASS_GONE, MASS_GONE_WITHIN, Throttle

_STEP = 5_000  # subscriptions that come back in one transaction
_NO_PROVIDER = "There is no provider of this name."


class Gone(StrEnum):
    """What becomes of subscriptions that a suspicious push service has called gone."""

    KEEP = "keep"  # they are
    REVERT = "revert"  # it was wrong: they are active again


async def list_throttles(context: Context) -> Sequence[Throttle]:
    """What is held now or has a rate, by site and provider, whole providers first."""
    return _in_force(await context.database.read(throttles.all), context.clock.now())


async def list_of_site(context: Context, site_id: int) -> Sequence[Throttle]:
    """The site's own, after those of whole providers. storage.errors.NotFound: no such site."""

    async def body(tx: Transaction) -> Sequence[Throttle]:
        await sites.get(tx, site_id)
        return [*await throttles.of_site(tx, EVERY_SITE), *await throttles.of_site(tx, site_id)]

    return _in_force(await context.database.read(body), context.clock.now())


async def resume_provider(context: Context, actor: str, name: str, gone: Gone) -> int:
    """Send to a provider that is held again, at once; how many subscriptions are active again.

    REVERT brings back who was called gone since the hold began, and by the answers that led to it.
    WrongState when it is not held, and for REVERT when not because so many were gone; NotFound. A million
    come back in steps, the provider is released after the last: if it fails, repeat it.
    """
    provider, now = _provider(name), context.clock.now()
    held = await _held(context, provider, now)
    if gone is Gone.REVERT and held.reason != MASS_GONE:
        raise WrongState(
            f"The provider is held for another reason, {held.reason}: nothing is to be reverted."
        )
    since = (now if held.since is None else held.since) - MASS_GONE_WITHIN
    reverted = 0

    async def revert(tx: Transaction) -> int:
        return await subscriptions.revert_gone(tx, provider, since, now, _STEP)

    while gone is Gone.REVERT and (count := await context.database.write(revert)):
        reverted += count
    detail = {"reason": held.reason, "gone": gone, "reverted": reverted}
    note = audit.entry(context, actor, "provider.resumed", provider, detail=detail)

    async def release(tx: Transaction) -> None:
        if gone is Gone.KEEP and held.reason == MASS_GONE:
            await throttles.confirm(tx, provider, note.at)
        else:
            await throttles.release(tx, EVERY_SITE, provider)
        await stored_audit.add(tx, note)

    await context.database.write(release)
    return reverted


async def set_site_rate(context: Context, actor: str, site_id: int, rate: int | None) -> int | None:
    """At most `rate` messages a second of the site over all senders; None: no limit. NotFound.

    Never more than the site's quota, whoever asks; the rate that holds.
    """
    detail = {"rate": rate}
    target = encode_id(Kind.SITE, site_id)
    note = audit.entry(context, actor, "site.rate_changed", target, site_id, detail)

    async def body(tx: Transaction) -> int | None:
        await locks.hold(tx, site_id)
        site = await sites.get(tx, site_id)
        allowed = slower(rate, read_settings(site).quotas.rate)
        await throttles.set_rate(tx, site_id, EVERY_PROVIDER, allowed)
        await stored_audit.add(tx, note)
        return allowed

    return await context.database.write(body)


async def set_provider_rate(context: Context, actor: str, name: str, rate: int | None) -> None:
    """As `set_site_rate`, for all that goes to a provider. NotFound: there is none of this name."""
    provider = _provider(name)
    note = audit.entry(context, actor, "provider.rate_changed", provider, detail={"rate": rate})

    async def body(tx: Transaction) -> None:
        await throttles.set_rate(tx, EVERY_SITE, provider, rate)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def _held(context: Context, provider: Provider, now: int) -> Throttle:
    async def body(tx: Transaction) -> Sequence[Throttle]:
        return await throttles.of_site(tx, EVERY_SITE)

    for each in await context.database.read(body):
        if each.provider == provider and each.not_before > now:
            return each
    raise WrongState("The provider is not held.")


def _provider(name: str) -> Provider:
    try:
        return Provider(name)
    except ValueError:
        raise NotFound(_NO_PROVIDER) from None


def _in_force(found: Sequence[Throttle], now: int) -> Sequence[Throttle]:
    return [each for each in found if each.not_before > now or each.rate is not None]
