"""The gateway as its own process, as an operator runs it, and its HTTP API as an admin's program calls it."""

import asyncio
import os
import socket
import sqlite3
import sys
from asyncio.subprocess import DEVNULL
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.drivers.process import Process
from tests.eventually import eventually

ADMIN_TOKEN = "an-admin-token-preset-for-these-tests"


def free_port() -> int:
    """A loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gateway:
    """`python -m gateway serve` on SQLite in `directory`; `settings` are further environment variables."""

    def __init__(self, directory: Path, port: int, settings: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._directory = directory
        self._environment = {
            "PATH": os.environ["PATH"],
            "GATEWAY_PORT": str(port),
            "GATEWAY_DATA_DIR": str(directory / "data"),
            "GATEWAY_ADMIN_TOKEN": ADMIN_TOKEN,
            "GATEWAY_SENDERS": "1",
            **settings,
        }
        self._process: Process | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def log(self) -> str:
        return (self._directory / "gateway.log").read_text()

    async def start(self) -> None:
        """Returns when `/readyz` says so."""
        log_file = self._directory / "gateway.log"
        command = (sys.executable, "-m", "gateway", "serve")
        self._process = await Process.start(*command, env=self._environment, log_file=log_file)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        timeout = aiohttp.ClientTimeout(total=10)
        self._session = aiohttp.ClientSession(self.url, headers=headers, timeout=timeout)
        try:
            await eventually(self._is_ready, within=20)
        except BaseException:
            await self._end()
            raise

    async def stop(self) -> None:
        """SIGTERM; AssertionError unless it exits with 0."""
        assert self._process is not None
        status = await self._end()
        assert status == 0, f"exit status {status}:\n{self._process.log_tail()}"

    async def _end(self) -> int | None:
        assert self._session is not None
        assert self._process is not None
        await self._session.close()
        return await self._process.stop()

    async def command(self, *arguments: str) -> None:
        """Run `python -m gateway …` beside it, with its settings; AssertionError unless it exits with 0."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments), env=self._environment, stdout=DEVNULL
        )
        assert await asyncio.wait_for(process.wait(), 30) == 0

    async def let_a_day_pass(self) -> None:
        """For everybody who subscribed: the gateway's own clock is the system's, so their rows are moved."""

        def move() -> None:
            file = self._directory / "data" / "gateway.db"
            with closing(sqlite3.connect(file, timeout=10)) as database, database:
                database.execute("update subscriptions set seen_at = seen_at - 86400000")

        await asyncio.to_thread(move)

    async def get(self, path: str) -> Any:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any) -> Any:
        return await self.call("POST", path, json=body)

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """The JSON or text of a successful answer, None without content; AssertionError with any other."""
        assert self._session is not None
        async with self._session.request(method, path, **more) as response:
            text = await response.text()
            assert response.ok, f"{method} {path}: {response.status} {text}"
            if response.content_type == "application/json":
                return await response.json()
            return text or None

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._session is not None
        self._process.check_running()
        try:
            async with self._session.get("/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False
