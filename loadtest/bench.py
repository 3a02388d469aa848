"""What a whole sender costs against a local HTTP/2 push service, next to others in the same run.

    make bench                          about a minute
    python -m loadtest.bench --full     also 10 thousand to 1 million subscribers: about six minutes
    … --rounds N --write                median of N runs of each sender; append the table to RESULTS.md

Everything counts: claim, read, render, encrypt, sign, POST, classify, record, over all threads and processes
of the gateway. The push service, the relay and PostgreSQL are not counted. Figures move with the machine:
compare them within one run.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from gateway.campaigns.expressions import Expression
from gateway.content import Notification
from loadtest.audience import PERSONAL, PLAIN, SEGMENT, add_audience, freeze, open_context, progress_of
from loadtest.contenders import Audience, Used, run_gateway, run_gateway_without_pushing, run_pywebpush
from loadtest.delay import far_away
from loadtest.outside import NODE, RUST
from loadtest.postgres import running_postgres
from loadtest.sink import Sink, find_nginx, running_nginx
from loadtest.table import Row, machine, table

RESULTS = Path(__file__).parent / "RESULTS.md"
OTHERS = 1_500  # messages of each contender: they take longer
UNPUSHED = 60_000  # messages that are only claimed, read and recorded
ROUND_TRIP = 0.080  # seconds
SIZES = (10_000, 100_000, 1_000_000)
# webpush-go 1.4 on Go 1.27 and pywebpush in one run on another machine: 262 to 287 and 442 µs.
GO_TO_PYWEBPUSH = (0.59, 0.65)


@dataclass(frozen=True, slots=True)
class Bench:
    """One sink, and a folder for each audience."""

    folder: Path
    sink: Sink
    numbers: Iterator[int]

    def gateway(
        self,
        subscribers: int,
        senders: int = 1,
        notification: Notification = PLAIN,
        where: Expression | None = None,
    ) -> Sequence[Used]:
        audience = self._audience(subscribers, notification=notification, where=where)
        used = _apart(senders, run_gateway, audience, self.sink.ca_file)
        return _checked(audience, subscribers, used)

    def unpushed(self, subscribers: int, database_url: str = "") -> Sequence[Used]:
        audience = self._audience(subscribers, database_url)
        return _checked(audience, subscribers, _apart(1, run_gateway_without_pushing, audience))

    def pywebpush(self, messages: int) -> Sequence[Used]:
        return _apart(1, run_pywebpush, self.sink.url, self.sink.ca_file, messages)

    def _audience(
        self,
        subscribers: int,
        database_url: str = "",
        notification: Notification = PLAIN,
        where: Expression | None = None,
    ) -> Audience:
        folder, hosts = self.folder / str(next(self.numbers)), f"localhost:{self.sink.port}"
        folder.mkdir()

        async def prepare() -> int:
            async with open_context(folder, hosts, database_url) as context:
                message_id = await add_audience(context, self.sink.url, subscribers, notification, where)
                await freeze(context)
                return message_id

        return Audience(folder, hosts, asyncio.run(prepare()), database_url)


def _apart(processes: int, run: Callable[..., Used], *args: object) -> Sequence[Used]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        running = [pool.submit(run, *args) for _ in range(processes)]
        return [each.result() for each in running]


def _checked(audience: Audience, subscribers: int, used: Sequence[Used]) -> Sequence[Used]:
    async def check() -> None:
        async with open_context(audience.folder, audience.hosts, audience.database_url) as context:
            progress = await progress_of(context, audience.message_id)
            if progress.accepted != subscribers:
                raise RuntimeError(f"not everybody was sent to: {progress}")

    asyncio.run(check())
    return used


def side_by_side(bench: Bench, subscribers: int, rounds: int, notes: list[str]) -> list[Row]:
    """This gateway and the others in turns, so that whatever else the machine does meets all of them."""
    ours = Row("**this gateway**, one sender", subscribers)
    theirs = Row("pywebpush `webpush_async`", OTHERS)
    programs = [(program, Row(program.name, OTHERS)) for program in (RUST, NODE) if program.installed]
    notes += [
        f"{program.name}: not run, it is not installed" for program in (RUST, NODE) if not program.installed
    ]
    for _ in range(rounds):
        ours.runs.append(bench.gateway(subscribers))
        theirs.runs.append(bench.pywebpush(OTHERS))
        for program, row in programs:
            row.runs.append([program.run(bench.sink, OTHERS)])
    low, high = (round(theirs.cpu_us * ratio) for ratio in GO_TO_PYWEBPUSH)
    notes.append(
        f"webpush-go: not from this run (it needs Go). Elsewhere it took {GO_TO_PYWEBPUSH[0]} to "
        f"{GO_TO_PYWEBPUSH[1]} of pywebpush's CPU, which here would be {low} to {high} µs: "
        f"{low / ours.cpu_us:.1f} to {high / ours.cpu_us:.1f} × this gateway's"
    )
    return [ours, theirs, *(row for _, row in programs)]


def more(bench: Bench, subscribers: int, sizes: Sequence[int], notes: list[str]) -> Iterator[Row]:
    """Scaling, the long way and the work without pushes, one after the other."""
    yield Row("two senders", subscribers, [bench.gateway(subscribers, senders=2)])
    personal = bench.gateway(subscribers, notification=PERSONAL)
    yield Row("one sender, personal texts (two macros)", subscribers, [personal])
    segmented = bench.gateway(subscribers, where=SEGMENT)
    yield Row("one sender, to a segment of half (three conditions)", subscribers, [segmented])
    with far_away(bench.sink.port, ROUND_TRIP) as port:
        far = replace(bench, sink=replace(bench.sink, port=port))
        name = f"one sender, {ROUND_TRIP * 1000:.0f} ms round trip"
        yield Row(name, 2 * subscribers, [far.gateway(2 * subscribers)])
    for size in sizes:
        yield Row(f"one sender, {size:,} subscribers", size, [bench.gateway(size)])
    yield Row("claim, read, record alone, SQLite", UNPUSHED, [bench.unpushed(UNPUSHED)])
    try:
        with running_postgres(bench.folder / "postgres") as url:
            yield Row("the same, PostgreSQL", UNPUSHED, [bench.unpushed(UNPUSHED, url)])
    except ImportError:
        notes.append("PostgreSQL: not run, there is no pgserver for this machine")


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per message of a whole sender, next to others")
    parser.add_argument("--subscribers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each sender; the median counts")
    parser.add_argument("--full", action="store_true", help="up to 1 million subscribers, too")
    parser.add_argument("--write", action="store_true", help=f"append the table to {RESULTS.name}")
    options = parser.parse_args()
    if find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    measured_on, notes = machine(), list[str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        bench = Bench(folder, stack.enter_context(running_nginx(folder)), count())
        rows = side_by_side(bench, options.subscribers, options.rounds, notes)
        for row in rows:
            print(row.line(rows[0].cpu_us), file=sys.stderr, flush=True)
        for row in more(bench, options.subscribers, SIZES if options.full else (), notes):
            print(row.line(rows[0].cpu_us), file=sys.stderr, flush=True)
            rows.append(row)
    text = table(rows, notes, f"python -m loadtest.bench {' '.join(sys.argv[1:])}".strip(), measured_on)
    print(text)
    if options.write:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write("\n" + text)


if __name__ == "__main__":
    main()
