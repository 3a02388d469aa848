"""Does a blast hurt anybody else? Latencies beside a blast at full speed, and whether others get their turn.

    python -m loadtest.isolation [--subscribers N] [--seconds N] [--senders N] [--write]

A site with N subscribers (a million) gets a blast. Meanwhile a back end sends ten transactional messages a
second, visitors subscribe and report displays, a site with 1,000 subscribers sends to all of them, and three
sites with 10,000 each send at once. Fills the database directly, cancels the blast when it has seen enough.
"""

import argparse
import asyncio
import datetime
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from loadtest.audience import make_browsers, open_context
from loadtest.filling import FilledSite, add_site
from loadtest.gateway_process import running_gateway
from loadtest.probes import Client, Probes, Sent, Times, moment, percentile
from loadtest.sink import Sink, find_nginx
from loadtest.summary import faults
from loadtest.timed_sink import arrivals, running_timed_sink
from storage.ids import Kind, decode_id

RESULTS = Path(__file__).parent / "RESULTS.md"
BROWSERS = 2_000
SMALL = 1_000
BULK = 10_000
BULK_SITES = 3
IDLE_SECONDS = 5
SENDS_A_SECOND = 10
GOAL_MS = 250.0
SMALL_WITHIN = 3.0  # seconds: its fair half of the pace, and what was read ahead before it came
LAST_SHARE = 0.5  # of what they have to send, for the slowest when the first has ended
LOOK_EVERY = 0.1
EVERYBODY = {"all": True}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `good` None when there is no goal."""

    what: str
    figures: str
    goal: str
    good: bool | None

    def __str__(self) -> str:
        verdict = "" if self.good is None else "met" if self.good else "**missed**"
        return f"| {self.what} | {self.figures} | {self.goal} | {verdict} |"


def timed(what: str, times: Sequence[float], errors: Sequence[str], *, goal: bool) -> Line:
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    figures = f"{len(times)}: p50 {p50:.0f}, p99 {p99:.0f}, longest {max(times, default=0):.0f} ms"
    if errors:
        figures += f", {len(errors)} failed ({errors[0][:120]})"
    good = (p99 <= GOAL_MS and not errors) if goal else None
    return Line(what, figures, f"p99 <= {GOAL_MS:.0f} ms" if goal else "", good)


def pushes(sent: Mapping[str, Sent], seen: dict[str, list[float]]) -> Times:
    """accept → POST of each; an error for each that did not come, or came twice."""
    times = Times()
    for topic, each in sent.items():
        came = seen.get(topic, [])
        if len(came) == 1:
            times.taken.append(max(0.0, came[0] - moment(each.message["created_at"])) * 1000)
        else:
            times.errors.append(f"a message was POSTed {len(came)} times")
    return times


class Watch:
    """Looks at messages until they are over."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def progress(self, site: FilledSite, message: Any) -> Any:
        return await self._client.admin("GET", f"{site.path}/messages/{message['id']}")

    async def pace(self, site: FilledSite, message: Any, seconds: float) -> float:
        """Accepted a second over the next `seconds`."""
        before, at = (await self.progress(site, message))["progress"]["accepted"], time.monotonic()
        await asyncio.sleep(seconds)
        after = (await self.progress(site, message))["progress"]["accepted"]
        return float(after - before) / (time.monotonic() - at)

    async def accepted(self, site: FilledSite, message: Any, count: int) -> None:
        """Returns when so many were accepted; TimeoutError when that takes unreasonably long."""
        async with asyncio.timeout(120):
            while True:
                found = await self.progress(site, message)
                if found["progress"]["accepted"] >= count:
                    return
                await asyncio.sleep(LOOK_EVERY)

    async def small(self, site: FilledSite) -> Line:
        """A small site sends to all of its subscribers."""
        message = await self._client.send(site, EVERYBODY)
        began = time.monotonic()
        await self.accepted(site, message, len(site.subscriptions))
        took = time.monotonic() - began
        what = f"a site with {len(site.subscriptions):,} beside the blast"
        return Line(what, f"all sent in {took:.1f} s", f"<= {SMALL_WITHIN:.0f} s", took <= SMALL_WITHIN)

    async def starts(self, sent: Sequence[Sent]) -> list[float]:
        """How long after each was accepted the scheduler started it, in milliseconds."""
        found = [await self.progress(each.site, each.message) for each in sent]
        return [(moment(each["started_at"]) - moment(each["created_at"])) * 1000 for each in found]

    async def turns(self, sites: Sequence[FilledSite]) -> Line:
        """Several sites send to all of theirs at once: how far is the slowest when the first has ended?"""
        messages = [await self._client.send(site, EVERYBODY) for site in sites]
        began = time.monotonic()
        async with asyncio.timeout(180):
            while True:
                found = [await self.progress(*pair) for pair in zip(sites, messages, strict=True)]
                shares = [
                    each["progress"]["accepted"] / len(site.subscriptions)
                    for each, site in zip(found, sites, strict=True)
                ]
                if max(shares) >= 1:
                    break
                await asyncio.sleep(LOOK_EVERY)
        took = time.monotonic() - began
        figures = f"first done after {took:.1f} s, the slowest at {min(shares):.0%} then"
        what = f"{len(sites)} sites with {BULK:,} each, beside the blast"
        return Line(what, figures, f">= {LAST_SHARE:.0%}", min(shares) >= LAST_SHARE)


