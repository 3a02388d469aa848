import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.supervise import Patience, Supervisor
from tests.eventually import eventually

QUICK = Patience(first_pause=0.01, longest_pause=0.05, healthy_after=60, stop=5)


@dataclass
class Family:
    folder: Path
    mode: str = "good"
    dead: list[str] = field(default_factory=list)

    def command(self, pipe: int, owner: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "tests.unit.supervised_child",
            str(pipe),
            owner,
            str(self.folder),
            self.mode,
        ]

    async def on_death(self, owner: str) -> None:
        self.dead.append(owner)

    def children(self) -> dict[str, int]:
        """Owner → process id of all that ever came up."""
        notes = [each for each in self.folder.iterdir() if not each.suffix]
        return {each.name: int(each.read_text().split()[0]) for each in notes}

    def fate(self, owner: str) -> str:
        return (self.folder / owner).read_text().partition("\n")[2]

    @asynccontextmanager
    async def supervised(self, count: int, patience: Patience = QUICK) -> AsyncIterator[Supervisor]:
        supervisor = Supervisor(self.command, count, self.on_death, SystemClock(), patience)
        task = asyncio.create_task(supervisor.run())
        yield supervisor
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert supervisor.running == {}


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_that_the_system_cannot_start_is_tried_again(
    family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    commands = iter([["/nowhere/no-such-program"]])

    def command(pipe: int, owner: str) -> list[str]:
        return next(commands, None) or family.command(pipe, owner)

    supervisor = Supervisor(command, 1, family.on_death, SystemClock(), QUICK)
    task = asyncio.create_task(supervisor.run())
    await eventually(family.children)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "sender.not_started" in [each.message for each in caplog.records]
    assert supervisor.deaths == 0


async def test_a_killed_child_is_reported_by_its_owner_and_another_takes_its_place(family: Family) -> None:
    async with family.supervised(count=2) as supervisor:
        await eventually(lambda: len(family.children()) == 2)
        first = family.children()
        victim = min(first)
        os.kill(first[victim], signal.SIGKILL)
        await eventually(lambda: len(family.children()) == 3)
        assert family.dead == [victim]
        assert supervisor.deaths == 1
        assert victim not in supervisor.running
        assert set(supervisor.running.values()) == set(family.children().values()) - {first[victim]}
    assert family.dead == [victim]


async def test_children_stop_in_order_when_the_parent_stops(family: Family) -> None:
    async with family.supervised(count=2):
        await eventually(lambda: len(family.children()) == 2)
    assert [family.fate(owner) for owner in family.children()] == ["told to stop"] * 2
    assert not any(is_alive(child) for child in family.children().values())
    assert family.dead == []


async def test_a_child_that_does_not_stop_is_killed_and_reported(family: Family) -> None:
    family.mode = "stubborn"
    async with family.supervised(count=1, patience=Patience(stop=0.2)):
        await eventually(family.children)
    ((owner, child),) = family.children().items()
    assert not is_alive(child)
    assert family.dead == [owner]


async def test_a_child_that_dies_at_once_is_started_again_with_longer_and_longer_pauses(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    family.mode = "crashing"
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if sys._getframe(1).f_globals["__name__"] == "gateway.supervise":
            pauses.append(seconds)
            seconds = 0
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    async with family.supervised(count=1, patience=Patience(first_pause=1, longest_pause=5)):
        await eventually(lambda: len(pauses) >= 4)
    assert pauses[:4] == [1, 2, 4, 5]
    assert len(set(family.dead)) == len(family.dead) >= 4


async def test_a_failing_report_does_not_end_the_supervision(family: Family) -> None:
    async def failing(owner: str) -> None:
        family.dead.append(owner)
        raise OSError("the database is away")

    family.on_death = failing  # type: ignore[method-assign]
    async with family.supervised(count=1):
        await eventually(family.children)
        ((owner, child),) = family.children().items()
        os.kill(child, signal.SIGKILL)
        await eventually(lambda: len(family.children()) == 2)
        assert family.dead == [owner]


async def test_children_leave_the_processor_to_the_parent(family: Family) -> None:
    async with family.supervised(count=1):
        ((_, child),) = (await eventually(family.children)).items()
        assert os.getpriority(os.PRIO_PROCESS, child) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)


async def test_a_child_exits_when_its_parent_is_killed(family: Family) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.supervising_parent", str(family.folder)
    )
    ((first, child),) = (await eventually(family.children)).items()
    os.kill(child, signal.SIGKILL)  # this parent runs on uvloop, which has its own way with processes
    await eventually(lambda: len(family.children()) == 2)
    ((owner, child),) = ((owner, child) for owner, child in family.children().items() if owner != first)
    parent.kill()
    await parent.wait()
    await eventually(lambda: family.fate(owner) == "parent gone")
    await eventually(lambda: not is_alive(child))


async def test_without_children_there_is_nothing_to_wait_for(family: Family) -> None:
    await Supervisor(family.command, 0, family.on_death, SystemClock()).run()
