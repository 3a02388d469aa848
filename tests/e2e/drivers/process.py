"""Child processes that cannot outlive the tests: each leads a process group of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path


class Process:
    """A running command; what it writes goes to `log_file`."""

    def __init__(self, child: asyncio.subprocess.Process, log_file: Path) -> None:
        self._child = child
        self.log_file = log_file

    @classmethod
    async def start(cls, *command: str, env: Mapping[str, str], log_file: Path) -> "Process":
        if shutil.which("setpriv"):  # of util-linux: should the tests themselves be killed
            command = ("setpriv", "--pdeathsig", "KILL", *command)
        with log_file.open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *command,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(child, log_file)

    @property
    def pid(self) -> int:
        return self._child.pid

    def check_running(self) -> None:
        """RuntimeError with the end of the log when it has exited: nothing to wait for any more."""
        if self._child.returncode is not None:
            raise RuntimeError(f"exited with status {self._child.returncode}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    async def stop(self, signal_number: int | None = signal.SIGTERM, within: float = 10.0) -> int | None:
        """Signal it (None: it was told otherwise), wait, then kill what is left of its group.

        Returns the exit status; None when it had to be killed.
        """
        if signal_number is not None and self._child.returncode is None:
            self._child.send_signal(signal_number)
        status: int | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                status = await self._child.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()
        return status
