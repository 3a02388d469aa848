"""A dispatcher, a receiver and a site between them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from gateway.dispatch.dispatcher import DispatchTiming, run_dispatcher
from gateway.dispatch.metrics import WebhookMetrics
from gateway.outbound import Outbound, OutboundLimits
from gateway.webhooks import manage
from gateway.webhooks.manage import Made
from gateway.webhooks.types import EventType
from storage import outbox, webhook_deliveries
from storage.webhook_deliveries import Delivery, DeliveryState
from tests.eventually import eventually
from tests.fakes.receiver import Receiver
from tests.unit.installation import Installation

TIMING = DispatchTiming(lease=3.0, poll=0.02, show_every=0.02, tidy_every=60.0, stop_within=0.2)
ALERT = EventType.ALERT_RAISED


@dataclass
class Stand:
    installation: Installation
    receiver: Receiver
    metrics: WebhookMetrics
    registry: CollectorRegistry
    secrets: dict[int, str] = field(default_factory=dict)

    async def webhook(self, path: str = "/", types: Sequence[EventType] = (ALERT,)) -> int:
        made: Made = await manage.create_webhook(
            self.installation.context, "cli", self.installation.site.id, self.receiver.url(path), types, ""
        )
        self.secrets[made.webhook.id] = made.secret
        return made.webhook.id

    async def happen(self, *numbers: int) -> None:
        facts = [f'{{"number":{number}}}' for number in numbers]
        site_id, now = self.installation.site.id, self.installation.clock.now()
        await self.installation.database.write(lambda tx: outbox.add(tx, site_id, ALERT.value, facts, now))

    async def deliveries(self, webhook_id: int) -> list[Delivery]:
        """The oldest first."""
        found = await self.installation.database.read(lambda tx: webhook_deliveries.page(tx, webhook_id))
        return list(reversed(found))

    async def ended(self, webhook_id: int, state: DeliveryState, count: int = 1) -> list[Delivery]:
        async def look() -> list[Delivery] | None:
            found = [each for each in await self.deliveries(webhook_id) if each.state is state]
            return found if len(found) == count else None

        return await eventually(look)

    async def tried(self, webhook_id: int, attempts: int) -> Delivery:
        async def look() -> Delivery | None:
            found = await self.deliveries(webhook_id)
            return found[0] if found and found[0].attempts == attempts else None

        return await eventually(look)

    def count(self, outcome: str) -> float:
        return self.registry.get_sample_value("gateway_webhook_attempts_total", {"outcome": outcome}) or 0

    def runs(self, owner: str = "one", seconds: float = 5.0) -> "Running":
        return Running(self, owner, seconds)


class Running:
    """A dispatcher for as long as the block lasts."""

    def __init__(self, stand: Stand, owner: str, seconds: float) -> None:
        self.stop = asyncio.Event()
        self._dispatcher = run_dispatcher(
            stand.installation.context,
            self.stop,
            owner=owner,
            outbound=Outbound(limits=OutboundLimits(seconds=seconds)),
            metrics=stand.metrics,
            timing=TIMING,
            random=lambda: 0.5,
        )

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(self._dispatcher)
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.stop.set()
        with suppress(asyncio.CancelledError):  # it was killed
            await self.task

    async def kill(self) -> None:
        """As kill -9: nothing is given back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
