"""Metrics across processes: senders report theirs through the database, whoever is scraped shows them all.

A sender's samples carry the label `sender`; those of the process that is scraped do not. Nothing has to be
configured, and it works for senders on other machines, too.
"""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec import Struct, json
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.context import Context
from gateway.logs import Log
from storage import senders
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.senders import Sender

log = Log(__name__)

METRICS_TYPE: Final = "text/plain; version=0.0.4"
REPORT_EVERY: Final = 5.0  # seconds
ALIVE: Final = 15_000  # ms since the last report: two may be lost
FORGOTTEN: Final = 3_600_000  # ms


class Figure(Struct, array_like=True, frozen=True):
    """One sample. Its family's name, help and type go with it, because the reader may know the family not."""

    family: str
    documentation: str
    kind: str
    name: str
    labels: dict[str, str]
    value: float


_decode = json.Decoder(list[Figure]).decode


def write_figures(registry: CollectorRegistry) -> str:
    """All samples of a process as JSON, and what it has used of the machine."""
    figures = [
        Figure(family.name, family.documentation, family.type, sample.name, sample.labels, sample.value)
        for family in (*registry.collect(), *_use())
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    return json.encode(figures).decode()


async def render_metrics(context: Context) -> bytes:
    """This process' metrics and those of every living sender, as Prometheus reads them."""
    since = context.clock.now() - ALIVE
    try:
        living = await context.database.read(lambda tx: senders.seen_since(tx, since))
    except StorageUnavailable:
        living = []  # the rest is worth showing all the more
    return generate_latest(_Together(context.registry, living))


async def render_own(context: Context) -> bytes:
    """This process' metrics alone: a sender's own port, where it must not be counted twice."""
    return generate_latest(_Together(context.registry, []))


@asynccontextmanager
async def reported(context: Context, owner: str) -> AsyncIterator[None]:
    """While inside, this process' figures are in the database, at most REPORT_EVERY seconds old."""
    task = asyncio.create_task(_report(context, owner), name="sender-figures")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(StorageUnavailable):
            await context.database.write(lambda tx: senders.forget(tx, owner))


async def _report(context: Context, owner: str) -> None:
    started_at = context.clock.now()
    while True:
        now = context.clock.now()
        figures = write_figures(context.registry)
        sender = Sender(owner, socket.gethostname(), os.getpid(), started_at, now, figures)

        async def body(tx: Transaction, sender: Sender = sender, now: int = now) -> None:
            await senders.report(tx, sender)
            await senders.forget_unseen(tx, now - FORGOTTEN)

        try:
            await context.database.write(body)
        except StorageUnavailable as exc:
            log.warning("figures.not_reported", hint=exc.hint)
        await asyncio.sleep(REPORT_EVERY)


class _Together:
    """What `generate_latest` wants of a registry: families, each once, with the samples of all processes."""

    def __init__(self, own: CollectorRegistry, others: Sequence[Sender]) -> None:
        self._own = own
        self._others = others

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in (*self._own.collect(), *_use())}
        for other in self._others:
            for figure in _decode(other.figures):
                family = families.get(figure.family)
                if family is None:
                    family = families[figure.family] = Metric(
                        figure.family, figure.documentation, figure.kind
                    )
                family.add_sample(figure.name, {**figure.labels, "sender": other.owner}, figure.value)
        yield from families.values()


def _use() -> Iterator[Metric]:
    """CPU and memory of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield CounterMetricFamily(
        "gateway_cpu_seconds", "CPU time, user and system.", value=used.ru_utime + used.ru_stime
    )
    yield GaugeMetricFamily(
        "gateway_peak_memory_bytes", "The most memory it ever held.", value=used.ru_maxrss * 1024
    )
