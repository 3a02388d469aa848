"""What `/readyz` asks besides the database: each check gives the reason why the process is not ready."""

import asyncio
from collections.abc import Iterable, Sized


def all_run(parts: Iterable[asyncio.Task[None]]) -> str | None:
    """None, as long as no task has ended of those that never end by themselves."""
    ended = sorted(part.get_name() for part in parts if part.done())
    return f"Ended, the log says why: {', '.join(ended)}." if ended else None


def somebody_sends(running: Sized, wanted: int) -> str | None:
    """None, when at least one of the `wanted` sender processes runs."""
    return "No sender process runs; the log says why." if wanted and not running else None


def goes_on(stop: asyncio.Event) -> str | None:
    """None, until the process was told to stop."""
    return "The gateway is stopping." if stop.is_set() else None
