"""How many files a process may have open, and who may have how many of them."""

import resource
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import CannotStart

# Below this nothing is left for visitors once the interpreter, the event loop and the database have theirs.
MINIMUM = 96

_RESERVE = 32  # standard streams, event loop, listeners, name look-ups, files read in passing
_OPEN_FILES = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Budget:
    """Shares of one process; they add up to `limit`."""

    limit: int
    inbound: int  # connections that the accept loop may hold, those it is refusing included
    outbound: int  # connections to push services and webhooks
    database: int  # SQLite needs three for each connection, PostgreSQL one
    reserve: int  # all the rest


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; the limit that holds from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # a system that calls the hard limit infinite, but does not mean it
        return soft
    return hard


def derive_budget(limit: int, *, serves: bool, children: int = 0) -> Budget:
    """Divide `limit`: a process that serves HTTP spends it on inbound connections, a sender on outbound ones.

    `children` is the number of processes it starts and watches. CannotStart below MINIMUM and one for each.
    """
    needed = MINIMUM + children
    if limit < needed:
        raise CannotStart(
            f"This process may have {limit} files open, but needs {needed} at the very least: raise the hard "
            "limit to 65536 (`ulimit -Hn 65536`, LimitNOFILE=65536 in the systemd unit, "
            "or `docker run --ulimit nofile=65536:65536`)."
        )
    reserve = _RESERVE + children
    free = limit - reserve
    database = _between(16, free // 8, 64)
    outbound = _between(8, free // 8, 256) if serves else free - database
    return Budget(limit, free - database - outbound, outbound, database, reserve)


def open_files(limit: int) -> int:
    """How many this process has open now; `limit` itself when there is not even one left to look with."""
    try:
        return sum(1 for _ in _OPEN_FILES.iterdir()) - 1  # the look itself opens one
    except OSError:
        return limit


def _between(lowest: int, wanted: int, highest: int) -> int:
    return max(lowest, min(wanted, highest))
