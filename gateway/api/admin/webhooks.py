"""`/v1/sites/{site}/webhooks`: who is told of what happens at a site, and what they were sent."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import audit
from gateway.api.moments import Moment, to_moment, to_optional_moment
from gateway.api.outbound import OUTBOUND
from gateway.api.paging import Cursor, Limit, Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.errors import Conflict, WrongState
from gateway.subscription_fields import PRINTABLE
from gateway.webhooks import deliveries, manage
from gateway.webhooks.manage import WebhookChange, WebhookWithLag
from gateway.webhooks.types import EventType
from storage.ids import Kind, encode_id
from storage.tokens import Scope
from storage.webhook_deliveries import Delivery, DeliveryState
from storage.webhooks import Webhook as Stored
from storage.webhooks import WebhookState

_PATH = "/v1/sites/{site}/webhooks"
_ONE = f"{_PATH}/{{webhook}}"

Url = Annotated[
    str, Meta(max_length=2048, description="https, port 443, a public address; no redirect is followed.")
]
Description = Annotated[str, Meta(max_length=200, pattern=PRINTABLE)]
Types = Annotated[list[EventType], Meta(min_length=1, max_length=50, description="What it is told of.")]


class NewWebhook(Struct, forbid_unknown_fields=True, frozen=True):
    url: Url
    events: Types
    description: Description | Literal[""] = ""


class WebhookChanges(Struct, forbid_unknown_fields=True, frozen=True):
    """What is not given stays as it is."""

    url: Url | UnsetType = UNSET
    events: Types | UnsetType = UNSET
    description: Description | Literal[""] | UnsetType = UNSET
    state: WebhookState | UnsetType = UNSET


class Webhook(Struct, frozen=True):
    id: str
    url: str
    events: tuple[str, ...]
    state: WebhookState
    description: str
    created_at: Moment
    lag_seconds: Annotated[int, Meta(description="For how long the oldest delivery has been waiting.")]
    failing_since: Annotated[Moment | None, Meta(description="Null when the last attempt was taken.")]
    last_error: str | None
    secret: Annotated[
        str | UnsetType, Meta(description="`whsec_…`, to check signatures with. Shown this once.")
    ] = UNSET


class Secret(Struct, frozen=True):
    secret: Annotated[str, Meta(description="`whsec_…`; the one until now signs, too, for 24 hours.")]


class DeliveryQuery(Struct, forbid_unknown_fields=True, frozen=True):
    cursor: Cursor | None = None
    limit: Limit = 50
    state: DeliveryState | None = None


class WebhookDelivery(Struct, frozen=True):
    id: Annotated[str, Meta(description="The header `webhook-id` of its requests.")]
    types: tuple[str, ...]
    events: Annotated[int, Meta(description="How many are in it.")]
    state: DeliveryState
    attempts: int
    status: Annotated[
        int | None, Meta(description="HTTP status of the last attempt, if there was an answer.")
    ]
    error: str | None
    created_at: Moment
    delivered_at: Moment | None
    next_attempt_at: Moment | None


class Replay(Struct, forbid_unknown_fields=True, frozen=True):
    state: Literal["dead", "delivered"] = "dead"


class Replayed(Struct, frozen=True):
    replayed: int


@route("POST", _PATH, "Add a webhook", scope=Scope.MANAGE, status=201, errors=(Conflict,))
async def create_webhook(call: Call[NewWebhook, None]) -> Webhook:
    """The answer holds the secret that signs its requests, this once."""
    new, actor = call.body, audit.actor(call.token)
    made = await manage.create_webhook(
        call.context, actor, call.site_id, new.url, new.events, new.description
    )
    return _show(made.webhook, 0, made.secret)


@route("GET", _PATH, "List webhooks", scope=Scope.READ)
async def list_webhooks(call: Call[None, PageQuery]) -> Page[Webhook]:
    """Oldest first."""
    limit = call.query.limit
    after_id = read_cursor(call.query.cursor)
    found = await manage.page_of_webhooks(call.context, call.site_id, after_id, limit + 1)
    return page_of([_with_lag(each) for each in found], [each.webhook.id for each in found], limit)


@route("GET", _ONE, "Show a webhook", scope=Scope.READ)
async def show_webhook(call: Call[None, None]) -> Webhook:
    return _with_lag(await manage.get_webhook(call.context, call.site_id, call.id_of(Kind.WEBHOOK)))


@route("PATCH", _ONE, "Change, pause or resume a webhook", scope=Scope.MANAGE)
async def change_webhook(call: Call[WebhookChanges, None]) -> Webhook:
    """A paused one goes on collecting for 7 days. One that is active again is sent what waits at once."""
    said = call.body
    change = WebhookChange(
        url=said.url or None,
        description=None if said.description is UNSET else said.description,
        types=said.events or None,
        state=said.state or None,
    )
    actor = audit.actor(call.token)
    return _with_lag(
        await manage.change_webhook(call.context, actor, call.site_id, call.id_of(Kind.WEBHOOK), change)
    )


@route("DELETE", _ONE, "Delete a webhook", scope=Scope.MANAGE)
async def delete_webhook(call: Call[None, None]) -> None:
    """With what was not delivered yet."""
    actor = audit.actor(call.token)
    await manage.delete_webhook(call.context, actor, call.site_id, call.id_of(Kind.WEBHOOK))


@route("POST", f"{_ONE}/rotate", "Give a webhook a new secret", scope=Scope.MANAGE)
async def rotate_secret(call: Call[None, None]) -> Secret:
    """For 24 hours each request is signed with both."""
    actor = audit.actor(call.token)
    return Secret(await manage.rotate_secret(call.context, actor, call.site_id, call.id_of(Kind.WEBHOOK)))


@route("POST", f"{_ONE}/test", "Send a test to a webhook", scope=Scope.MANAGE)
async def send_test(call: Call[None, None]) -> WebhookDelivery:
    """One request with one event `webhook.test`, also to a paused one. Answers its outcome, within 10 s."""
    outbound, actor = call.request.app[OUTBOUND], audit.actor(call.token)
    webhook_id = call.id_of(Kind.WEBHOOK)
    return _show_delivery(await deliveries.send_test(call.context, outbound, actor, call.site_id, webhook_id))


@route("GET", f"{_ONE}/deliveries", "List what was sent to a webhook", scope=Scope.READ)
async def list_deliveries(call: Call[None, DeliveryQuery]) -> Page[WebhookDelivery]:
    """Newest first. Delivered ones are kept for 7 days, dead ones for 30."""
    query = call.query
    found = await deliveries.page_of_deliveries(
        call.context,
        call.site_id,
        call.id_of(Kind.WEBHOOK),
        read_cursor(query.cursor),
        query.limit + 1,
        query.state,
    )
    return page_of([_show_delivery(each) for each in found], [each.id for each in found], query.limit)


@route(
    "POST",
    f"{_ONE}/deliveries/{{delivery}}/replay",
    "Send a delivery again",
    scope=Scope.MANAGE,
    errors=(WrongState,),
)
async def replay_delivery(call: Call[None, None]) -> WebhookDelivery:
    """The same body under the same `webhook-id`: a receiver that has it already can tell."""
    return _show_delivery(
        await deliveries.replay_delivery(
            call.context,
            audit.actor(call.token),
            call.site_id,
            call.id_of(Kind.WEBHOOK),
            call.id_of(Kind.DELIVERY),
        )
    )


@route("POST", f"{_ONE}/replay", "Send all dead deliveries again", scope=Scope.MANAGE, body_optional=True)
async def replay_deliveries(call: Call[Replay, None]) -> Replayed:
    state = DeliveryState(call.body.state)
    actor = audit.actor(call.token)
    return Replayed(
        await deliveries.replay_deliveries(call.context, actor, call.site_id, call.id_of(Kind.WEBHOOK), state)
    )


def _with_lag(found: WebhookWithLag) -> Webhook:
    return _show(found.webhook, found.lag)


def _show(webhook: Stored, lag: int, secret: str | UnsetType = UNSET) -> Webhook:
    return Webhook(
        id=encode_id(Kind.WEBHOOK, webhook.id),
        url=webhook.url,
        events=webhook.types,
        state=webhook.state,
        description=webhook.description,
        created_at=to_moment(webhook.created_at),
        lag_seconds=lag // 1_000,
        failing_since=to_optional_moment(webhook.failing_since),
        last_error=webhook.last_error,
        secret=secret,
    )


def _show_delivery(delivery: Delivery) -> WebhookDelivery:
    delivered = delivery.state is DeliveryState.DELIVERED
    return WebhookDelivery(
        id=encode_id(Kind.DELIVERY, delivery.id),
        types=delivery.types,
        events=delivery.events,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        error=delivery.error,
        created_at=to_moment(delivery.created_at),
        delivered_at=to_optional_moment(delivery.ended_at) if delivered else None,
        next_attempt_at=to_optional_moment(delivery.next_attempt_at),
    )


ROUTES = (
    create_webhook,
    list_webhooks,
    show_webhook,
    change_webhook,
    delete_webhook,
    rotate_secret,
    send_test,
    list_deliveries,
    replay_delivery,
    replay_deliveries,
)
