"""`/v1/sites/{site}/events`: what a site's back end tells of its visitors."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import idempotency
from gateway.api.admin.audiences import SubscriptionId
from gateway.api.browser import BROWSERS
from gateway.api.route import KILOBYTE, Call, Reply, route
from gateway.errors import FieldError, IdempotencyKeyReused, InvalidRequest
from gateway.site_events import SiteEvent, tell
from gateway.subscription_fields import ExternalId
from storage.ids import Kind, MalformedId, decode_id
from storage.tokens import Scope


class VisitorsEvent(SiteEvent, kw_only=True, forbid_unknown_fields=True):
    """Either of one visitor, on all their browsers, or of one subscription."""

    external_id: ExternalId | UnsetType = UNSET
    subscription: SubscriptionId | UnsetType = UNSET


class ToldOf(Struct, frozen=True):
    subscriptions: Annotated[int, Meta(description="Active ones that the event was stored for.")]


@route(
    "POST",
    "/v1/sites/{site}/events",
    "Tell of an event of a visitor",
    scope=Scope.SEND,
    errors=(IdempotencyKeyReused,),
    body_limit=16 * KILOBYTE,
    request_headers=(idempotency.HEADER,),
)
async def tell_event(call: Call[VisitorsEvent, None]) -> Reply[ToldOf]:
    """As `track` of the site's pages. A visitor whom nobody here knows is no error: 0 subscriptions."""
    event = call.body
    request = b"event\n%b" % call.raw_body  # a message of the same bytes is another request
    key = idempotency.parse_key(call.request.headers.get(idempotency.HEADER), request)
    known = call.request.app[BROWSERS].automations
    told = await tell(call.context, known, call.site_id, _whose(event), event, key)
    return Reply(ToldOf(told.subscriptions), headers={idempotency.REPLAYED: "true"} if told.replayed else {})


def _whose(event: VisitorsEvent) -> int | str:
    if (event.external_id is UNSET) == (event.subscription is UNSET):
        raise InvalidRequest(
            errors=[
                FieldError("external_id", "Say whose event it is: external_id or subscription, one of them.")
            ]
        )
    if event.external_id is not UNSET:
        return event.external_id
    assert event.subscription is not UNSET
    try:
        return decode_id(Kind.SUBSCRIPTION, event.subscription)
    except MalformedId:
        raise InvalidRequest(
            errors=[FieldError("subscription", "This is not the id of a subscription.")]
        ) from None


ROUTES = (tell_event,)
