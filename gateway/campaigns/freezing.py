"""The expression of an audience: what it refers to exists, and what it says when the message starts is kept.

`messages.resolved` holds it from then on: with the segment's expression as it is at that moment, and with
moments in the place of `within`. Whoever changes or deletes the segment later changes nobody's audience.
"""

from typing import NamedTuple

from msgspec import UNSET, json

from gateway.audience import AudienceSpec
from gateway.campaigns.conditions import to_condition
from gateway.campaigns.expressions import Expression, fix_times, messages_named
from gateway.errors import FieldError
from storage import messages, segments
from storage.conditions import Condition
from storage.database import Transaction
from storage.errors import NotFound

_DECODER = json.Decoder(Expression)
_ENCODER = json.Encoder()


class Resolved(NamedTuple):
    """Of an audience at one moment. `missing`: it names a segment that is not there any more."""

    expression: Expression | None  # None: it is not an expression's
    missing: bool = False


def read_expression(stored: str) -> Expression:
    """What `write_expression` stored."""
    return _DECODER.decode(stored)


def write_expression(expression: Expression) -> str:
    return _ENCODER.encode(expression).decode()


def frozen_condition(resolved: str) -> Condition:
    """Of `messages.resolved`: whatever the time is now, it means the same."""
    return to_condition(read_expression(resolved), now=0)


async def resolve(tx: Transaction, site_id: int, audience: AudienceSpec, now: int) -> Resolved:
    """The audience's expression as it is now. For plain audiences nothing is read."""
    if audience.where is not UNSET:
        return Resolved(fix_times(audience.where, now))
    if audience.segment is UNSET:
        return Resolved(None)
    try:
        segment = await segments.get(tx, site_id, audience.segment)
    except NotFound:
        return Resolved(None, missing=True)
    return Resolved(fix_times(read_expression(segment.expression), now))


def is_expression(audience: AudienceSpec) -> bool:
    """Whether it says whom it means, instead of naming them."""
    return audience.segment is not UNSET or audience.where is not UNSET


async def unknown_names(tx: Transaction, site_id: int, audience: AudienceSpec, path: str) -> list[FieldError]:
    """What the audience names and the site has not."""
    if audience.where is not UNSET:
        return await unknown_messages(tx, site_id, audience.where, f"{path}.where")
    if (await resolve(tx, site_id, audience, now=0)).missing:
        return [FieldError(f"{path}.segment", "The site has no such segment.")]
    return []


async def unknown_messages(
    tx: Transaction, site_id: int, expression: Expression, path: str
) -> list[FieldError]:
    errors = []
    for place, message_id in messages_named(expression, path):
        try:
            await messages.get(tx, site_id, message_id)
        except NotFound:
            errors.append(FieldError(place, "The site has no such message."))
    return errors
