"""What the gateway itself is doing: its processes on all machines, push services, database, open files."""

import os
import resource
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway import VERSION
from gateway.context import Context
from gateway.figures import ALIVE, Figure, read_figures
from gateway.openfiles import open_files
from gateway.process import Role
from gateway.watch import vitals as watch
from storage import processes, throttles, vitals
from storage.batches import PROVIDERS
from storage.database import Transaction
from storage.processes import Process as Reported
from storage.throttles import EVERY_SITE, FOR_GOOD, Throttle
from storage.vitals import Vitals

Figures = Mapping[str, Sequence[Figure]]


class Breaker(StrEnum):
    CLOSED = "closed"
    OPEN = "open"  # held: nothing is sent
    HALF_OPEN = "half_open"  # the hold is over, and no answer has come yet that ends its row


@dataclass(frozen=True, slots=True)
class OpenFiles:
    limit: int
    used: int
    inbound: int  # connections that callers may hold; 0: nobody listens in this process
    inbound_used: int
    refused: Mapping[str, int]  # by reason


@dataclass(frozen=True, slots=True)
class Process:
    owner: str
    role: str
    version: str
    host: str
    pid: int
    started_at: int
    seen_at: int
    cpu_seconds: float
    memory_bytes: int
    in_flight: int  # POSTed, not answered
    unrecorded: int  # answered, not recorded
    open_files: int


@dataclass(frozen=True, slots=True)
class Provider:
    provider: str
    window: int  # of all senders together
    in_flight: int
    held_until: int | None  # None while held: until an admin resumes it
    reason: str | None
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class System:
    dialect: str
    size_bytes: int
    latency_ms: float
    open_files: OpenFiles
    processes: Sequence[Process]
    providers: Sequence[Provider]
    events_waiting: int
    clock_offset_ms: int | None = None
    version: str = field(default=VERSION)


async def look(context: Context) -> System:
    """At this moment; other processes are seen as they reported last, a few seconds ago."""
    clock = context.clock
    now, began_at = clock.now(), clock.monotonic()

    async def body(tx: Transaction) -> _Seen:
        return _Seen(
            await processes.seen_since(tx, now - ALIVE),
            await throttles.of_site(tx, EVERY_SITE),
            await processes.database_size(tx),
            await vitals.seen_since(tx, now - watch.ALIVE),
        )

    reported, held, size, said = await context.database.read(body)
    latency_ms = (clock.monotonic() - began_at) * 1_000
    told = {each.owner: read_figures(each.figures) for each in reported}
    own = own_figures(context)
    return System(
        dialect=context.database.dialect,
        size_bytes=size,
        latency_ms=latency_ms,
        open_files=files_of(own),
        processes=[_process(each, told[each.owner]) for each in reported],
        providers=providers(held, [told[each.owner] for each in reported if each.role == Role.SEND], now),
        events_waiting=round(
            total(own, "gateway_events_waiting")
            + sum(
                total(told[each.owner], "gateway_events_waiting") for each in reported if not _is_this(each)
            )
        ),
        clock_offset_ms=clock_offset(said),
    )


class _Seen(NamedTuple):
    reported: Sequence[Reported]
    held: Sequence[Throttle]
    size: int
    vitals: Sequence[Vitals]


def clock_offset(said: Sequence[Vitals]) -> int | None:
    """Of the clock that is most off, how far it is ahead of the database's or a push service's."""
    facts = [watch.decode(each.facts) for each in said]
    offsets = [
        ahead for each in facts for ahead in (each.database_clock, each.push_clock) if ahead is not None
    ]
    return max(offsets, key=abs, default=None)


def own_figures(context: Context) -> Figures:
    """Of this process, at this moment."""
    found: dict[str, list[Figure]] = {}
    for family in context.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, []).append(Figure(sample.name, sample.labels, sample.value))
    return found


def total(figures: Figures, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(
        each.value
        for each in figures.get(name, ())
        if all(each.labels.get(label) == value for label, value in labels.items())
    )


def files_of(figures: Figures) -> OpenFiles:
    limit = round(total(figures, "gateway_open_files_limit"))
    if not limit:  # a process without a budget, a test's say
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return OpenFiles(
        limit=limit,
        used=round(total(figures, "gateway_open_files")) or open_files(limit),
        inbound=round(total(figures, "gateway_connections_limit")),
        inbound_used=round(total(figures, "gateway_connections")),
        refused={
            each.labels["reason"]: round(each.value)
            for each in figures.get("gateway_connections_refused_total", ())
        },
    )


def providers(held: Sequence[Throttle], senders: Sequence[Figures], now: int) -> Sequence[Provider]:
    """All that there are, as the living senders and the holds show them."""
    holds = {each.provider: each for each in held}
    found = []
    for name in PROVIDERS:
        hold = holds.get(name)
        is_held = hold is not None and hold.not_before > now
        until = hold.not_before if hold is not None and is_held and hold.not_before < FOR_GOOD else None
        found.append(
            Provider(
                provider=name,
                window=round(sum(total(each, "gateway_provider_window", provider=name) for each in senders)),
                in_flight=round(
                    sum(total(each, "gateway_provider_in_flight", provider=name) for each in senders)
                ),
                held_until=until,
                reason=hold.reason if hold is not None and is_held else None,
                breaker=breaker_of(hold, now),
            )
        )
    return found


def breaker_of(hold: Throttle | None, now: int) -> Breaker:
    if hold is None:
        return Breaker.CLOSED
    if hold.not_before > now:
        return Breaker.OPEN
    return Breaker.HALF_OPEN if hold.failures > 0 else Breaker.CLOSED


def _process(reported: Reported, figures: Figures) -> Process:
    info = figures.get("gateway_process_info", ())
    return Process(
        owner=reported.owner,
        role=reported.role,
        version=info[0].labels["version"] if info else "",
        host=reported.host,
        pid=reported.pid,
        started_at=reported.started_at,
        seen_at=reported.seen_at,
        cpu_seconds=total(figures, "gateway_cpu_seconds_total"),
        memory_bytes=round(total(figures, "gateway_memory_bytes")),
        in_flight=round(total(figures, "gateway_pushes_in_flight")),
        unrecorded=round(total(figures, "gateway_results_unrecorded")),
        open_files=round(total(figures, "gateway_open_files")),
    )


def _is_this(reported: Reported) -> bool:
    return (reported.host, reported.pid) == (socket.gethostname(), os.getpid())
