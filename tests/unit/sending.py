"""Starting messages and running senders in tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from gateway.delivery.limits import SenderLimits
from gateway.delivery.retry import RetryPolicy
from gateway.delivery.sender import Sender
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from gateway.webpush import Transport
from storage.database import Database
from storage.queries import Query
from tests.unit.installation import Installation

# One provider may have it all at once, unless a test is about windows.
QUICK = SenderLimits(
    poll=0.01, stop_within=5.0, flush_after=0.02, provider_share=1.0, first_share=1.0, look_every=0.1
)
POLICY = RetryPolicy(first=4_000, longest=60_000)


async def start_due(installation: Installation, step: int = 10_000) -> None:
    """Start and freeze whatever is due."""
    await Starter(installation.context, Metrics()).step()
    freezer = Freezer(installation.context, Metrics(), step)
    while await freezer.step():
        pass


async def finish(installation: Installation) -> None:
    """All that the scheduler does to end messages at this moment."""
    finisher = Finisher(installation.context, "scheduler", Metrics())
    while await finisher.step():
        pass


@dataclass(frozen=True)
class Running:
    sender: Sender
    task: asyncio.Task[None]

    def kill(self) -> None:
        """As kill -9: nothing is recorded or released from now on."""
        self.task.cancel()


@asynccontextmanager
async def sender(
    installation: Installation,
    transport: Transport,
    owner: str = "sender-a",
    limits: SenderLimits = QUICK,
    database: Database | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Running]:
    """A sender at work, stopped in the end as by SIGTERM, if it was not killed."""
    stop = asyncio.Event()
    context = installation.context
    if database is not None:
        context = replace(context, database=database)
    made = Sender(context, transport, owner, metrics or Metrics(), limits, POLICY, lambda: 0.5)
    task = asyncio.create_task(made.run(stop))
    try:
        yield Running(made, task)
    finally:
        stop.set()
        if not task.cancelled() and not task.cancelling():
            await asyncio.wait_for(task, 10)
        else:
            await asyncio.wait({task})


async def nothing_left(installation: Installation, message_id: int) -> bool:
    """Whether every batch of the message has ended."""
    return await installation.batches_left(message_id) == 0


async def expire_leases(installation: Installation) -> None:
    """As if the time of every lease had passed: nobody who died gives them back."""
    for table, column in (("batches", "lease_until"), ("leases", "until")):
        text = f"update {table} set {column} = 0 where {column} > 0"
        query = Query(f"test.expire_{table}", text, text)
        await installation.database.write(lambda tx, query=query: tx.execute(query))  # type: ignore[misc]
