"""From the outbox to deliveries in one transaction: what was taken out is in, for each that wants it."""

from collections.abc import Mapping, Sequence

from gateway.context import Context
from gateway.dispatch.metrics import WebhookMetrics
from gateway.webhooks.packing import pack_for
from storage import outbox, webhook_deliveries
from storage.database import Transaction
from storage.outbox import Waiting
from storage.webhook_deliveries import Delivery, DeliveryState

ROWS = 200  # of the outbox in one step
FACTS = 2_000  # in one step, some 10 ms of work; one row may hold more


class TakenByAnother(Exception):
    """Another process packs the same rows: it does the rest, too."""


class Packer:
    def __init__(self, context: Context, metrics: WebhookMetrics) -> None:
        self._context = context
        self._metrics = metrics

    async def step(self) -> bool:
        """Whether there was something to pack."""
        now = self._context.clock.now()
        rows, wanting = await self._context.database.read(_look)
        if not rows:
            return False
        packed = pack_for(rows, wanting, now)
        made = [
            (self._delivery(site_id, webhook_id, each.types, each.events, now), each.body)
            for (site_id, webhook_id), requests in packed.items()
            for each in requests
        ]

        async def body(tx: Transaction) -> None:
            if not await outbox.take(tx, [row.id for row in rows]):
                raise TakenByAnother
            for delivery, content in made:
                await webhook_deliveries.add(tx, delivery, content)

        try:
            await self._context.database.write(body)
        except TakenByAnother:
            return False
        self._metrics.events.inc(sum(delivery.events for delivery, _ in made))
        return True

    def _delivery(
        self, site_id: int, webhook_id: int, types: tuple[str, ...], events: int, now: int
    ) -> Delivery:
        return Delivery(
            id=self._context.ids.next(),
            site_id=site_id,
            webhook_id=webhook_id,
            state=DeliveryState.PENDING,
            types=types,
            events=events,
            attempts=0,
            status=None,
            error=None,
            created_at=now,
            ended_at=None,
            next_attempt_at=now,
        )


async def _look(tx: Transaction) -> tuple[Sequence[Waiting], Mapping[tuple[int, str], Sequence[int]]]:
    rows = await outbox.waiting(tx, ROWS, FACTS)
    return rows, await outbox.wanting(tx, sorted({row.site_id for row in rows})) if rows else {}
