"""What a process tells the leader of itself, every few seconds: descriptors, clocks, what it had to refuse.

Counts are since the start of the process; the leader looks at how they grow.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec import Struct, json
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from gateway.context import Context
from gateway.logs import Log
from storage import vitals
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.vitals import Vitals

log = Log(__name__)

REPORT_EVERY: Final = 10.0  # seconds
ALIVE: Final = 45_000  # ms since the last report: three may be lost
FORGOTTEN: Final = 3_600_000  # ms
SEND_SECONDS: Final = "gateway_send_seconds"


class Answered(Struct, array_like=True, frozen=True):
    """Push services' answers, and the milliseconds that they took together."""

    n: int = 0
    total: int = 0


class Facts(Struct, frozen=True, omit_defaults=True, kw_only=True):
    limit: int = 0  # of open files
    used: int = 0
    inbound: int = 0  # connections that may be open; 0: it serves nobody
    inbound_used: int = 0
    refused: int = 0  # connections answered 503 unread
    accept_failures: int = 0  # times that the system had no descriptor left
    database_clock: int | None = None  # ms that this machine's clock is ahead of the database's
    push_clock: int | None = None  # ms that it is ahead of a push service's
    push_clock_of: str = ""  # its host
    certificate_errors: int = 0
    certificate_error: str = ""  # the last
    events: int = 0  # reports of browsers that were stored
    events_refused: int = 0  # that were asked to come again
    deaths: int = 0  # of its senders
    answered: dict[str, Answered] = {}  # by provider


encode = json.Encoder().encode
decode = json.Decoder(Facts).decode


def answered(registry: CollectorRegistry) -> dict[str, Answered]:
    """From the histogram that counts how long push services take."""
    sums: dict[str, dict[str, float]] = {}
    for family in registry.collect():
        if family.name == SEND_SECONDS:
            for sample in family.samples:
                if sample.name.endswith(("_sum", "_count")):
                    of = sums.setdefault(sample.labels.get("provider", ""), {})
                    of[sample.name.rpartition("_")[2]] = sample.value
    return {
        provider: Answered(round(of.get("count", 0)), round(1_000 * of.get("sum", 0)))
        for provider, of in sums.items()
    }


@asynccontextmanager
async def vitals_reported(
    context: Context, owner: str, role: str, look: Callable[[], Facts], every: float = REPORT_EVERY
) -> AsyncIterator[None]:
    """While inside, what `look` says is in the database, `every` seconds anew."""
    task = asyncio.create_task(_report(context, owner, role, look, every), name="vitals")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(StorageUnavailable):
            await context.database.write(lambda tx: vitals.forget(tx, owner))


async def _report(context: Context, owner: str, role: str, look: Callable[[], Facts], every: float) -> None:
    while True:
        try:
            await report_vitals(context, owner, role, look())
        except StorageUnavailable as exc:
            log.warning("vitals.not_reported", hint=exc.hint)
        await asyncio.sleep(every)


async def report_vitals(context: Context, owner: str, role: str, facts: Facts) -> None:
    """Once. Raises StorageUnavailable."""
    database, clock = context.database, context.clock
    asked_at = clock.now()
    theirs = await database.read(vitals.clock)
    now = clock.now()
    ahead = None if theirs is None else (asked_at + now) // 2 - theirs
    text = encode(replace(facts, database_clock=ahead)).decode()
    told = Vitals(owner, role, socket.gethostname(), os.getpid(), now, text)

    async def body(tx: Transaction) -> None:
        await vitals.report(tx, told)
        await vitals.forget_unseen(tx, now - FORGOTTEN)

    await database.write(body)
