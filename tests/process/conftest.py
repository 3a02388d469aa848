"""The gateway as an operator types it: `python -m gateway …` in a data directory of its own."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

WITHIN = 60.0  # seconds: far more than any command takes; a hang must not hold the suite


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str


class CommandLine:
    """Runs commands with the same settings, one after another."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.settings = {"GATEWAY_DATA_DIR": str(data_dir), "GATEWAY_SENDERS": "1"}

    async def run(self, *arguments: str, **settings: str) -> Finished:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments),
            env={"PATH": os.environ["PATH"], **self.settings, **settings},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), err.decode())

    async def ok(self, *arguments: str, **settings: str) -> str:
        """What a command that must succeed printed."""
        done = await self.run(*arguments, **settings)
        assert done.code == 0, done.err
        return done.out


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "data")


@pytest.fixture
def another_data_dir(tmp_path: Path) -> Callable[[str], CommandLine]:
    return lambda name: CommandLine(tmp_path / name)
