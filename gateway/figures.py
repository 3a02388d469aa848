"""Metrics across processes: all report through the database, whoever is scraped shows those of senders.

A sender's samples carry the label `sender`; those of the process that is scraped do not. Nothing has to be
configured, and it works for senders on other machines, too. Processes that answer requests are scraped
themselves: they report only what `/v1/system` shows. Where several share a port nobody knows which of them is
scraped: they report like senders, and their samples carry the label `process`.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from msgspec import Struct, json
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from gateway.context import Context
from gateway.logs import Log
from gateway.process import Role
from storage import processes
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.processes import Process

log = Log(__name__)

METRICS_TYPE: Final = "text/plain; version=0.0.4"
REPORT_EVERY: Final = 5.0  # seconds
ALIVE: Final = 15_000  # ms since the last report: two may be lost
FORGOTTEN: Final = 3_600_000  # ms
SHOWN_OF_OTHERS: Final = (
    "gateway_cpu_seconds",
    "gateway_events_waiting",
    "gateway_memory_bytes",
    "gateway_open_files",
    "gateway_process_info",
)


class Figure(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class Family(Struct, array_like=True, frozen=True):
    """With help and type, because the reader may know the family not."""

    name: str
    documentation: str
    kind: str
    samples: list[Figure]


_decode = json.Decoder(list[Family]).decode


def write_figures(registry: CollectorRegistry, role: Role = Role.SEND, *, whole: bool = False) -> str:
    """The samples of a process as JSON: all of them, or what `/v1/system` shows."""
    families = [
        Family(
            family.name,
            family.documentation,
            family.type,
            [
                Figure(sample.name, sample.labels, sample.value)
                for sample in family.samples
                if not sample.name.endswith("_created")
            ],
        )
        for family in registry.collect()
        if whole or role is Role.SEND or family.name in SHOWN_OF_OTHERS
    ]
    return json.encode(families).decode()


def read_figures(figures: str) -> Mapping[str, Sequence[Figure]]:
    """What `write_figures` wrote, by the samples' names."""
    found: dict[str, list[Figure]] = {}
    for family in _decode(figures):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


async def living(context: Context) -> Sequence[Process]:
    """All processes that have reported of late. Raises StorageUnavailable."""
    since = context.clock.now() - ALIVE
    return await context.database.read(lambda tx: processes.seen_since(tx, since))


async def render_own(context: Context) -> bytes:
    """This process' metrics alone: a sender's own port, where it must not be counted twice."""
    return render(context.registry, (), ())


def render(own: CollectorRegistry, others: Sequence[Process], more: Iterable[Metric]) -> bytes:
    """As Prometheus reads them: a process' own metrics, those of others under their names, and `more`."""
    return generate_latest(_Together(own, others, more))


@asynccontextmanager
async def reported(context: Context, owner: str, role: Role) -> AsyncIterator[None]:
    """While inside, this process' figures are in the database, at most REPORT_EVERY seconds old."""
    task = asyncio.create_task(_report(context, owner, role), name="figures")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(StorageUnavailable):
            await context.database.write(lambda tx: processes.forget(tx, owner))


async def _report(context: Context, owner: str, role: Role) -> None:
    started_at = context.clock.now()
    while True:
        now = context.clock.now()
        figures = write_figures(context.registry, role, whole=context.family is not None)
        process = Process(owner, role.value, socket.gethostname(), os.getpid(), started_at, now, figures)

        async def body(tx: Transaction, process: Process = process, now: int = now) -> None:
            await processes.report(tx, process)
            await processes.forget_unseen(tx, now - FORGOTTEN)

        try:
            await context.database.write(body)
        except StorageUnavailable as exc:
            log.warning("figures.not_reported", hint=exc.hint)
        await asyncio.sleep(REPORT_EVERY)


class _Together:
    """What `generate_latest` wants of a registry: families, each once, with the samples of all processes."""

    def __init__(self, own: CollectorRegistry, others: Sequence[Process], more: Iterable[Metric]) -> None:
        self._own = own
        self._more = more
        self._others = others

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in (*self._own.collect(), *self._more)}
        for other in self._others:
            for told in _decode(other.figures):
                family = families.get(told.name)
                if family is None:
                    family = families[told.name] = Metric(told.name, told.documentation, told.kind)
                whose = "sender" if other.role == Role.SEND else "process"
                for sample in told.samples:
                    family.add_sample(sample.name, {**sample.labels, whose: other.owner}, sample.value)
        yield from families.values()
