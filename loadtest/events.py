"""How many reports of browsers does a gateway store and answer, and is each of them counted once?

    python -m loadtest.events                               at full speed, the gateway on one core
    python -m loadtest.events --events 100000 --rate 10000  the same number every second
    python -m loadtest.events --beside-blast                2,000 a second beside a blast at full speed
    python -m loadtest.events --refused 60                  its database is locked for a minute of it
    … --api-processes N --processes N --write               of the gateway; of workers; into RESULTS.md

One request for each event, as workers send them, over connections that are kept. One of ten is sent twice,
one of fifty has a forged token. Answers are counted, at the end the rows, the roll-ups, the site's totals.
"""

import argparse
import asyncio
import datetime
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import uvloop

from loadtest.audience import PLAIN, make_browsers, new_message, open_context
from loadtest.beacons import Answers, Wave, play
from loadtest.filling import FilledSite, add_site
from loadtest.gateway_process import Gateway, running_gateway
from loadtest.isolation import EVERYBODY, Watch
from loadtest.probes import Client, percentile
from loadtest.sink import Sink, find_nginx, running_nginx
from loadtest.summary import faults
from storage import messages
from storage.ids import Kind, decode_id
from storage.messages import MessageState

RESULTS = Path(__file__).parent / "RESULTS.md"
GOAL = 10_000  # events a second
BESIDE = 2_000  # the same, beside a blast
GOAL_MS = 250.0
READY = 6.0  # seconds for the workers to prepare their requests
REPEATED, FORGED = 0.1, 0.02  # of all events
LOCK_AFTER = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Counted:
    """What the database holds of one message."""

    rows: int
    rollups: int
    site_total: int


@dataclass(frozen=True, slots=True)
class Outcome:
    message_id: int  # that the events are of
    answers: Answers
    cpu: float  # seconds of the gateway's API processes
    pace: float | None  # of the blast, messages a second


def split(wave: Wave, processes: int) -> list[Wave]:
    """The same events by several processes."""
    return [
        replace(
            wave,
            subscriptions=wave.subscriptions[each::processes],
            connections=wave.connections // processes,
            rate=None if wave.rate is None else wave.rate / processes,
            repeated=wave.repeated // processes,
            forged=wave.forged // processes,
        )
        for each in range(processes)
    ]


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a gateway's processes that answer requests."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    answering = [each for each in children if b"answer-beside" in Path(f"/proc/{each}/cmdline").read_bytes()]
    return sum(map(_cpu, [str(pid), *answering]))


