"""One message that fails stops no other: it is told of once, passed over, and tried again after a minute."""

from typing import Any

import pytest

from gateway.metrics import Metrics
from gateway.scheduler import freezer, starter
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from storage.messages import Message, MessageState
from storage.queries import Query
from tests.unit.installation import Installation


async def set_rules(installation: Installation, message: Message, rules: str) -> None:
    text = f"update messages set rules = '{rules}' where id = {message.id}"
    await installation.database.write(lambda tx: tx.execute(Query("test.set_rules", text, text)))


async def run(step: Any) -> None:
    """Until there is nothing left to do."""
    for _ in range(10):
        if not await step():
            return
    raise AssertionError("it goes round and round")


def told(caplog: pytest.LogCaptureFixture) -> list[int]:
    """The messages that were told of."""
    return [
        record.__dict__["fields"]["message_id"] for record in caplog.records if record.msg == "message.failed"
    ]


async def test_a_message_that_cannot_be_started_stops_no_other(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(2)
    broken, sound = [await installation.add_message() for _ in "ab"]
    await set_rules(installation, broken, '{"of":"a newer release"}')
    starting = Starter(installation.context, Metrics())

    for _ in range(3):
        await run(starting.step)

    assert (await installation.message(sound.id)).state is MessageState.SENDING
    assert (await installation.message(broken.id)).state is MessageState.SCHEDULED
    assert told(caplog) == [broken.id]

    await set_rules(installation, broken, "{}")
    installation.clock.advance(60)
    await run(starting.step)
    assert (await installation.message(broken.id)).state is MessageState.SENDING


async def test_a_message_that_cannot_be_frozen_stops_no_other(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(2)
    broken, sound = [await installation.add_message() for _ in "ab"]
    await run(Starter(installation.context, Metrics()).step)
    await set_rules(installation, broken, '{"best_hour":{}}')
    freezing = Freezer(installation.context, Metrics())

    for _ in range(3):
        await run(freezing.step)

    assert (await installation.message(sound.id)).audience == 2
    assert (await installation.message(broken.id)).audience is None
    assert told(caplog) == [broken.id]

    await set_rules(installation, broken, "{}")
    installation.clock.advance(60)
    await run(freezing.step)
    assert (await installation.message(broken.id)).audience == 2


async def test_more_that_fail_than_one_look_finds_stop_no_other(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "AT_ONCE", 3)
    monkeypatch.setattr(freezer, "LOOK_AT", 3)
    await installation.subscribe(2)
    broken = [await installation.add_message() for _ in range(6)]
    installation.clock.advance(1)
    sound = await installation.add_message()
    for message in broken[:3]:
        await set_rules(installation, message, '{"of":"a newer release"}')
    starting = Starter(installation.context, Metrics())
    for _ in range(3):
        await starting.step()
    assert (await installation.message(sound.id)).state is MessageState.SENDING

    for message in broken[3:]:
        await set_rules(installation, message, '{"of":"a newer release"}')
    freezing = Freezer(installation.context, Metrics())
    for _ in range(5):
        await freezing.step()
    assert (await installation.message(sound.id)).audience == 2
