"""What was sent to a webhook, as an admin looks at it, sends it again, or tries it out."""

from collections.abc import Sequence

from gateway import audit
from gateway.context import Context
from gateway.errors import WrongState
from gateway.outbound import Outbound
from gateway.webhooks.attempt import attempt
from gateway.webhooks.packing import pack_test
from storage import audit as stored_audit
from storage import sites, webhook_deliveries, webhooks
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.webhook_deliveries import Delivery, DeliveryState
from storage.webhooks import Webhook


async def page_of_deliveries(
    context: Context,
    site_id: int,
    webhook_id: int,
    before_id: int | None,
    limit: int,
    state: DeliveryState | None,
) -> Sequence[Delivery]:
    """Newest first."""

    async def body(tx: Transaction) -> Sequence[Delivery]:
        await _webhook(tx, site_id, webhook_id)
        return await webhook_deliveries.page(tx, webhook_id, before_id, limit, state)

    return await context.database.read(body)


async def replay_delivery(
    context: Context, actor: str, site_id: int, webhook_id: int, delivery_id: int
) -> Delivery:
    """The same request again, under the same id, now. WrongState: it is pending already; NotFound."""
    id = encode_id(Kind.DELIVERY, delivery_id)
    note = audit.entry(context, actor, "webhook.replayed", id, site_id)

    async def body(tx: Transaction) -> Delivery:
        await _webhook(tx, site_id, webhook_id)
        await webhook_deliveries.get(tx, webhook_id, delivery_id)
        if not await webhook_deliveries.replay(tx, webhook_id, delivery_id, note.at):
            raise WrongState("A delivery that is pending cannot be replayed.")
        await stored_audit.add(tx, note)
        return await webhook_deliveries.get(tx, webhook_id, delivery_id)

    return await context.database.write(body)


async def replay_deliveries(
    context: Context, actor: str, site_id: int, webhook_id: int, state: DeliveryState
) -> int:
    """All of a webhook that are in a state; how many. In steps: there may be a hundred thousand."""
    id = encode_id(Kind.WEBHOOK, webhook_id)
    note = audit.entry(context, actor, "webhook.replayed", id, site_id, {"state": state.value})

    async def begin(tx: Transaction) -> None:
        await _webhook(tx, site_id, webhook_id)
        await stored_audit.add(tx, note)

    await context.database.write(begin)
    replayed = 0
    while some := await context.database.write(
        lambda tx: webhook_deliveries.replay_state(tx, webhook_id, state, note.at)
    ):
        replayed += some
    return replayed


async def send_test(
    context: Context, outbound: Outbound, actor: str, site_id: int, webhook_id: int
) -> Delivery:
    """One attempt, now, whatever the webhook's state; kept as delivered or dead. NotFound."""
    webhook = await context.database.read(lambda tx: _webhook(tx, site_id, webhook_id))
    id, created_at = context.ids.next(), context.clock.now()
    packed = pack_test(id, webhook_id, created_at)
    verdict = await attempt(context, outbound, webhook, id, packed.body)
    note = audit.entry(context, actor, "webhook.tested", encode_id(Kind.WEBHOOK, webhook_id), site_id)
    tried = Delivery(
        id=id,
        site_id=site_id,
        webhook_id=webhook_id,
        state=DeliveryState.DELIVERED if verdict.taken else DeliveryState.DEAD,
        types=packed.types,
        events=packed.events,
        attempts=1,
        status=verdict.status,
        error=verdict.error,
        created_at=created_at,
        ended_at=note.at,
        next_attempt_at=None,
    )

    async def body(tx: Transaction) -> None:
        await _webhook(tx, site_id, webhook_id)
        await webhook_deliveries.add(tx, tried, packed.body)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    return tried


async def _webhook(tx: Transaction, site_id: int, webhook_id: int) -> Webhook:
    await sites.get(tx, site_id)
    return await webhooks.get(tx, site_id, webhook_id)
