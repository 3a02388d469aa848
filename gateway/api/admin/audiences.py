"""Audiences as JSON, with ids as the outside writes them; inside they are an AudienceSpec."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import audience
from gateway.audience import MAX_NAMED, AudienceSpec
from gateway.errors import FieldError, InvalidRequest
from gateway.subscription_fields import ExternalId
from storage.ids import Kind, MalformedId, decode_id, encode_id

SubscriptionId = Annotated[str, Meta(max_length=64, description="`sub_…`")]
_NAMED = Meta(min_length=1, max_length=MAX_NAMED)


class Recipient(Struct, frozen=True, forbid_unknown_fields=True):
    external_id: ExternalId
    data: Annotated[dict[str, Any], Meta(description="Added to the notification's data for this one.")] = {}


class Audience(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of these. Who is named twice counts once; one external id means all its subscriptions."""

    all: Annotated[bool | UnsetType, Meta(description="Every active subscription: true.")] = UNSET
    subscriptions: Annotated[list[SubscriptionId], _NAMED] | UnsetType = UNSET
    external_ids: Annotated[list[ExternalId], _NAMED] | UnsetType = UNSET
    recipients: Annotated[list[Recipient], _NAMED] | UnsetType = UNSET


class ShownAudience(Audience, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    failures_of: Annotated[
        str | UnsetType, Meta(description="A replay: those whom this message did not reach.")
    ] = UNSET
    outcomes: Annotated[
        list[str] | UnsetType, Meta(description="A replay: those whose delivery ended so only.")
    ] = UNSET


def to_spec(asked: Audience) -> AudienceSpec:
    """InvalidRequest: not exactly one kind, a malformed id, one recipient with two kinds of data."""
    given = [name for name in asked.__struct_fields__ if getattr(asked, name) is not UNSET]
    if len(given) != 1:
        raise _wrong("audience", f"An audience is exactly one of {', '.join(asked.__struct_fields__)}.")
    if asked.subscriptions is not UNSET:
        return AudienceSpec(subscriptions=_distinct_ids(asked.subscriptions))
    if asked.external_ids is not UNSET:
        return AudienceSpec(external_ids=tuple(dict.fromkeys(asked.external_ids)))
    if asked.recipients is not UNSET:
        return AudienceSpec(recipients=_distinct_recipients(asked.recipients))
    if asked.all is not True:
        raise _wrong("audience.all", "This is true or absent.")
    return AudienceSpec(all=True)


def from_spec(spec: AudienceSpec) -> ShownAudience:
    if spec.failures_of is not UNSET:
        outcomes = UNSET if spec.outcomes is UNSET else list(spec.outcomes)
        return ShownAudience(failures_of=encode_id(Kind.MESSAGE, spec.failures_of), outcomes=outcomes)
    if spec.subscriptions is not UNSET:
        return ShownAudience(subscriptions=[encode_id(Kind.SUBSCRIPTION, id) for id in spec.subscriptions])
    if spec.external_ids is not UNSET:
        return ShownAudience(external_ids=list(spec.external_ids))
    if spec.recipients is not UNSET:
        return ShownAudience(recipients=[Recipient(each.external_id, each.data) for each in spec.recipients])
    return ShownAudience(all=True)


def _distinct_ids(texts: Sequence[str]) -> tuple[int, ...]:
    ids: dict[int, None] = {}
    for index, text in enumerate(texts):
        try:
            ids[decode_id(Kind.SUBSCRIPTION, text)] = None
        except MalformedId:
            raise _wrong(
                f"audience.subscriptions[{index}]", "This is not the id of a subscription."
            ) from None
    return tuple(ids)


def _distinct_recipients(given: Sequence[Recipient]) -> tuple[audience.Recipient, ...]:
    """Twice the same is one; twice with different data is a mistake, and nobody could say which counts."""
    found: dict[str, audience.Recipient] = {}
    for index, each in enumerate(given):
        recipient = audience.Recipient(each.external_id, each.data)
        if found.setdefault(each.external_id, recipient) != recipient:
            raise _wrong(f"audience.recipients[{index}]", "This recipient is named before, with other data.")
    return tuple(found.values())


def _wrong(path: str, sentence: str) -> InvalidRequest:
    return InvalidRequest("The audience is not valid.", [FieldError(path, sentence)])
