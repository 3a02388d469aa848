"""The senders that are compared. Each runs in processes of its own and says what it used of the machine."""

import asyncio
import os
import resource
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from py_vapid import Vapid
from pywebpush import webpush_async

from gateway.delivery.sender import run_sender
from gateway.webpush import CurlTransport, ProxySettings, encode_base64url
from loadtest.audience import make_browsers, open_context, progress_of

LOOK_EVERY = 0.1  # seconds between looks at the progress
CONCURRENT = 100  # pushes at a time of pywebpush


@dataclass(frozen=True, slots=True)
class Used:
    """Of one process: CPU seconds (user, system, all threads), began and ended (time.time), bytes at most."""

    cpu: float
    began: float
    ended: float
    peak_memory: int


def measured(work: Callable[[], Coroutine[Any, Any, None]]) -> Used:
    """Run `work` on uvloop. Imports and start-up of the process are not counted."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(cpu, began, time.time(), after.ru_maxrss * 1024)


def run_gateway(folder: Path, hosts: str, ca_file: Path, message_id: int) -> Used:
    """One sender process, from the first claim until nothing of the message remains."""

    async def work() -> None:
        async with open_context(folder, hosts) as context:
            stop = asyncio.Event()
            transport = CurlTransport(ca_file=ca_file, proxy=ProxySettings())
            sending = asyncio.create_task(
                run_sender(context, transport, stop, owner=f"bench-{os.getpid()}"), name="sender"
            )
            while (await progress_of(context, message_id)).remaining and not sending.done():  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)
            stop.set()
            await sending

    return measured(work)


def run_pywebpush(url: str, ca_file: Path, count: int) -> Used:
    """pywebpush's `webpush_async` with one shared session, CONCURRENT pushes at a time."""
    subscriptions = [
        {
            "endpoint": f"{url}/wp/{number:024x}",
            "keys": {"p256dh": encode_base64url(browser.p256dh), "auth": encode_base64url(browser.auth)},
        }
        for number, browser in enumerate(make_browsers(count))
    ]
    key = Vapid()
    key.generate_keys()
    text = "x" * 300

    async def work() -> None:
        waiting = iter(subscriptions)
        context = ssl.create_default_context(cafile=str(ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENT)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def send_some() -> None:
                for subscription in waiting:
                    await webpush_async(
                        subscription,
                        text,
                        key,
                        {"sub": "mailto:ops@bench.example"},
                        ttl=86_400,
                        aiohttp_session=session,
                    )

            workers: list[Awaitable[None]] = [send_some() for _ in range(CONCURRENT)]
            await asyncio.gather(*workers)

    return measured(work)
