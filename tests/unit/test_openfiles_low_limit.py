"""At a limit of 100 open files, in a process of its own: attempted = answered + 503, on both loops."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.eventually import eventually

LIMIT = 100


@dataclass
class Server:
    process: asyncio.subprocess.Process
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def counts(self) -> dict[str, int]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        out, _ = await asyncio.wait_for(self.process.communicate(), 20)
        counts: dict[str, int] = json.loads(out)
        return counts


@pytest.fixture(params=["uvloop", "asyncio"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.openfiles_server",
        request.param,
        str(LIMIT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await asyncio.wait_for(process.stdout.readline(), 20))
    yield Server(process, port)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def visit(server: Server, path: str, answers: Counter[str], stay: asyncio.Event | None = None) -> None:
    """Count the status of one request on a connection of its own, or how it failed; hang up when told."""
    try:
        reader, writer = await server.connect()
        try:
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".encode())
            answers[(await asyncio.wait_for(reader.readline(), 10)).split()[1].decode()] += 1
            if stay is not None:
                await stay.wait()
        finally:
            writer.close()
    except (ConnectionError, IndexError, TimeoutError) as exc:
        answers[type(exc).__name__] += 1


async def test_every_caller_of_a_surge_is_answered_and_counted(server: Server) -> None:
    answers: Counter[str] = Counter()
    await asyncio.gather(*(visit(server, "/slow", answers) for _ in range(400)))
    counts = await server.counts()
    assert set(answers) == {"200", "503"}
    assert counts["attempted"] == 400
    assert counts["accepted"] == answers["200"]
    assert counts["refused"] == answers["503"]
    assert answers["200"] >= 32
    assert counts["accept_failures"] == 0
    assert counts["most_open_files"] < LIMIT


def _answered(answers: Counter[str], wanted: int) -> bool:
    return answers.total() >= wanted


async def test_visitors_who_stay_idle_make_room_for_those_who_come(server: Server) -> None:
    stay = asyncio.Event()
    answers: Counter[str] = Counter()
    visitors: list[asyncio.Task[None]] = []
    for wave in range(1, 21):  # smaller than the budget: everybody there is idle when the next wave comes
        visitors += [asyncio.create_task(visit(server, "/", answers, stay)) for _ in range(15)]
        await eventually(partial(_answered, answers, 15 * wave))
    stay.set()
    await asyncio.gather(*visitors)
    counts = await server.counts()
    assert answers == {"200": 300}
    assert counts["attempted"] == counts["accepted"] == 300
    assert counts["shed_idle"] >= 200
    assert counts["most_open_files"] < LIMIT
