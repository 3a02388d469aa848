"""Many browsers at once: is anything lost when ten thousand connections meet a limit of 1,024 open files?

    python -m loadtest.openfiles [--connections N] [--beacons N] [--open-files N] [--write]

Starts a gateway with that hard limit. Silent, idle and slow callers come in waves, and through them come the
beacons of a blast, each on a connection of its own, and visitors who subscribe. Whoever is refused tries
again after Retry-After, as the worker's store does. In the end nobody may be missing.
"""

import argparse
import asyncio
import datetime
import json
import random
import resource
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from gateway.master_key import MasterKey
from gateway.tokens import EVENT_TOKENS, issue_event_token
from gateway.webpush.keys import encode_base64url
from loadtest.audience import MASTER_KEY, Browser, make_browsers, open_context
from loadtest.crowd import Door, End, crowd
from loadtest.filling import FilledSite, add_site
from loadtest.gateway_process import ADMIN_TOKEN, Gateway, running_gateway
from loadtest.probes import percentile
from loadtest.sink import Sink, find_nginx, running_nginx
from loadtest.summary import faults
from storage.ids import Kind, decode_id

RESULTS = Path(__file__).parent / "RESULTS.md"
GIVE_UP = 120.0  # seconds after which a beacon or a subscriber counts as failed
WAVE = 1_000
WAVE_PAUSE = 1.0
SUBSCRIBERS = 100
ADMIN = f"Authorization: Bearer {ADMIN_TOKEN}"
COUNTED = tuple(f"gateway_connections_{what}" for what in ("attempted", "accepted", "refused"))
OF_INTEREST = ("gateway_connections", "gateway_open_files", "gateway_accept_failures")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    spread: float  # over which workers spread their reports of a display
    linger: float  # that a silent, idle or slow caller stays if it is let
    retry_after: float  # about, between two tries of somebody who was refused


@dataclass(slots=True)
class Arrivals:
    """Requests that are repeated until they are answered; seconds from the first try to the answer."""

    taken: list[float] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)  # by status
    failed: int = 0

    def __str__(self) -> str:
        p50, p99 = percentile(self.taken, 0.5), percentile(self.taken, 0.99)
        tries = ", ".join(f"{count} x {status or 'lost'}" for status, count in sorted(self.tries.items()))
        return f"{len(self.taken)} arrived (p50 {p50:.2f} s, p99 {p99:.1f} s), {self.failed} never; {tries}"


async def admin(door: Door, method: str, path: str, body: object = None) -> dict[str, object]:
    """The JSON of an answer; a refusal is tried again."""
    text = b"" if body is None else json.dumps(body).encode()
    for _ in range(30):
        status, answer = await door.ask(method, path, text, ADMIN, content_type="application/json")
        if status in (200, 202):
            found: dict[str, object] = json.loads(answer)
            return found
        await asyncio.sleep(1)
    raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")


@dataclass(frozen=True, slots=True)
class Story:
    """What happened."""

    door: Door
    beacons: Arrivals
    subscribers: Arrivals
    answered_midway: int
    displayed_midway: int
    displayed: int
    wanted: int
    metrics: Mapping[str, float]
    most_open_files: float

    def problems(self) -> list[str]:
        """Sentences; none is a pass."""
        ends, found = self.door.ends, []
        if ends[End.LOST] or ends[End.UNCONNECTED]:
            found.append(f"{ends[End.LOST]} requests without an answer, {ends[End.UNCONNECTED]} unconnected")
        if self.displayed_midway < self.answered_midway:
            found.append(f"{self.answered_midway} answered 204, {self.displayed_midway} counted at that time")
        if self.displayed != self.wanted or self.beacons.failed:
            found.append(f"{self.wanted} displays, {self.displayed} counted, {self.beacons.failed} gave up")
        if self.subscribers.failed:
            found.append(f"{self.subscribers.failed} visitors could not subscribe")
        if self.attempted != self.door.attempted or self.attempted != self.accepted + self.refused:
            found.append(f"{self.door.attempted} connections, the gateway knows of {self.attempted}")
        return found

    @property
    def attempted(self) -> int:
        return int(self.metrics["gateway_connections_attempted_total"])

    @property
    def accepted(self) -> int:
        return int(self.metrics["gateway_connections_accepted_total"])

    @property
    def refused(self) -> int:
        return int(self.metrics['gateway_connections_refused_total{reason="over_budget"}'])

    def __str__(self) -> str:
        ends = "; ".join(f"{count:,} {end}" for end, count in self.door.ends.most_common())
        lines = [
            f"- connections attempted: {self.door.attempted:,} = {ends}",
            f"- the gateway counted: {self.attempted:,} attempted = {self.accepted:,} accepted "
            f"+ {self.refused:,} refused; most files open: {self.most_open_files:.0f}",
            f"- displays: {self.beacons}; {self.displayed:,} counted of {self.wanted:,}",
            f"- of the first {self.answered_midway:,} answered 204, {self.displayed_midway:,} were counted "
            "in the middle of it",
            f"- visitors subscribing: {self.subscribers}",
        ]
        samples = [f"{name} {value:.0f}" for name, value in self.metrics.items() if is_of_interest(name)]
        return "\n".join([*lines, "", "```", *samples, "```"])


