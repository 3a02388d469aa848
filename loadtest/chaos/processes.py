"""Processes of one gateway, found by a mark in their environment: also those whose parent is dead."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "CHAOS_MARK"


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    owner: str | None  # under which it leases batches; None: not a sender


def marked(mark: str) -> list[Process]:
    """All that live, zombies not included."""
    numbers = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [found for pid in numbers if (found := _look(pid, mark))]


def senders(mark: str) -> list[Process]:
    return [each for each in marked(mark) if each.owner is not None]


def send_signal(processes: Iterable[Process], number: signal.Signals) -> None:
    """To each that still lives."""
    for each in processes:
        with suppress(ProcessLookupError):
            os.kill(each.pid, number)


def _look(pid: int, mark: str) -> Process | None:
    folder = Path("/proc") / str(pid)
    try:
        if f"{MARK}={mark}".encode() not in (folder / "environ").read_bytes().split(b"\0"):
            return None
        words = (folder / "cmdline").read_text().split("\0")
        # "pid (name) state ppid …": the name may hold anything, so behind its last parenthesis
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (
        FileNotFoundError,
        ProcessLookupError,
        PermissionError,
    ):  # it ended meanwhile, or is another user's
        return None
    owner = words[words.index("--owner") + 1] if "--owner" in words else None
    return Process(pid, parent, owner)
