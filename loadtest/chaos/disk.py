"""A disk that fills up and has room again, for a gateway whose database lies on it."""

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from loadtest.chaos.processes import Process

_CHUNK = bytes(65_536)


class Disk(Protocol):
    """`folder` is for the database. `fill` and `free` as often as one likes."""

    folder: Path

    def fill(self) -> None: ...

    def free(self) -> None: ...


class Tmpfs:
    """A file system of its own: what root can make. A really full one, which SQLite calls SQLITE_FULL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            for chunk in (_CHUNK, b"\0"):
                try:
                    while True:
                        file.write(chunk)
                except OSError:  # full
                    continue

    def free(self) -> None:
        self._ballast.unlink()

    def set_read_only(self, read_only: bool) -> None:
        """Nobody may have a file open for writing."""
        _run("mount", "-o", "remount," + ("ro" if read_only else "rw"), str(self.folder))


class SmallFiles:
    """For everybody else: no file may grow (RLIMIT_FSIZE of the running processes). SQLITE_IOERR_WRITE."""

    def __init__(self, folder: Path, processes: Callable[[], Iterable[Process]]) -> None:
        self.folder = folder
        self._processes = processes

    def fill(self) -> None:
        self._limit(1)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for each in self._processes():
            _, hard = resource.prlimit(each.pid, resource.RLIMIT_FSIZE)
            soft = hard if size == resource.RLIM_INFINITY else size
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path, subscribers: int) -> Iterator[Tmpfs | None]:
    """An empty one that such an audience fits on; None when this user may not mount."""
    if os.geteuid() != 0:
        yield None
        return
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={64_000_000 + subscribers * 2_000}", "tmpfs", str(folder))
    except subprocess.CalledProcessError:  # root in a container without the capability
        yield None
        return
    try:
        yield Tmpfs(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def leave_no_room_in_the_log(database: Path) -> None:
    """Cut SQLite's write-ahead log to nothing: as long as it is, it is overwritten on the fullest disk."""
    connection = sqlite3.connect(database, timeout=30, isolation_level=None)
    try:
        connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
