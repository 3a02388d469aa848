"""What `/readyz` asks besides the database: a check gives the reason why this process is not ready, or None."""

import asyncio
from collections.abc import Iterable, Sized


def all_run(parts: Iterable[asyncio.Task[None]]) -> str | None:
    """Of the tasks that never end by themselves none has ended."""
    ended = sorted(part.get_name() for part in parts if part.done())
    return f"Ended, the log says why: {', '.join(ended)}." if ended else None


def somebody_sends(running: Sized, wanted: int) -> str | None:
    """Of the `wanted` sender processes at least one runs."""
    return "No sender process runs; the log says why." if wanted and not running else None


def goes_on(stop: asyncio.Event) -> str | None:
    return "The gateway is stopping." if stop.is_set() else None
