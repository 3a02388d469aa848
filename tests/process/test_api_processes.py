"""Several processes answer on one port: `GATEWAY_API_PROCESSES`."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.eventually import eventually

TOKEN = "an-admin-token-preset-for-this-test"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Running:
    process: asyncio.subprocess.Process
    url: str
    log: Path

    def entries(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [each for each in map(json.loads, lines) if each["event"] == event]

    async def ask(self, path: str) -> tuple[int, str]:
        """On a connection of its own: any of the processes may answer."""
        async with aiohttp.ClientSession(headers=ADMIN) as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


def environment(folder: Path, port: int, **settings: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_PORT": str(port),
        "GATEWAY_API_PROCESSES": "2",
        "GATEWAY_SENDERS": "0",
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "GATEWAY_LOG_FORMAT": "json",
        **settings,
    }


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Running]:
    port, log = free_port(), folder / "log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env=environment(folder, port, **settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    gateway = Running(process, f"http://127.0.0.1:{port}", log)
    try:
        await eventually(lambda: gateway.entries("gateway.ready") and gateway.entries("api.ready"), within=30)
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_one_of_two_is_killed_and_the_other_goes_on_until_its_place_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        (first,) = gateway.entries("api.ready")
        os.kill(first["pid"], signal.SIGKILL)
        await eventually(lambda: gateway.entries("api.died"))
        for _ in range(20):
            assert (await gateway.ask("/readyz"))[0] == 200
        await eventually(lambda: len(gateway.entries("api.ready")) == 2, within=30)
        second = gateway.entries("api.ready")[1]
        assert second["owner"] != first["owner"]
        for _ in range(20):
            assert (await gateway.ask("/readyz"))[0] == 200
        assert await gateway.stop() == 0
        (stopped,) = gateway.entries("api.stopped")
        assert stopped["owner"] == second["owner"]
        assert [each["event"] for each in map(json.loads, gateway.log.read_text().splitlines())][-1] == (
            "gateway.stopped"
        )


async def test_metrics_are_the_same_whichever_process_is_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        child = gateway.entries("api.ready")[0]["owner"]
        parent = child.partition(".")[0]

        async def both() -> bool:
            text = (await gateway.ask("/metrics"))[1]
            assert "\ngateway_requests_in_progress " not in text  # nobody's own without a name
            found = re.findall(r'^gateway_requests_in_progress\{process="([^"]+)"\}', text, re.MULTILINE)
            return set(found) == {parent, child}

        await eventually(both)
        for _ in range(20):
            assert await both()
        assert await gateway.stop() == 0


async def test_every_process_says_how_it_is_to_whoever_watches_and_is_forgotten_when_it_stops(
    tmp_path: Path,
) -> None:
    def roles() -> set[str]:
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
            found = database.execute("select role, facts from vitals").fetchall()
        assert all(json.loads(facts)["limit"] > 0 for _, facts in found)
        return {role for role, _ in found}

    async with running(tmp_path, GATEWAY_SENDERS="1") as gateway:
        await eventually(lambda: roles() == {"serve", "api", "send"}, within=30)
        assert await gateway.stop() == 0
        assert roles() == set()


async def test_a_port_that_another_gateway_shares_between_its_processes_is_taken(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env=environment(tmp_path / "other", port),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(second.communicate(), 30)
        assert second.returncode == 1
        assert f"Cannot listen on 127.0.0.1 port {port}" in said.decode()
        assert await gateway.stop() == 0


async def test_without_a_parent_nobody_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        gateway.process.kill()
        await gateway.process.wait()
        await eventually(lambda: gateway.entries("api.stopping"), within=30)

        async def is_over() -> bool:
            try:
                await gateway.ask("/healthz")
            except aiohttp.ClientConnectionError:
                return True
            return False

        await eventually(is_over, within=30)
