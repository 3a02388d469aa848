"""A message once more, to those whom it did not reach."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import UNSET, UnsetType, structs

from gateway.audience import AudienceSpec, read_audience
from gateway.campaigns.rules import read_rules
from gateway.campaigns.stages import once_more
from gateway.content import read_content
from gateway.context import Context
from gateway.errors import WrongState
from gateway.idempotency import IdempotencyKey
from gateway.message_draft import Draft, make_message
from gateway.messages import Created, find_created, get_message, store_message
from gateway.retention import check_kept
from storage import deliveries, subscriptions
from storage.database import Transaction
from storage.deliveries import Delivery
from storage.ids import Kind, encode_id
from storage.messages import ENDED, Message, MessageKind
from storage.subscriptions import SubscriptionState

_PAGE = 1_000


async def replay_message(
    context: Context,
    actor: str,
    site_id: int,
    message_id: int,
    expires_at: int | UnsetType | None,
    outcomes: Sequence[str] | None = None,
    key: IdempotencyKey | None = None,
) -> Created:
    """A new message, due now, with the same content for those whose delivery failed and who are active.

    With `outcomes` for those that ended so only. `expires_at` UNSET: that of the message. InvalidRequest when
    it has passed; WrongState while the message still sends, and when there is nobody to send it to;
    RowsRemoved; IdempotencyKeyReused; storage.errors.NotFound.
    """
    created = await find_created(context, site_id, key)
    if created is not None:
        return created
    failed = (await get_message(context, site_id, message_id)).message
    if failed.kind is MessageKind.WITHDRAWAL:
        raise WrongState("A withdrawal cannot be replayed: it would be shown as news.")
    if failed.state not in ENDED:
        raise WrongState(f"A message that is {failed.state} cannot be replayed: cancel it, or wait.")
    await context.database.read(lambda tx: check_kept(tx, context.settings, message_id))
    audience = _audience(failed, outcomes)
    if not await _anybody(context, site_id, message_id, audience):
        raise WrongState("There is nobody whom this message failed to reach and who can be reached now.")
    now = context.clock.now()
    content, rules = once_more(read_content(failed), read_rules(failed), failed.winner)
    draft = Draft(
        content=content,
        audience=audience,
        priority=failed.priority,
        send_at=None,
        expires_at=failed.expires_at if expires_at is UNSET else expires_at,
        rate=failed.rate,
        rules=structs.replace(rules, local_time=None, best_hour=None),  # it is due now, for everybody
    )
    message = make_message(
        draft,
        id=context.ids.next(),
        site_id=site_id,
        created_at=now,
        now=now,
        public_url=context.settings.public_url,
    )
    message = replace(message, parent_id=message_id)
    return await store_message(
        context, actor, message, key, {"replay_of": encode_id(Kind.MESSAGE, message_id)}
    )


def _audience(failed: Message, outcomes: Sequence[str] | None) -> AudienceSpec:
    """With the names of those who were addressed by name: what is theirs alone comes along."""
    addressed = read_audience(failed.audience_spec)
    return AudienceSpec(
        external_ids=addressed.external_ids,
        recipients=addressed.recipients,
        uploaded=addressed.uploaded,
        names=addressed.names,
        failures_of=failed.id,
        outcomes=UNSET if outcomes is None else tuple(dict.fromkeys(outcomes)),
    )


async def _anybody(context: Context, site_id: int, message_id: int, audience: AudienceSpec) -> bool:
    """Whether somebody who failed is active: on the first page, unless all of them are gone."""
    after_id = 0
    while True:

        async def body(tx: Transaction, after_id: int = after_id) -> tuple[Sequence[Delivery], bool]:
            failed = await deliveries.failed_page(tx, site_id, message_id, after_id, _PAGE)
            ids = [each.subscription_id for each in failed if audience.asks_for(each.outcome)]
            found = await subscriptions.by_ids(tx, site_id, ids) if ids else ()
            return failed, any(state == SubscriptionState.ACTIVE for _, _, state in found)

        failed, active = await context.database.read(body)
        if active or not failed:
            return active
        after_id = failed[-1].subscription_id