def _cpu(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """All threads of a process to one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


@asynccontextmanager
async def blast(
    gateway: Gateway, site: FilledSite, seconds: float
) -> AsyncIterator[tuple[int, "asyncio.Task[float]"]]:
    """While inside, everybody is sent to: the message, and how many a second it is."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(gateway.url, timeout=timeout) as session:
        client = Client(session)
        watch = Watch(client)
        message = await client.send(site, EVERYBODY)
        await watch.accepted(site, message, 1)
        pace = asyncio.create_task(watch.pace(site, message, READY + seconds / 2))
        yield decode_id(Kind.MESSAGE, message["id"]), pace
        if (await watch.progress(site, message))["state"] != "sending":
            raise RuntimeError("the blast was over too soon: take more --subscribers")
        await client.admin("POST", f"{site.path}/messages/{message['id']}/cancel")


async def lock(database: Path, seconds: float) -> None:
    """Another program holds the database's lock: nothing can be written."""
    await asyncio.sleep(READY + LOCK_AFTER)
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    try:
        connection.execute("begin immediate")
        await asyncio.sleep(seconds)
    finally:
        connection.close()


async def measure(gateway: Gateway, wave: Wave, site: FilledSite, options: argparse.Namespace) -> Outcome:
    core = None
    if options.api_processes == 1 and not options.beside_blast and len(os.sched_getaffinity(0)) > 1:
        pin(gateway.pid, min(os.sched_getaffinity(0)))
        core = max(os.sched_getaffinity(0))
    if options.beside_blast:
        async with blast(gateway, site, options.events / options.rate) as (message_id, pace):
            return await _played(gateway, replace(wave, message_id=message_id), options, core, pace)
    locking = None
    if options.refused:
        locking = asyncio.create_task(lock(gateway.folder / "gateway.db", options.refused))
    outcome = await _played(gateway, wave, options, core)
    if locking is not None:
        await locking
    return outcome


async def _played(
    gateway: Gateway,
    wave: Wave,
    options: argparse.Namespace,
    core: int | None,
    pace: "asyncio.Task[float] | None" = None,
) -> Outcome:
    before = cpu_of(gateway.pid)
    waves = split(replace(wave, start_at=time.monotonic() + READY), options.processes)
    answers = await asyncio.to_thread(play, waves, core)
    return Outcome(
        wave.message_id, answers, cpu_of(gateway.pid) - before, None if pace is None else await pace
    )


async def fill(folder: Path, url: str, port: int, count: int, events: int) -> tuple[FilledSite, int]:
    """A site with subscribers, and a message that was sent to them."""
    async with open_context(folder, f"localhost:{port}") as context:
        site = await add_site(context, "shop", url, max(count, events), make_browsers(500))
        message = replace(new_message(context, site.id, PLAIN), state=MessageState.SENT)
        await context.database.write(lambda tx: messages.add(tx, message))
        return site, message.id


def count(folder: Path, site_id: int, message_id: int) -> Counted:
    """After the gateway has stopped; its write-ahead log is in the file then."""
    connection = sqlite3.connect(folder / "gateway.db")
    try:
        of_message = (site_id, message_id)
        (rows,) = connection.execute(
            "select count(*) from events where site_id = ? and message_id = ?", of_message
        ).fetchone()
        (rollups,) = connection.execute(
            "select sum(n) from rollups where site_id = ? and message_id = ? and kind = 'displayed'",
            of_message,
        ).fetchone()
        (total,) = connection.execute(
            "select sum(displayed) from site_totals where site_id = ?", (site_id,)
        ).fetchone()
    finally:
        connection.close()
    return Counted(rows, rollups, total)


def speed(answers: Answers) -> float:
    """Answered for good, a second."""
    return (answers.statuses[204] + answers.statuses[400]) / answers.seconds


def problems(outcome: Outcome, counted: Counted, wave: Wave, options: argparse.Namespace) -> list[str]:
    """Sentences; none is a pass."""
    answers, found = outcome.answers, []
    events = len(wave.subscriptions)
    stored, forged = events + wave.repeated, answers.statuses[400]
    if answers.unanswered or answers.statuses[204] != stored or forged != wave.forged:
        found.append(
            f"{answers.statuses[204]} of {stored} answered 204, {forged} of {wave.forged} forged ones 400"
        )
    if counted != Counted(events, events, events):
        found.append(f"{events} events, {counted}")
    rate, p99 = speed(answers), percentile(answers.taken, 0.99)
    if not options.refused and rate < (options.rate or GOAL) * 0.97:  # the last ones have yet to be answered
        found.append(f"{rate:,.0f} a second are too few")
    if options.beside_blast and p99 > GOAL_MS:
        found.append(f"p99 {p99:.0f} ms is more than {GOAL_MS:.0f} ms")
    return found


def report(outcome: Outcome, counted: Counted, options: argparse.Namespace, load: float) -> str:
    """In Markdown. `load` is the load average before: above 0.5 others had a share in the figures."""
    answers = outcome.answers
    today = datetime.datetime.now(datetime.UTC).date()
    command = " ".join(["python -m loadtest.events", *(each for each in sys.argv[1:] if each != "--write")])
    p50, p99 = percentile(answers.taken, 0.5), percentile(answers.taken, 0.99)
    each = f"{outcome.cpu / max(1, len(answers.taken)) * 1e6:.0f} µs"
    statuses = ", ".join(f"{n:,} x {status or 'lost'}" for status, n in sorted(answers.statuses.items()))
    lines = [
        f"{today}, `{command}`, {len(os.sched_getaffinity(0))} cores, load average before {load:.1f}",
        "",
        f"- {options.events:,} events, some of them twice, in {answers.seconds:.1f} s: "
        f"**{speed(answers):,.0f} requests a second**, {each} CPU of the gateway each",
        f"- stored and answered after p50 {p50:.0f}, p99 {p99:.0f}, "
        f"longest {max(answers.taken, default=0):.0f} ms",
        f"- answers: {statuses}",
        f"- counted: {counted.rows:,} rows, {counted.rollups:,} in the message's roll-ups, "
        f"{counted.site_total:,} in the site's totals",
    ]
    if outcome.pace is not None:
        lines.append(f"- the blast beside it: {outcome.pace:,.0f} messages a second")
    return "\n".join([*lines, ""])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, help="default: 200,000, or 30 s of them with a rate")
    parser.add_argument("--rate", type=float, help="a second; default: as many as are answered")
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=1, help="of workers")
    parser.add_argument("--api-processes", type=int, default=1, help="of the gateway")
    parser.add_argument(
        "--beside-blast", action="store_true", help=f"at {BESIDE:,} a second unless told otherwise"
    )
    parser.add_argument("--subscribers", type=int, default=700_000, help="of the blast")
    parser.add_argument("--senders", type=int, default=0, help="of the blast; default: number of cores")
    parser.add_argument("--refused", type=float, default=0, help="seconds for which nothing can be stored")
    parser.add_argument("--write", action="store_true", help=f"append the result to {RESULTS.name}")
    options = parser.parse_args(arguments)
    if options.beside_blast or options.refused:
        options.rate = options.rate or (BESIDE if options.beside_blast else 500)
    seconds = options.refused + 30
    options.events = options.events or (int(options.rate * seconds) if options.rate else 200_000)
    if options.beside_blast and find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    return options


