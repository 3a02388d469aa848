"""CPU per message of a whole sender against a local HTTP/2 push service, next to pywebpush in the same run.

    python -m loadtest.bench [--subscribers N] [--senders N] [--write]

Everything counts: claim, read, render, encrypt, sign, POST, classify, record, over all threads and processes
of the gateway. Figures move with the machine: compare them within one run. The push service is not counted.
"""

import argparse
import asyncio
import datetime
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cryptography

from loadtest.audience import add_audience, freeze, open_context, progress_of
from loadtest.contenders import Used, run_gateway, run_pywebpush
from loadtest.sink import Sink, find_nginx, running_nginx

RESULTS = Path(__file__).parent / "RESULTS.md"
PYWEBPUSH_MESSAGES = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    sender: str
    messages: int
    used: Sequence[Used]

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per message, of all processes together."""
        return sum(used.cpu for used in self.used) / self.messages * 1e6

    @property
    def rate(self) -> float:
        """Messages per second from the first process' start to the last one's end."""
        began, ended = min(used.began for used in self.used), max(used.ended for used in self.used)
        return self.messages / (ended - began)

    def __str__(self) -> str:
        memory = max(used.peak_memory for used in self.used) / 1e6
        return f"| {self.sender} | {self.messages:,} | {self.cpu_us:.0f} | {self.rate:,.0f} | {memory:.0f} |"


def bench_gateway(folder: Path, sink: Sink, subscribers: int, senders: int) -> tuple[Row, float]:
    """The table's row, and how many seconds it took to put everybody into batches."""
    hosts = f"localhost:{sink.port}"

    async def prepare() -> tuple[int, float]:
        async with open_context(folder, hosts) as context:
            message_id = await add_audience(context, sink.url, subscribers)
            began = time.perf_counter()
            await freeze(context)
            return message_id, time.perf_counter() - began

    message_id, seconds = asyncio.run(prepare())
    with ProcessPoolExecutor(senders, get_context("spawn")) as pool:
        running = [pool.submit(run_gateway, folder, hosts, sink.ca_file, message_id) for _ in range(senders)]
        used = [each.result() for each in running]

    async def check() -> None:
        async with open_context(folder, hosts) as context:
            progress = await progress_of(context, message_id)
            if progress.accepted != subscribers:
                raise RuntimeError(f"not everybody was sent to: {progress}")

    asyncio.run(check())
    name = "this gateway" if senders == 1 else f"this gateway, {senders} senders"
    return Row(name, subscribers, used), seconds


def bench_pywebpush(sink: Sink, count: int) -> Row:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        used = pool.submit(run_pywebpush, sink.url, sink.ca_file, count).result()
    return Row("pywebpush `webpush_async`", count, [used])


def report(rows: Sequence[Row], freeze_seconds: float) -> str:
    """The table in Markdown, with what it was measured on."""
    today = datetime.datetime.now(datetime.UTC).date()
    return "\n".join(
        [
            f"### {today}, {_machine()}",
            "",
            f"`python -m loadtest.bench --subscribers {rows[0].messages} --senders {len(rows[0].used)}`",
            "",
            "| sender | messages | CPU µs per message | messages/s | peak memory, MB |",
            "|---|---:|---:|---:|---:|",
            *(str(row) for row in rows),
            "",
            f"{rows[-1].cpu_us / rows[0].cpu_us:.1f} times less CPU than pywebpush. "
            f"Freezing the audience took {freeze_seconds:.2f} s.",
            "",
        ]
    )


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"Python {platform.python_version()}, cryptography {cryptography.__version__}, {cores} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per message of a whole sender, next to pywebpush")
    parser.add_argument("--subscribers", type=int, default=20_000)
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"append the table to {RESULTS.name}")
    options = parser.parse_args()
    if find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as name, running_nginx(Path(name)) as sink:
        row, seconds = bench_gateway(Path(name), sink, options.subscribers, options.senders)
        text = report([row, bench_pywebpush(sink, PYWEBPUSH_MESSAGES)], seconds)
    print(text)
    if options.write:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