def is_of_interest(name: str) -> bool:
    return name.startswith(OF_INTEREST) and "created" not in name


async def watch_files(gateway: Gateway) -> float:
    """Until cancelled: the most open files that the gateway was seen with."""
    most = 0.0
    try:
        while True:
            found = await asyncio.to_thread(gateway.metrics)
            most = max(most, found["gateway_open_files"])
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        return most


class Blast:
    """A message that everybody got, and its displays as they come back through the crowd."""

    def __init__(self, door: Door, site: FilledSite, message: str, endpoints: str, pace: Pace) -> None:
        self.door = door
        self._pace = pace
        self.beacons = Arrivals()
        self.subscribers = Arrivals()
        self._site = site
        self._endpoints = endpoints
        self._path = f"{site.path}/messages/{message}"
        self._message_id = decode_id(Kind.MESSAGE, message)
        self._key = MasterKey(MASTER_KEY).derive(EVENT_TOKENS, site.id)

    async def sent(self) -> None:
        """Returns when everybody got it."""
        while (await admin(self.door, "GET", self._path))["state"] != "sent":  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.5)

    async def displayed(self) -> int:
        """How many displays the gateway has counted."""
        results = (await admin(self.door, "GET", self._path))["results"]
        if not isinstance(results, dict):
            raise TypeError("a message's results are an object")
        return int(results["displayed"])

    async def display(self, subscription_id: int) -> None:
        await asyncio.sleep(random.uniform(0, self._pace.spread))
        now = time.time_ns() // 1_000_000
        token = issue_event_token(self._key, self._site.id, self._message_id, subscription_id, 0, now)
        report = {"token": token, "kind": "displayed"}
        await self._persist(self.beacons, 204, "/v1/public/events", report)

    async def subscribe(self, browser: Browser) -> None:
        await asyncio.sleep(random.uniform(0, self._pace.spread))
        keys = {"p256dh": encode_base64url(browser.p256dh), "auth": encode_base64url(browser.auth)}
        endpoint = f"{self._endpoints}/wp/{secrets.token_hex(16)}"
        body = {"subscription": {"endpoint": endpoint, "keys": keys}}
        path = f"/v1/public/{self._site.text_id}/subscriptions"
        await self._persist(self.subscribers, 201, path, body)

    async def _persist(self, arrivals: Arrivals, expected: int, path: str, body: object) -> None:
        """Ask until it is answered as expected, waiting for about Retry-After between tries."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        octets = random.randbytes(3)
        address = f"X-Forwarded-For: 10.{octets[0]}.{octets[1]}.{octets[2]}"
        headers = (f"Origin: {self._site.origin}", address)
        while loop.time() - began < GIVE_UP:
            status, _ = await self.door.ask("POST", path, json.dumps(body).encode(), *headers)
            arrivals.tries[status] += 1
            if status == expected:
                arrivals.taken.append(loop.time() - began)
                return
            await asyncio.sleep(self._pace.retry_after * random.uniform(0.5, 1.5))
        arrivals.failed += 1

    async def look_midway(self) -> tuple[int, int]:
        """How many were answered 204 by then, and how many are counted a moment later."""
        await asyncio.sleep(self._pace.spread)
        answered = len(self.beacons.taken)
        return answered, await self.displayed()


async def play(
    gateway: Gateway, site: FilledSite, browsers: Sequence[Browser], sink: Sink, connections: int, pace: Pace
) -> Story:
    before = await asyncio.to_thread(gateway.metrics)
    door = Door(urlsplit(gateway.url).port or 80)
    message = await admin(door, "POST", f"{site.path}/messages", _BLAST)
    blast = Blast(door, site, str(message["id"]), sink.url, pace)
    await blast.sent()
    watching = asyncio.create_task(watch_files(gateway))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd(door, connections, WAVE, WAVE_PAUSE, pace.linger))
        for subscription_id in site.subscriptions:
            tasks.create_task(blast.display(subscription_id))
        for browser in browsers[:SUBSCRIBERS]:
            tasks.create_task(blast.subscribe(browser))
        middle = tasks.create_task(blast.look_midway())
    displayed = await blast.displayed()
    watching.cancel()
    after = await asyncio.to_thread(gateway.metrics)
    metrics = {
        name: value - before.get(name, 0) if name.startswith(COUNTED) else value
        for name, value in after.items()
    }
    wanted, most = len(site.subscriptions), await watching
    return Story(door, blast.beacons, blast.subscribers, *middle.result(), displayed, wanted, metrics, most)


_BLAST = {
    "notification": {"title": "Everything must go"},
    "audience": {"all": True},
}


def raise_own_limit(needed: int) -> None:
    """SystemExit when this process may not open as many files as it must."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(
            f"this shell may open {hard} files, {needed} are needed: `ulimit -Hn {needed}` as root"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000, help="idle and slow ones")
    parser.add_argument("--beacons", type=int, default=3_000)
    parser.add_argument("--open-files", type=int, default=1_024, help="the gateway's hard limit")
    parser.add_argument("--spread", type=float, default=10, help="seconds of the wave of beacons")
    parser.add_argument("--linger", type=float, default=20, help="seconds that a caller stays")
    parser.add_argument("--retry-after", type=float, default=5, help="seconds between tries")
    parser.add_argument("--write", action="store_true", help=f"append the result to {RESULTS.name}")
    options = parser.parse_args()
    if find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    raise_own_limit(options.connections + options.beacons + 500)
    pace = Pace(options.spread, options.linger, options.retry_after)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-openfiles-")))
        (folder / "sink").mkdir()
        (folder / "data").mkdir()
        sink = stack.enter_context(running_nginx(folder / "sink"))
        browsers = make_browsers(SUBSCRIBERS)

        async def fill() -> FilledSite:
            async with open_context(folder / "data", f"localhost:{sink.port}") as context:
                return await add_site(context, "crowded", sink.url, options.beacons, browsers)

        site = uvloop.run(fill())
        settings = {
            "GATEWAY_PUSH_HOSTS": f"localhost:{sink.port}",
            "GATEWAY_PUSH_CA_FILE": str(sink.ca_file),
            "GATEWAY_SENDERS": "1",
        }
        with running_gateway(folder / "data", settings, open_files=options.open_files) as gateway:
            story = uvloop.run(play(gateway, site, browsers, sink, options.connections, pace))
            complaints = gateway.complaints()
    problems = story.problems() + faults(complaints, healthy=True)
    today = datetime.datetime.now(datetime.UTC).date()
    sizes = f"--connections {options.connections} --beacons {options.beacons}"
    text = f"{today}, `python -m loadtest.openfiles {sizes} --open-files {options.open_files}`\n\n{story}\n"
    print(text)
    for event, times in complaints.most_common():
        print(f"the gateway's log: {times} x {event}")
    print("\n".join(["FAILED", *problems] if problems else ["passed: nobody is missing"]))
    if options.write:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"\n## Open files\n\n{text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
