"""The senders that are compared and run on our own Python. Each runs in processes of its own and says what it
used of the machine. loadtest.outside has those that bring an environment of their own.
"""

import asyncio
import os
import random
import resource
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import uvloop
from py_vapid import Vapid
from pywebpush import webpush_async

from gateway.context import Context
from gateway.delivery.flight import Flight, Member
from gateway.delivery.limits import SenderLimits
from gateway.delivery.request import Posted
from gateway.delivery.sender import run_sender
from gateway.webpush import (
    CurlTransport,
    OnReply,
    ProxySettings,
    PushHosts,
    PushRequest,
    Reply,
    Transport,
    encode_base64url,
)
from loadtest.audience import make_browsers, open_context, progress_of

LOOK_EVERY = 0.05  # seconds between looks at the progress
CONCURRENT = 100  # pushes at a time of pywebpush and node
TEXT = "x" * 300
TTL = 86_400
CONTACT = "mailto:ops@bench.example"


@dataclass(frozen=True, slots=True)
class Used:
    """Of one process: CPU seconds (user, system, all threads), began and ended (time.time), bytes at most."""

    cpu: float
    began: float
    ended: float
    peak_memory: int


@dataclass(frozen=True, slots=True)
class Audience:
    """A frozen message: where its database is, which push hosts it may go to, its id."""

    folder: Path
    hosts: str
    message_id: int
    database_url: str = ""


def measured(work: Callable[[], Coroutine[Any, Any, None]]) -> Used:
    """Run `work` on uvloop. Imports and start-up of the process are not counted."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(cpu, began, time.time(), peak_memory())


def peak_memory() -> int:
    """Bytes. Not `ru_maxrss` where it can be helped: on Linux that begins with the parent's."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def run_gateway(audience: Audience, ca_file: Path) -> Used:
    """One sender process, from the first claim until nothing of the message remains."""

    async def work() -> None:
        async with _opened(audience) as context:
            transport = CurlTransport(ca_file=ca_file, proxy=ProxySettings())
            await _send(context, transport, audience.message_id, SenderLimits())

    return measured(work)


def run_gateway_without_pushing(audience: Audience) -> Used:
    """The same, but nothing is rendered, encrypted or POSTed: claim, read, classify and record alone."""

    async def work() -> None:
        async with _opened(audience) as context:
            limits = SenderLimits(in_flight=8_000, read_ahead=8_000)  # no push waits: commits are the way
            with mock.patch("gateway.delivery.sender.RequestMaker", NullRequestMaker):
                await _send(context, NullTransport(), audience.message_id, limits)

    return measured(work)


async def _send(context: Context, transport: Transport, message_id: int, limits: SenderLimits) -> None:
    stop, owner = asyncio.Event(), f"bench-{os.getpid()}"
    sending = asyncio.create_task(
        run_sender(context, transport, stop, owner=owner, limits=limits, random=random.random), name="sender"
    )
    while await _unfinished(context, message_id) and not sending.done():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY)
    stop.set()
    await sending


async def _unfinished(context: Context, message_id: int) -> int:
    progress = await progress_of(context, message_id)
    return progress.remaining + progress.retrying


def _opened(audience: Audience) -> Any:
    return open_context(audience.folder, audience.hosts, audience.database_url)


class NullRequestMaker:
    """In the place of gateway.delivery.request.RequestMaker."""

    def __init__(self, hosts: PushHosts, *_others: object) -> None:
        self._hosts = hosts

    def make(self, _flight: Flight, member: Member, context: Posted) -> PushRequest:
        return PushRequest(member[2], self._hosts.origin(member[2]), [], b"", context)


class NullTransport:
    """A gateway.webpush.Transport that is told 201 for everything in the next turn of the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._posted: list[tuple[PushRequest, OnReply]] = []

    @property
    def in_flight(self) -> int:
        return len(self._posted)

    def post(self, request: PushRequest, on_reply: OnReply) -> None:
        if not self._posted:
            self._loop.call_soon(self._reply)
        self._posted.append((request, on_reply))

    async def drain(self, timeout: float) -> bool:
        async with asyncio.timeout(timeout):
            await asyncio.sleep(0)
        return not self._posted

    def close(self) -> None:
        self._reply()

    def _reply(self) -> None:
        posted, self._posted = self._posted, []
        for request, on_reply in posted:
            on_reply(request, Reply(201))


def run_pywebpush(url: str, ca_file: Path, count: int) -> Used:
    """pywebpush's `webpush_async` with one shared session, CONCURRENT pushes at a time."""
    subscriptions = [
        {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}}
        for endpoint, p256dh, auth in make_subscriptions(url, count)
    ]
    key = Vapid()
    key.generate_keys()

    async def work() -> None:
        waiting = iter(subscriptions)
        context = ssl.create_default_context(cafile=str(ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENT)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def send_some() -> None:
                for subscription in waiting:
                    await webpush_async(
                        subscription, TEXT, key, {"sub": CONTACT}, ttl=TTL, aiohttp_session=session
                    )

            workers: list[Awaitable[None]] = [send_some() for _ in range(CONCURRENT)]
            await asyncio.gather(*workers)

    return measured(work)


def make_subscriptions(url: str, count: int) -> list[tuple[str, str, str]]:
    """`count` times endpoint, p256dh and auth, as browsers hand them out."""
    return [
        (f"{url}/wp/{number:024x}", encode_base64url(browser.p256dh), encode_base64url(browser.auth))
        for number, browser in enumerate(make_browsers(count))
    ]
