"""The benchmark's table: one row for each sender, medians of its runs, in Markdown."""

import datetime
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cryptography
import pycurl

from loadtest.contenders import Used

HEAD = "| sender | messages | CPU µs per message | of this gateway's | messages/s | peak memory, MB |"
LINE = "|---|---:|---:|---:|---:|---:|"


@dataclass(slots=True)
class Row:
    """`runs` holds what the processes of each run used."""

    sender: str
    messages: int
    runs: list[Sequence[Used]] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per message of all processes together: the median run."""
        return statistics.median(sum(used.cpu for used in run) for run in self.runs) / self.messages * 1e6

    @property
    def rate(self) -> float:
        """Messages per second from the first process' start to the last one's end: the median run."""
        return self.messages / statistics.median(
            max(used.ended for used in run) - min(used.began for used in run) for run in self.runs
        )

    @property
    def memory(self) -> float:
        """Megabytes of the largest process in any run."""
        return max(used.peak_memory for run in self.runs for used in run) / 1e6

    def line(self, ours: float) -> str:
        times = f"{self.cpu_us / ours:.2f} ×"
        return (
            f"| {self.sender} | {self.messages:,} | {self.cpu_us:.0f} | {times} | {self.rate:,.0f} "
            f"| {self.memory:.0f} |"
        )


def table(rows: Sequence[Row], notes: Sequence[str], command: str, measured_on: str) -> str:
    """Rows, all compared with the first. `measured_on` is machine() before anything ran."""
    ours = rows[0].cpu_us
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [f"### {today}, {measured_on}", "", f"`{command}`", "", HEAD, LINE]
    lines += [row.line(ours) for row in rows]
    lines += ["", *(f"- {note}" for note in notes), ""]
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores, load and the versions that matter."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"{cores} cores ({_processor()}), load {load:.1f} before, Python {platform.python_version()}, "
        f"cryptography {cryptography.__version__}, {pycurl.version.split()[1]}{_node()}"
    )


def _processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _node() -> str:
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return f", node {said.stdout.strip().lstrip('v')}"
