"""From claimed batches to flights, while the other lane reads, too."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from gateway.audience import AudienceSpec
from gateway.delivery import outgoing
from gateway.delivery.reader import Reader
from gateway.delivery.recorder import Recorder
from storage import batches
from storage.batches import Batch
from storage.database import Body, Database, Transaction
from tests.unit.installation import Installation
from tests.unit.sending import start_due

NOBODY_TO_SETTLE = cast(Recorder, None)


class Gated:
    """A database that lets each read through when the test says so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.waiting: list[asyncio.Event] = []

    async def read(self, body: Body[Any]) -> Any:
        gate = asyncio.Event()
        self.waiting.append(gate)
        await gate.wait()
        return await self._database.read(body)


async def test_a_message_that_the_other_lane_pushes_out_of_the_cache_is_sent_all_the_same(
    installation: Installation,
) -> None:
    [id] = await installation.subscribe(1)
    for _ in range(outgoing.MOST + 1):
        await installation.add_message(AudienceSpec(subscriptions=(id,)))
        await start_due(installation)

    async def claim(tx: Transaction) -> list[Batch]:
        return await batches.claim(tx, "me", installation.clock.now(), 30_000, outgoing.MOST + 1)

    first, *others = await installation.database.write(claim)
    gated = Gated(installation.database)
    reader = Reader(replace(installation.context, database=cast(Database, gated)), NOBODY_TO_SETTLE)

    async def open_at_once(claimed: list[Batch]) -> int:
        task = asyncio.create_task(reader.open(claimed))
        await asyncio.sleep(0)
        gated.waiting[-1].set()
        return len(await task)

    assert await open_at_once([first]) == 1
    again = asyncio.create_task(reader.open([first]))
    await asyncio.sleep(0)
    gate = gated.waiting[-1]
    assert await open_at_once(others) == len(others) == outgoing.MOST
    gate.set()
    assert [flight.batch.id for flight in await again] == [first.id]
