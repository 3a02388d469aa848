"""What browsers report is learnt when the wave is over, or when it has lasted too long."""

import pytest

from gateway.scheduler import learner
from gateway.scheduler.learner import Learner
from storage import events, habits
from storage.events import Event, EventKind
from tests.unit.installation import Installation


async def report(installation: Installation, message_id: int, count: int) -> None:
    reported = [
        Event(installation.site.id, message_id, id, 0, EventKind.DISPLAYED, None, installation.clock.now())
        for id in await installation.subscribe(count)
    ]
    await installation.database.write(lambda tx: events.record(tx, reported))


async def waiting(installation: Installation) -> int:
    return len(await installation.database.read(lambda tx: habits.waiting(tx, 10_000)))


async def test_while_a_wave_comes_in_its_looks_wait_but_not_for_ever(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "AT_ONCE", 10)
    monkeypatch.setattr(learner, "WAVE", 2)
    job = Learner(installation.context)
    await report(installation, 1, 5)
    await job.step()
    assert await waiting(installation) == 0
    for message_id in range(2, 8):
        await report(installation, message_id, 20)
        installation.clock.advance(5)
        await report(installation, message_id + 10, 5)
        await job.step()
        assert await waiting(installation) == (25 * (message_id - 1) if message_id < 7 else 0), message_id


async def test_when_the_wave_is_over_all_is_learnt(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "AT_ONCE", 10)
    monkeypatch.setattr(learner, "WAVE", 2)
    monkeypatch.setattr(learner, "MOST_WAITING", 60)
    job = Learner(installation.context)
    await report(installation, 1, 5)
    await job.step()
    await report(installation, 2, 5)
    await job.step()
    for message_id, left in ((3, 25), (4, 50), (5, 0)):  # too many wait
        installation.clock.advance(5)
        await report(installation, message_id, 25)
        await job.step()
        assert await waiting(installation) == left
    installation.clock.advance(5)
    await report(installation, 6, 25)
    await job.step()
    assert await waiting(installation) == 25
    installation.clock.advance(5)
    assert await job.step() is False
    assert await waiting(installation) == 0
