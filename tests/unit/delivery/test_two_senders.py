"""The play of test_exactness.py for two: a second sender claims what the first one leaves or loses."""

import asyncio
import random
from contextlib import suppress

import pytest

from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import FakeTransport
from tests.unit.delivery.test_exactness import HAPPENINGS, TTL, Play
from tests.unit.installation import Installation
from tests.unit.sending import start_due


class PlayOfTwo(Play):
    """What happens, happens to the first sender, but its kills end both' leases. The second one goes on."""

    def launch_second(self) -> None:
        self.second_transport = FakeTransport(self.reply)
        database = FlakyDatabase(self.installation.database)
        self.second = self.run_sender(self.second_transport, database, asyncio.Event())

    async def start(self) -> None:
        if self.task is None:
            self.launch()

    def answer_pending(self) -> None:
        super().answer_pending()
        self.second_transport.answer_each(self.accept)

    async def look(self) -> None:
        await super().look()
        for task in (self.task, self.second):
            assert task is None or not task.done(), task

    async def end(self) -> None:
        await self.kill()
        self.second_transport.die()
        self.second.cancel()
        with suppress(asyncio.CancelledError):
            await self.second


@pytest.mark.parametrize("seed", [0, 2, 17])
async def test_two_senders_bring_everybody_to_exactly_one_outcome(
    installation: Installation, seed: int
) -> None:
    chance = random.Random(seed)
    ids = await installation.subscribe(chance.choice((30, 130, 400)))
    message = await installation.add_message(ttl=TTL)
    await start_due(installation, step=50)
    play = PlayOfTwo(installation, seed, ids, message.id)
    play.launch_second()
    try:
        for what in chance.choices(HAPPENINGS, k=14):
            await play.happen(what)
        await play.heal()
        await play.check_the_end()
    finally:
        await play.end()
