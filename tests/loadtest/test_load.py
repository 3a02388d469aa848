"""Each load test once, small: that they still run against the gateway of today, and pass."""

import asyncio
import sys
from pathlib import Path

import pytest

from loadtest.sink import find_nginx

ROOT = Path(__file__).parents[2]


async def run(module: str, *arguments: str) -> str:
    """What it printed; AssertionError unless it passed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"loadtest.{module}", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_visitors_a_back_end_and_an_admin_find_no_error() -> None:
    output = await run("load", "--seconds", "3", "--visitors", "5", "--subscribers", "150")
    assert "passed: no errors" in output
    for kind in ("subscribe", "send to one", "send to all", "accept → POST"):
        assert f"| {kind} |" in output


async def test_nobody_is_missing_after_a_crowd_at_a_low_limit() -> None:
    if find_nginx() is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    crowd = ("--connections", "150", "--beacons", "50", "--open-files", "160")
    output = await run("openfiles", *crowd, "--linger", "1", "--spread", "1", "--retry-after", "0.5")
    assert "passed: nobody is missing" in output
