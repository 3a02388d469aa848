"""A message that fails too much is judged by what all gateways on a database recorded, and paused once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.scheduler.stager import Stager
from storage import stages
from storage.database import Body, Database
from storage.deliveries import Outcome
from storage.messages import Message, MessageState
from storage.opening import open_database
from tests.unit.installation import Installation
from tests.unit.scheduler.test_stages import known, move, send_due, sending, state

RULE = {"failure_rate": 0.2, "least": 300}


@pytest.fixture
async def other(installation: Installation, database_url: str) -> AsyncIterator[Installation]:
    """Another gateway on the same database."""
    database = await open_database(database_url, migrate=False, write_pause=0)
    yield on(installation, database)
    await database.close()


def on(installation: Installation, database: Database) -> Installation:
    return replace(installation, context=replace(installation.context, database=database))


async def failing(installation: Installation) -> Message:
    """A message in two batches of 200."""
    await installation.subscribe(200)
    await installation.subscribe(200, "mozilla")
    return await sending(installation, auto_pause=RULE)


async def send_batch(installation: Installation, outcome: Outcome = Outcome.REJECTED) -> None:
    await send_due(installation, lambda _: outcome, most=1)


async def test_the_failures_of_two_gateways_count_together_and_pause_a_message_once(
    installation: Installation, other: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    message = await failing(installation)
    await send_batch(installation)
    stagers = [Stager(each.context) for each in (installation, other)]
    await asyncio.gather(*(stager.step() for stager in stagers))
    assert (await state(installation, message))[0] is MessageState.SENDING

    installation.clock.advance(1)
    await send_batch(other)
    await asyncio.gather(*(stager.step() for stager in stagers))
    reason = "paused by itself: 100 % of the last 400 answers are failures, 20 % is too many"
    assert await state(installation, message) == (MessageState.PAUSED, reason)
    assert [record.msg for record in caplog.records if record.msg == "message.paused"] == ["message.paused"]

    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    for _ in range(2):
        installation.clock.advance(5)
        await asyncio.gather(*(stager.step() for stager in stagers))
    assert (await state(installation, message))[0] is MessageState.SENDING


class StandingStill:
    """A database whose user stands still before it writes, as with SIGSTOP, until the test says so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stands = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def read(self, body: Body[Any]) -> Any:
        return await self._database.read(body)

    async def write(self, body: Body[Any]) -> Any:
        self.stands.set()
        await self.goes_on.wait()
        return await self._database.write(body)


async def test_one_that_stood_still_does_not_pause_anew_what_was_judged_and_resumed_meanwhile(
    installation: Installation, other: Installation
) -> None:
    message = await failing(installation)
    await send_batch(installation)
    await send_batch(installation)
    database = StandingStill(other.database)
    late = asyncio.create_task(Stager(on(other, cast(Database, database)).context).step())
    await database.stands.wait()

    await Stager(installation.context).step()
    assert (await state(installation, message))[0] is MessageState.PAUSED
    await move(installation, message, MessageState.PAUSED, MessageState.SENDING)
    database.goes_on.set()
    await late
    assert (await state(installation, message))[0] is MessageState.SENDING


async def test_one_that_stood_still_does_not_take_back_what_was_judged_meanwhile(
    installation: Installation, other: Installation
) -> None:
    message = await failing(installation)
    for _ in range(2):
        await send_batch(installation, Outcome.ACCEPTED)
    database = StandingStill(other.database)
    late = asyncio.create_task(Stager(on(other, cast(Database, database)).context).step())
    await database.stands.wait()
    ahead = replace(await known(installation, message), answers=1_000, failures=10)
    await installation.database.write(lambda tx: stages.note(tx, [ahead]))
    database.goes_on.set()
    await late
    noted = await known(installation, message)
    assert (noted.answers, noted.failures) == (1_000, 10)
