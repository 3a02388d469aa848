"""The drill: a lowered limit of open files, a blast whose browsers report back, and what is said of it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.unit.watch.low_limit_gateway import ADMIN_TOKEN

LIMIT = 128
HEAD = (
    b"POST /v1/public/events HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\n["
)


async def slow_browser(port: int) -> asyncio.StreamWriter:
    """Begins a report and does not get on with it: neither idle, so that it could make room, nor done."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    return writer


async def alerts(port: int) -> Sequence[Any]:
    async with (
        ClientSession(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as session,
        session.get(f"http://127.0.0.1:{port}/v1/alerts?state=all") as response,
    ):
        return list((await response.json())["items"]) if response.status == 200 else []


async def test_a_lowered_limit_under_a_blast_raises_an_alert_that_names_open_files(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.watch.low_limit_gateway", str(LIMIT), str(tmp_path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 30))
        assert await alerts(port) == []
        began_at = time.time()
        browsers: list[asyncio.StreamWriter] = []
        found: Sequence[Any] = []
        async with asyncio.timeout(60):
            while not found:
                browsers += await asyncio.gather(*(slow_browser(port) for _ in range(LIMIT)))
                await asyncio.sleep(0.4)  # two looks
                for browser in browsers:
                    browser.close()
                browsers.clear()
                found = await alerts(port)
        [alert] = found
        assert (alert["name"], alert["severity"], alert["site"]) == ("open_files", "critical", None)
        assert alert["summary"].startswith("Open files ran out: process ")
        assert f"of {LIMIT} open files" in alert["summary"]
        assert "limit of open files" in alert["look_at"][0]
        assert alert["runbook"] == "open_files"
        assert datetime.fromisoformat(alert["raised_at"]).timestamp() - began_at < 60
    finally:
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
