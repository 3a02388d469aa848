"""What a message would show to one subscription: rendered as a sender does it, and sent to nobody."""

from dataclasses import dataclass, replace

from gateway.audience import AudienceSpec, Recipient, write_audience
from gateway.campaigns.personal import RenderFailed
from gateway.campaigns.rules import read_rules
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.message_draft import Draft, make_message
from gateway.message_tests import find_data
from gateway.messages import check_names, get_message, with_utm
from gateway.outgoing import render_for
from gateway.webpush import MAX_PLAINTEXT
from storage import subscriptions
from storage.database import Transaction
from storage.deliveries import Outcome
from storage.errors import NotFound
from storage.messages import Message
from storage.subscription import VisitorRow


@dataclass(frozen=True, slots=True)
class Preview:
    """`payload` is the JSON that the browser would get; None when the texts cannot be made for it."""

    payload: bytes | None
    failure: Outcome | None = None  # how the delivery would end, if not by being sent
    reason: str | None = None

    @property
    def bytes_left(self) -> int:
        """Of what fits into one push (RFC 8291 section 4); negative: so many too many."""
        return MAX_PLAINTEXT - len(self.payload or b"")


@dataclass(frozen=True, slots=True)
class _Visitor:
    """A subscription, what a message may say of it, and who they are."""

    id: int
    row: VisitorRow
    external_id: str | None


async def preview_message(
    context: Context, site_id: int, message_id: int, subscription_id: int, variant: str | None
) -> Preview:
    """`variant` by its name; None: the first. InvalidRequest: there is no such variant or subscription.

    storage.errors.NotFound: no such message.
    """
    message = (await get_message(context, site_id, message_id)).message
    return await _preview(context, message, await _visitor(context, site_id, subscription_id), variant)


async def preview_draft(
    context: Context, site_id: int, draft: Draft, subscription_id: int, variant: str | None
) -> Preview:
    """Of a message that is not stored. Errors as for creating it, and as `preview_message`."""
    await check_names(context, site_id, draft)
    linked = await with_utm(context, site_id, draft)
    visitor = await _visitor(context, site_id, subscription_id)  # before the message is checked: that costs
    now = context.clock.now()
    message = make_message(
        replace(linked, is_draft=True),
        id=context.ids.next(),
        site_id=site_id,
        created_at=now,
        now=now,
        public_url=context.settings.public_url,
    )
    return await _preview(context, message, visitor, variant)


async def _preview(context: Context, message: Message, visitor: _Visitor, variant: str | None) -> Preview:
    number = _variant(message, variant)
    names = [] if visitor.external_id is None else [visitor.external_id]
    data_of = await find_data(context, message, names)
    audience = AudienceSpec(subscriptions=(visitor.id,))
    if data_of is not None:  # whoever is not among the recipients sees it as one of whom nothing is told
        told = tuple(Recipient(name, data_of.get(name, {})) for name in names)
        audience = AudienceSpec(subscriptions=(visitor.id,), recipients=told)
    shown = replace(message, audience_spec=write_audience(audience))
    try:
        payload = render_for(shown, context.settings.public_url, visitor.row, visitor.external_id, number)
    except RenderFailed as exc:
        return Preview(None, Outcome.RENDER_FAILED, str(exc))
    if len(payload) > MAX_PLAINTEXT:
        return Preview(payload, Outcome.TOO_LARGE)
    return Preview(payload)


def _variant(message: Message, name: str | None) -> int:
    if name is None:
        return 0
    variants = read_rules(message).variants
    number = None if variants is None else variants.index_of(name)
    if number is None:
        raise InvalidRequest(errors=[FieldError("variant", "The message has no variant of this name.")])
    return number


async def _visitor(context: Context, site_id: int, id: int) -> _Visitor:
    """InvalidRequest: the site has no such subscription."""

    async def body(tx: Transaction) -> _Visitor:
        stored = await subscriptions.get(tx, site_id, id)
        return _Visitor(id, (await subscriptions.visitors(tx, site_id, [id]))[id], stored.external_id)

    try:
        return await context.database.read(body)
    except NotFound:
        raise InvalidRequest(
            errors=[FieldError("subscription", "The site has no such subscription.")]
        ) from None
