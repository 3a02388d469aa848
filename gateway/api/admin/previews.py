"""Previews: what the browser of one subscription would get."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway import previews
from gateway.api.admin.audiences import Audience, SubscriptionId, distinct_ids
from gateway.api.admin.message_types import NewMessage, read_draft
from gateway.api.admin.template_use import fill_in
from gateway.api.route import KILOBYTE, Call, route
from gateway.errors import PayloadTooLarge
from storage.deliveries import Outcome
from storage.ids import Kind
from storage.tokens import Scope

Variant = Annotated[str | None, Meta(description="By its name; the first when it is not given.")]

_PATH = "/v1/sites/{site}/messages"


class NewPreview(Struct, frozen=True, forbid_unknown_fields=True):
    subscription: SubscriptionId
    variant: Variant = None


class UnsavedPreview(NewMessage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as it would be made, and for whom to show it."""

    audience: Audience = Audience(all=True)
    subscription: SubscriptionId
    variant: Variant = None


class Preview(Struct, frozen=True):
    payload: Annotated[dict[str, Any] | None, Meta(description="The JSON that the worker would get.")]
    bytes: Annotated[int, Meta(description="Its size before it is encrypted.")]
    bytes_left: Annotated[int, Meta(description="Until it is too large for a push; negative when it is.")]
    notification: Annotated[dict[str, Any] | None, Meta(description="What it would show: its `n`.")]
    failure: Annotated[Outcome | None, Meta(description="How the delivery would end instead of being sent.")]
    reason: str | None


@route("POST", f"{_PATH}/{{message}}/preview", "Show what a subscription would get", scope=Scope.READ)
async def preview_message(call: Call[NewPreview, None]) -> Preview:
    """Rendered as for sending: language, variant, the recipient's own data, UTM. Nothing is sent."""
    asked = call.body
    (subscription_id,) = distinct_ids([asked.subscription], "subscription")
    return _show(
        await previews.preview_message(
            call.context, call.site_id, call.id_of(Kind.MESSAGE), subscription_id, asked.variant
        )
    )


@route(
    "POST",
    f"{_PATH}/preview",
    "Show what a subscription would get of a message that is not made yet",
    scope=Scope.READ,
    errors=(PayloadTooLarge,),
    body_limit=1024 * KILOBYTE,
)
async def preview_unsaved(call: Call[UnsavedPreview, None]) -> Preview:
    """A message's body, checked as when it is made, with `subscription`. It needs no audience."""
    asked = await fill_in(call.context, call.site_id, call.body)
    (subscription_id,) = distinct_ids([call.body.subscription], "subscription")
    return _show(
        await previews.preview_draft(
            call.context, call.site_id, read_draft(asked), subscription_id, call.body.variant
        )
    )


def _show(preview: previews.Preview) -> Preview:
    payload: dict[str, Any] | None = None if preview.payload is None else msgspec.json.decode(preview.payload)
    return Preview(
        payload=payload,
        bytes=len(preview.payload or b""),
        bytes_left=preview.bytes_left,
        notification=None if payload is None else payload["n"],
        failure=preview.failure,
        reason=preview.reason,
    )


ROUTES = (preview_message, preview_unsaved)