def main() -> int:
    options = parse()
    load = os.getloadavg()[0]
    settings = {"GATEWAY_SENDERS": "0", "GATEWAY_API_PROCESSES": str(options.api_processes)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-events-")))
        (folder / "data").mkdir()
        sink = Sink(1, folder, folder)
        if options.beside_blast:
            (folder / "sink").mkdir()
            sink = stack.enter_context(running_nginx(folder / "sink"))
            settings["GATEWAY_PUSH_HOSTS"] = f"localhost:{sink.port}"
            settings["GATEWAY_PUSH_CA_FILE"] = str(sink.ca_file)
            settings["GATEWAY_SENDERS"] = str(options.senders or len(os.sched_getaffinity(0)))
        audience = options.subscribers if options.beside_blast else 0
        site, message_id = uvloop.run(fill(folder / "data", sink.url, sink.port, audience, options.events))
        with running_gateway(folder / "data", settings) as gateway:
            wave = Wave(
                urlsplit(gateway.url).port or 80,
                site.id,
                message_id,
                site.subscriptions[: options.events],
                connections=options.connections,
                rate=options.rate and options.rate * (1 + REPEATED + FORGED),
                repeated=int(options.events * REPEATED),
                forged=int(options.events * FORGED),
            )
            outcome = uvloop.run(measure(gateway, wave, site, options))
            complaints = gateway.complaints()
        counted = count(folder / "data", site.id, outcome.message_id)
    text, wrong = report(outcome, counted, options, load), problems(outcome, counted, wave, options)
    wrong += faults(complaints, healthy=not options.refused)
    print(text)
    for event, times in complaints.most_common():
        print(f"the gateway's log: {times} x {event}")
    print("\n".join(["FAILED", *wrong] if wrong else ["passed: each event is counted once"]))
    if options.write:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"\n## Events\n\n{text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
