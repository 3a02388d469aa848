"""Audiences as JSON, with ids as the outside writes them; inside they are an AudienceSpec."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import audience
from gateway.audience import MAX_NAMED, AudienceSpec
from gateway.campaigns.expressions import Expression, check_expression
from gateway.campaigns.freezing import read_expression
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
    uploaded: Annotated[
        bool | UnsetType, Meta(description="Of a draft: true, and PUT its recipients, each with their data.")
    ] = UNSET
    segment: (
        Annotated[str, Meta(max_length=64, description="`seg_…`, as it is when the message starts.")]
        | UnsetType
    ) = UNSET
    where: Expression | UnsetType = UNSET


class ShownAudience(Audience, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    resolved: Annotated[
        Expression | UnsetType,
        Meta(description="Of `segment` and `where`: the expression that counts, since the message started."),
    ] = UNSET
    automation: Annotated[
        str | UnsetType, Meta(description="A step of this automation: visitors come in by themselves.")
    ] = UNSET
    round: Annotated[
        int | UnsetType,
        Meta(description="Of those who come in again: 2 for who is in it for the second time."),
    ] = UNSET
    names: Annotated[int | UnsetType, Meta(description="How many were uploaded.")] = UNSET
    failures_of: Annotated[
        str | UnsetType, Meta(description="A replay: those whom this message did not reach.")
    ] = UNSET
    outcomes: Annotated[
        list[str] | UnsetType, Meta(description="A replay: those whose delivery ended so only.")
    ] = UNSET
    withdrawal_of: Annotated[
        str | UnsetType, Meta(description="A withdrawal: those who had not seen this message by then.")
    ] = UNSET


def to_spec(asked: Audience) -> AudienceSpec:
    """InvalidRequest: not exactly one kind, a malformed id, one recipient with two kinds of data."""
    given = [name for name in asked.__struct_fields__ if getattr(asked, name) is not UNSET]
    if len(given) != 1:
        raise _wrong("audience", f"An audience is exactly one of {', '.join(asked.__struct_fields__)}.")
    if asked.subscriptions is not UNSET:
        return AudienceSpec(subscriptions=distinct_ids(asked.subscriptions, "audience.subscriptions"))
    if asked.external_ids is not UNSET:
        return AudienceSpec(external_ids=tuple(dict.fromkeys(asked.external_ids)))
    if asked.recipients is not UNSET:
        return AudienceSpec(recipients=_distinct_recipients(asked.recipients))
    if asked.uploaded is not UNSET:
        if asked.uploaded is not True:
            raise _wrong("audience.uploaded", "This is true or absent.")
        return AudienceSpec(uploaded=0, names=0)
    if asked.segment is not UNSET:
        return AudienceSpec(segment=_segment_id(asked.segment))
    if asked.where is not UNSET:
        if errors := check_expression(asked.where, "audience.where"):
            raise InvalidRequest("The audience is not valid.", errors)
        return AudienceSpec(where=asked.where)
    if asked.all is not True:
        raise _wrong("audience.all", "This is true or absent.")
    return AudienceSpec(all=True)


def from_spec(spec: AudienceSpec, resolved: str | None = None) -> ShownAudience:
    """`resolved`: as in storage.messages.Message."""
    expression = UNSET if resolved is None else read_expression(resolved)
    if spec.segment is not UNSET:
        return ShownAudience(segment=encode_id(Kind.SEGMENT, spec.segment), resolved=expression)
    if spec.where is not UNSET:
        return ShownAudience(where=spec.where, resolved=expression)
    if spec.automation is not UNSET:
        return ShownAudience(
            automation=encode_id(Kind.AUTOMATION, spec.automation),
            round=UNSET if spec.round is UNSET else spec.round + 1,
        )
    if spec.failures_of is not UNSET:
        outcomes = UNSET if spec.outcomes is UNSET else list(spec.outcomes)
        return ShownAudience(failures_of=encode_id(Kind.MESSAGE, spec.failures_of), outcomes=outcomes)
    if spec.withdrawal_of is not UNSET:
        return ShownAudience(withdrawal_of=encode_id(Kind.MESSAGE, spec.withdrawal_of))
    if spec.uploaded is not UNSET:
        return ShownAudience(uploaded=True, names=spec.names)
    if spec.subscriptions is not UNSET:
        return ShownAudience(subscriptions=[encode_id(Kind.SUBSCRIPTION, id) for id in spec.subscriptions])
    if spec.external_ids is not UNSET:
        return ShownAudience(external_ids=list(spec.external_ids))
    if spec.recipients is not UNSET:
        return ShownAudience(recipients=[Recipient(each.external_id, each.data) for each in spec.recipients])
    return ShownAudience(all=True)


def distinct_ids(texts: Sequence[str], path: str) -> tuple[int, ...]:
    """Ids of subscriptions, each once. InvalidRequest: one is malformed."""
    ids: dict[int, None] = {}
    for index, text in enumerate(texts):
        try:
            ids[decode_id(Kind.SUBSCRIPTION, text)] = None
        except MalformedId:
            raise InvalidRequest(
                errors=[FieldError(f"{path}[{index}]", "This is not the id of a subscription.")]
            ) from None
    return tuple(ids)


def _segment_id(text: str) -> int:
    try:
        return decode_id(Kind.SEGMENT, text)
    except MalformedId:
        raise _wrong("audience.segment", "This is not the id of a segment.") from None


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
