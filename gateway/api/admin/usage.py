"""`/v1/sites/{site}/usage`: what a site uses of its quotas."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway import quotas
from gateway.api.moments import Moment, to_moment
from gateway.api.route import Call, route
from storage.tokens import Scope


class Subscribers(Struct, frozen=True):
    used: Annotated[int, Meta(description="That are active.")]
    limit: Annotated[int | None, Meta(description="null: as many as come.")]


class MessagesToday(Struct, frozen=True):
    used: Annotated[int, Meta(description="Pushes of today (UTC): one message to one subscription is one.")]
    limit: int | None
    resets_at: Moment


class RateLimit(Struct, frozen=True):
    limit: Annotated[int | None, Meta(description="Pushes a second.")]


class Usage(Struct, frozen=True):
    subscribers: Subscribers
    messages_today: MessagesToday
    rate: RateLimit


@route("GET", "/v1/sites/{site}/usage", "Show what a site uses of its quotas", scope=Scope.READ)
async def show_usage(call: Call[None, None]) -> Usage:
    found = await quotas.usage(call.context, call.site_id)
    limits = found.quotas
    return Usage(
        Subscribers(found.subscribers, limits.subscribers),
        MessagesToday(found.pushes, limits.messages_per_day, to_moment(found.resets_at)),
        RateLimit(limits.rate),
    )


ROUTES = (show_usage,)
