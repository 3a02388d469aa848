"""Child processes, senders and API processes: started, watched and started again by their parent, and never
outliving it.

A child inherits the reading end of a pipe whose writing end only the parent has. However the parent ends,
kill -9 included, the system closes that end, and the child reads the end of the file.
"""

import asyncio
import os
import secrets
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.logs import Log

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, a supervisor waits for what."""

    first_pause: float = 0.5  # before the first restart; doubled with each death that follows soon
    longest_pause: float = 30.0
    healthy_after: float = 60.0  # a child that lived this long starts from the first pause again
    stop: float = 15.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Child:
    """What is the same of all children of a supervisor."""

    kind: str  # in the log: `sender.died`
    owners: str  # how their owners begin
    nicer: int  # than the parent


# Senders leave the processor to the API, whose latency people feel.
SENDER = Child("sender", "sender", nicer=5)


class Supervisor:
    """Keeps `count` children alive.

    `command(pipe, owner)` is the program to run; it must call `exit_on_parent_death(pipe, …)`. Each child
    gets a fresh `owner`, under which it leases batches. `on_death(owner)` is awaited when one died on its own
    or had to be killed, so that its leases can be released; a failure of it is logged, no more, because
    leases run out by themselves.
    """

    def __init__(
        self,
        command: Callable[[int, str], Sequence[str]],
        count: int,
        on_death: Callable[[str], Awaitable[None]],
        clock: Clock,
        patience: Patience | None = None,
        child: Child = SENDER,
    ) -> None:
        self._child = child
        self._command = command
        self._count = count
        self._on_death = on_death
        self._clock = clock
        self._patience = patience or Patience()
        self.running: dict[str, int] = {}  # owner → process id
        self.deaths = 0

    async def run(self) -> None:
        """Until cancelled: then children get SIGTERM, time to stop, SIGKILL. With no children it returns."""
        read_end, write_end = os.pipe()
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._count):
                    tasks.create_task(self._keep_one(number, read_end), name=f"{self._child.kind}-{number}")
        finally:
            os.close(read_end)
            os.close(write_end)

    async def _keep_one(self, number: int, pipe: int) -> None:
        pause = self._patience.first_pause
        while True:
            owner = f"{self._child.owners}-{number}-{secrets.token_hex(8)}"
            started_at = self._clock.monotonic()
            await self._live_and_die(owner, pipe)
            if self._clock.monotonic() - started_at >= self._patience.healthy_after:
                pause = self._patience.first_pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._patience.longest_pause)

    async def _live_and_die(self, owner: str, pipe: int) -> None:
        """One child from start to death. Cancelled: stop it first."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(pipe, owner),
                stdin=DEVNULL,
                pass_fds=(pipe,),
                start_new_session=True,  # Ctrl-C is for the parent, which stops the children in order
            )
        except OSError as exc:  # no memory, process or descriptor to spare: no reason to end the API as well
            hint = "Free memory, or raise the limits of processes and open files; it is tried again."
            log.error(f"{self._child.kind}.not_started", owner=owner, hint=hint, cause=exc)
            return
        self.running[owner] = process.pid
        with suppress(ProcessLookupError):
            nice = os.getpriority(os.PRIO_PROCESS, 0) + self._child.nicer
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        log.info(f"{self._child.kind}.started", owner=owner, child=process.pid)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await self._stop(process, owner)
            raise
        finally:
            del self.running[owner]
        self.deaths += 1
        log.error(f"{self._child.kind}.died", owner=owner, child=process.pid, code=code)
        await self._bury(owner)

    async def _stop(self, process: Process, owner: str) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._patience.stop):
                code = await process.wait()
        except TimeoutError:
            log.error(f"{self._child.kind}.killed", owner=owner, child=process.pid, after=self._patience.stop)
            with suppress(ProcessLookupError):
                process.kill()
            code = await process.wait()
        log.info(f"{self._child.kind}.stopped", owner=owner, child=process.pid, code=code)
        if code != 0:
            await self._bury(owner)

    async def _bury(self, owner: str) -> None:
        try:
            await self._on_death(owner)
        except Exception as exc:
            log.error(
                f"{self._child.kind}.leases_kept", owner=owner, hint="They run out by themselves.", cause=exc
            )


def exit_on_parent_death(pipe: int, stop: Callable[[], None]) -> None:
    """In the child, inside its event loop: call `stop` once, when the parent is gone."""
    loop = asyncio.get_running_loop()

    def end_of_file() -> None:
        loop.remove_reader(pipe)
        os.close(pipe)
        log.warning("parent.gone", hint="This process stops too.")
        stop()

    loop.add_reader(pipe, end_of_file)