async def measure(
    gateway_url: str, sink: Sink, sites: Sequence[FilledSite], options: argparse.Namespace
) -> list[Line]:
    big, small, *others = sites
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(gateway_url, connector=connector, timeout=timeout) as session:
        client = Client(session)
        watch = Watch(client)
        browsers = make_browsers(50)
        await watch.accepted(small, await client.send(small, EVERYBODY), SMALL)  # the senders have started
        idle = Probes(client, (big, small), sink.url, browsers)
        await idle.run(IDLE_SECONDS, message_id=None, sends=SENDS_A_SECOND, events=0)
        blast = await client.send(big, EVERYBODY)
        await watch.accepted(big, blast, 1)
        busy = Probes(client, (big, small), sink.url, browsers)
        message_id = decode_id(Kind.MESSAGE, blast["id"])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                busy.run(options.seconds, message_id=message_id, sends=SENDS_A_SECOND, events=options.events)
            )
            pace = await watch.pace(big, blast, options.seconds / 4)
            lines = [await watch.small(small), await watch.turns(others)]
        still = (await watch.progress(big, blast))["state"] == "sending"
        if still:
            await client.admin("POST", f"{big.path}/messages/{blast['id']}/cancel")
        starts = await watch.starts(list(busy.sent.values()))
    seen = arrivals(sink)
    quiet, loud = pushes(idle.sent, seen), pushes(busy.sent, seen)
    return [
        Line("the blast", f"{pace:,.0f} messages/s", "", None),
        Line("it outlasted the measuring", "yes" if still else "no: take more subscribers", "yes", still),
        timed("accept → POST, nothing else going on", quiet.taken, quiet.errors, goal=False),
        timed("accept → POST, beside the blast", loud.taken, loud.errors, goal=True),
        timed("of that, until it was started", starts, [], goal=False),
        timed("send to one: answer", busy.send.taken, busy.send.errors, goal=False),
        timed("subscribe: answer", busy.subscribe.taken, busy.subscribe.errors, goal=True),
        timed("report a display: answer", busy.report.taken, busy.report.errors, goal=True),
        *lines,
    ]


async def fill(folder: Path, sink: Sink, subscribers: int) -> list[FilledSite]:
    browsers = make_browsers(BROWSERS)
    counts = [("big", subscribers), ("small", SMALL), *((f"bulk{n}", BULK) for n in range(BULK_SITES))]
    async with open_context(folder, f"localhost:{sink.port}") as context:
        return [await add_site(context, name, sink.url, count, browsers) for name, count in counts]


def report(lines: Sequence[Line], options: argparse.Namespace, load: float) -> str:
    """In Markdown. `load` is the load average before: above 0.5 others had a share in the figures."""
    today = datetime.datetime.now(datetime.UTC).date()
    command = f"python -m loadtest.isolation --subscribers {options.subscribers} --seconds {options.seconds}"
    head = ["| what | measured | goal | |", "|---|---|---|---|"]
    machine = f"{len(os.sched_getaffinity(0))} cores, load average before {load:.1f}"
    return "\n".join([f"{today}, `{command}`, {machine}", "", *head, *map(str, lines), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=40, help="of measuring beside the blast")
    parser.add_argument("--events", type=float, default=100, help="displays reported a second")
    parser.add_argument("--senders", type=int, default=0, help="default: number of cores")
    parser.add_argument("--write", action="store_true", help=f"append the table to {RESULTS.name}")
    options = parser.parse_args()
    if find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-isolation-")))
        sink = stack.enter_context(running_timed_sink(folder / "sink"))
        data = folder / "data"
        data.mkdir()
        began = time.monotonic()
        sites = uvloop.run(fill(data, sink, options.subscribers))
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        settings = {
            "GATEWAY_PUSH_HOSTS": f"localhost:{sink.port}",
            "GATEWAY_PUSH_CA_FILE": str(sink.ca_file),
            **({"GATEWAY_SENDERS": str(options.senders)} if options.senders else {}),
        }
        with running_gateway(data, settings) as gateway:
            lines = uvloop.run(measure(gateway.url, sink, sites, options))
            complaints = gateway.complaints()
    text = report(lines, options, load)
    print(text)
    for event, times in complaints.most_common():
        print(f"the gateway's log: {times} x {event}")
    if options.write:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"\n## Isolation\n\n{text}")
    missed = any(line.good is False for line in lines)
    return 1 if missed or faults(complaints, healthy=True) else 0


if __name__ == "__main__":
    sys.exit(main())
