"""`/v1/throttles`, `/v1/providers`: what is held back, why and until when, and how fast the rest may go."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gateway import audit, throttles
from gateway.api.admin.message_types import Rate
from gateway.api.doorkeeper import require_all_sites
from gateway.api.moments import Moment, to_optional_moment
from gateway.api.paging import Page
from gateway.api.route import Call, route
from gateway.errors import WrongState
from gateway.throttles import Gone
from storage.ids import Kind, encode_id
from storage.throttles import EVERY_PROVIDER, EVERY_SITE
from storage.throttles import Throttle as StoredThrottle
from storage.tokens import Scope

_LAST_MOMENT = 253_402_300_799_999  # of the year 9999: what is held for longer is held for good


class Throttle(Struct, frozen=True):
    site: Annotated[str | None, Meta(description="null: every site.")]
    provider: Annotated[str | None, Meta(description="null: every provider.")]
    held: Annotated[bool, Meta(description="Nothing of it is sent.")]
    until: Annotated[Moment | None, Meta(description="null while held: until an admin resumes it.")]
    reason: Annotated[str | None, Meta(description="Why it is held: `mass_gone`, `retry_after`, …")]
    since: Annotated[
        Moment | None, Meta(description="When the hold began, or the first of several in a row.")
    ]
    failures: Annotated[int, Meta(description="How often in a row it was held because it failed.")]
    rate: Annotated[int | None, Meta(description="At most so many messages a second; null: no limit.")]


class Resume(Struct, frozen=True, forbid_unknown_fields=True):
    gone: Annotated[
        Gone,
        Meta(
            description="What was called gone from a minute before the hold's `since` on: `keep` it so, or "
            "`revert`: those subscriptions are active again."
        ),
    ]


class Resumed(Struct, frozen=True):
    reverted: Annotated[int, Meta(description="Subscriptions that are active again.")]


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Rate | None, Meta(description="null: no limit.")]


@route("GET", "/v1/throttles", "List what is held back, and rates", scope=Scope.READ)
async def list_throttles(call: Call[None, None]) -> Page[Throttle]:
    """Whole providers first, then by site. Needs a token for all sites. The first 10,000."""
    require_all_sites(call.token)
    now = call.context.clock.now()
    return _page(await throttles.list_throttles(call.context), now)


@route("GET", "/v1/sites/{site}/throttles", "List what is held back for a site, and rates", scope=Scope.READ)
async def list_throttles_of_site(call: Call[None, None]) -> Page[Throttle]:
    """Its own, and those of whole providers."""
    now = call.context.clock.now()
    return _page(await throttles.list_of_site(call.context, call.site_id), now)


@route(
    "PUT",
    "/v1/sites/{site}/rate",
    "Limit how fast a site sends",
    scope=Scope.MANAGE,
)
async def set_site_rate(call: Call[RateLimit, None]) -> RateLimit:
    """Over all its messages, providers and senders. A message's own rate holds as well.

    The answer says the rate that holds: no more than the site's quota.
    """
    actor = audit.actor(call.token)
    return RateLimit(await throttles.set_site_rate(call.context, actor, call.site_id, call.body.rate))


@route(
    "PUT",
    "/v1/providers/{provider}/rate",
    "Limit how fast a push service is sent to",
    scope=Scope.MANAGE,
)
async def set_provider_rate(call: Call[RateLimit, None]) -> RateLimit:
    """Over all sites and senders. Seldom needed: senders find out by themselves how much a service takes.

    Needs a token for all sites.
    """
    require_all_sites(call.token)
    await throttles.set_provider_rate(call.context, audit.actor(call.token), _provider(call), call.body.rate)
    return call.body


@route(
    "POST",
    "/v1/providers/{provider}/resume",
    "Send to a push service that is held again",
    scope=Scope.MANAGE,
    errors=(WrongState,),
)
async def resume_provider(call: Call[Resume, None]) -> Resumed:
    """For one that is held until somebody has looked, because it called most subscriptions gone, say.

    Needs a token for all sites. If it fails in the middle, repeat it.
    """
    require_all_sites(call.token)
    actor = audit.actor(call.token)
    return Resumed(await throttles.resume_provider(call.context, actor, _provider(call), call.body.gone))


def _provider(call: Call[Resume, None] | Call[RateLimit, None]) -> str:
    return call.request.match_info["provider"]


def _page(found: Sequence[StoredThrottle], now: int) -> Page[Throttle]:
    return Page([_show(each, now) for each in found])


def _show(each: StoredThrottle, now: int) -> Throttle:
    held = each.not_before > now
    for_good = each.not_before > _LAST_MOMENT
    return Throttle(
        site=None if each.site_id == EVERY_SITE else encode_id(Kind.SITE, each.site_id),
        provider=None if each.provider == EVERY_PROVIDER else each.provider,
        held=held,
        until=to_optional_moment(each.not_before if held and not for_good else None),
        reason=each.reason if held else None,
        since=to_optional_moment(each.since if held else None),
        failures=each.failures,
        rate=each.rate,
    )


ROUTES = (list_throttles, list_throttles_of_site, set_site_rate, set_provider_rate, resume_provider)
