"""A message that reached some and failed others, as a sender would have left it."""

from collections.abc import Sequence

from gateway.context import Context
from storage import deliveries, messages, subscriptions
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.ids import Kind, decode_id, encode_id
from storage.messages import MessageState
from storage.subscriptions import NewSubscription
from tests.api.conftest import Api

OUTCOMES = (
    Outcome.ACCEPTED,
    Outcome.UNAUTHORIZED,
    Outcome.GONE,
    None,  # waits for another attempt
    Outcome.SKIPPED,
    Outcome.UNAUTHORIZED,
    Outcome.TOO_LARGE,
    Outcome.EXPIRED,
)


async def send(
    api: Api, context: Context, site: str, outcomes: Sequence[Outcome | None] = OUTCOMES, **changes: object
) -> tuple[str, list[str]]:
    """The message, and the subscriptions of `visitor-0`, `visitor-1`, … with these outcomes."""
    message = (await api.new_message(site, **changes))["id"]
    site_id, message_id = decode_id(Kind.SITE, site), decode_id(Kind.MESSAGE, message)
    now = context.clock.now()
    ids = [context.ids.next() for _ in outcomes]
    rows = [
        (
            id,
            NewSubscription(
                endpoint=f"https://fcm.googleapis.com/fcm/send/{id}",
                provider="fcm",
                key_id=1,
                p256dh=bytes(65),
                auth=bytes(16),
                external_id=f"visitor-{number}",
                created_at=now,
            ),
        )
        for number, id in enumerate(ids)
    ]
    results = [
        Result(site_id, message_id, id, "fcm", 1, 0, outcome, "as it was", 403, now)
        for id, outcome in zip(ids, outcomes, strict=True)
    ]

    async def body(tx: Transaction) -> None:
        await subscriptions.add_many(tx, site_id, rows, now)
        assert await messages.start(tx, message_id, now, ids[-1])
        await messages.frozen(tx, message_id, len(ids), 0, now)
        await deliveries.record(tx, results)
        await subscriptions.accepted(tx, site_id, ids, now)
        gone = [id for id, outcome in zip(ids, outcomes, strict=True) if outcome is Outcome.GONE]
        for id in gone:
            await subscriptions.end(tx, site_id, id, subscriptions.SubscriptionState.GONE, now)

    await context.database.write(body)
    return message, [encode_id(Kind.SUBSCRIPTION, id) for id in ids]


async def end(context: Context, message: str, state: MessageState = MessageState.SENT) -> None:
    id, now = decode_id(Kind.MESSAGE, message), context.clock.now()

    async def body(tx: Transaction) -> None:
        assert await messages.transition(tx, id, set(MessageState), state, None, now)

    await context.database.write(body)
