"""`python -m gateway serve` as its operator runs it: started, spoken to through its API, ended in any way."""

import asyncio
import os
import secrets
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.chaos import processes
from loadtest.chaos.processes import MARK, Process

READY_WITHIN = 60.0  # seconds: two cores are shared with whatever else runs
STOP_WITHIN = 40.0  # seconds
REFUSED_TO_START = 1  # exit code, when the database is away, say
RESTART_AFTER = 0.5  # seconds


class Refused(Exception):
    """The gateway did not answer, or with a status that says: later."""


class Gateway:
    """One gateway on one machine: API, scheduler and its senders. May live several times."""

    def __init__(self, folder: Path, port: int, token: str, settings: Mapping[str, str]) -> None:
        self.mark = secrets.token_hex(8)
        self.senders = int(settings["GATEWAY_SENDERS"])
        self._folder = folder
        self._url = f"http://127.0.0.1:{port}"
        self._token = token
        self._environment = {
            "PATH": os.environ["PATH"],
            "GATEWAY_PORT": str(port),
            "GATEWAY_DATA_DIR": str(folder),
            "GATEWAY_ADMIN_TOKEN": token,
            "GATEWAY_LOG_FORMAT": "json",
            MARK: self.mark,
            **settings,
        }
        self.exits: list[int] = []  # codes, of each life
        self._process: asyncio.subprocess.Process | None = None
        self._kept: asyncio.Task[None] | None = None
        self._wanted = False
        self._session: aiohttp.ClientSession | None = None

    @property
    def log(self) -> Path:
        return self._folder.with_suffix(".log")

    @property
    def parent(self) -> int | None:
        """The process id of `serve`; None when it has ended."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    def processes(self) -> list[Process]:
        """All that live, those of an earlier life as well."""
        return processes.marked(self.mark)

    async def start(self) -> None:
        """Returns when it is ready. However it ends, short of `stop`, it is started again at once: by us, as
        by a service manager."""
        self._wanted = True
        self._kept = asyncio.create_task(self._keep(), name="chaos-gateway")
        await self.ready()

    async def ready(self) -> None:
        """Until it answers; RuntimeError with the end of its log when that takes too long."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._is_ready():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError as exc:
            raise RuntimeError(f"the gateway is not ready: {self.log.read_text()[-2_000:]}") from exc

    async def living(self) -> int:
        """The process id of `serve`, as soon as there is one."""
        async with asyncio.timeout(READY_WITHIN):
            while self.parent is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.parent

    async def stop(self, *, everybody: bool) -> int:
        """SIGTERM to the parent, or at once to its children as well; the exit code. Must be ready."""
        if self._kept is None:
            raise RuntimeError("the gateway was never started")
        self._wanted = False
        told = [each for each in self.processes() if everybody or each.pid == self.parent]
        processes.send_signal(told, signal.SIGTERM)
        await asyncio.wait_for(self._kept, STOP_WITHIN)
        return self.exits[-1]

    async def _keep(self) -> None:
        while self._wanted:
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "gateway", "serve"),
                    env=self._environment,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self.exits.append(await self._process.wait())
            if self.exits[-1] == REFUSED_TO_START:
                await asyncio.sleep(RESTART_AFTER)

    async def _is_ready(self) -> bool:
        try:
            await self.call("GET", "/readyz")
        except Refused:
            return False
        return True

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. Raises Refused; RuntimeError with any answer that should not be."""
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._token}"}
            timeout = aiohttp.ClientTimeout(total=15)
            self._session = aiohttp.ClientSession(self._url, headers=headers, timeout=timeout)
        try:
            async with self._session.request(method, path, json=body) as response:
                if response.ok:
                    return await response.json()
                if response.status == 503:
                    raise Refused
                raise RuntimeError(f"{method} {path}: {response.status} {await response.text()}")
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as exc:
            raise Refused from exc

    async def close(self) -> None:
        """Kill whatever is left of it."""
        self._wanted = False
        processes.send_signal(self.processes(), signal.SIGKILL)
        if self._kept is not None:
            await self._kept
        if self._session is not None:
            await self._session.close()
            self._session = None
