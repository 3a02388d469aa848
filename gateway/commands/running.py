"""The part of `check` that looks at a gateway at work, on all machines: as /v1/system and /v1/alerts do."""

from gateway import system
from gateway.commands.findings import Findings
from gateway.context import Context
from gateway.process import Role
from gateway.system import Breaker, Process, Provider, System
from storage import alerts, work
from storage.alerts import Alert

SLOW = 250.0  # ms that a look at the database may take
CLOCK_OFF = 30_000  # ms; push services refuse tokens of a clock that is far off
CRITICAL = "critical"
RUNBOOK = "docs/runbook.md"


async def check_running(context: Context, found: Findings) -> None:
    """Raises StorageError. Where nothing runs there is nothing to find."""
    seen = await system.look(context)
    waiting = (await context.database.read(work.counts)).sending
    _database(seen, found)
    _processes(seen, waiting, found)
    _clock(seen, found)
    for provider in seen.providers:
        _provider(provider, found)
    raised = await context.database.read(alerts.raised)
    for alert in raised:
        _alert(alert, found)
    if not raised:
        found.good("alerts", "none is raised")


def _database(seen: System, found: Findings) -> None:
    text = f"{seen.size_bytes / 1_000_000:,.1f} MB, answers in {seen.latency_ms:.1f} ms"
    if seen.latency_ms > SLOW:
        found.warn("database", f"{text}: its disk or its server is slow ({RUNBOOK}#database).")
    else:
        found.good("database", text)


def _processes(seen: System, waiting: int, found: Findings) -> None:
    for process in seen.processes:
        found.good(process.role, _line(process))
    if any(process.role == Role.SEND for process in seen.processes):
        return
    if waiting:
        found.bad("senders", f"None is alive, and {waiting} messages wait to be sent ({RUNBOOK}#senders).")
    else:
        found.good("senders", "none runs now, and nothing is to be sent")


def _line(process: Process) -> str:
    files = "" if not process.open_files else f", {process.open_files} open files"
    return (
        f"process {process.pid} on {process.host}, version {process.version}: "
        f"{process.cpu_seconds:,.0f} s of CPU, {process.memory_bytes / 1_000_000:,.0f} MB{files}, "
        f"{process.in_flight} pushes in flight, {process.unrecorded} answers unrecorded"
    )


def _clock(seen: System, found: Findings) -> None:
    offset = seen.clock_offset_ms
    if offset is None:
        return
    word = "ahead of" if offset > 0 else "behind"
    text = f"{abs(offset) / 1_000:.1f} s {word} the database's or the push services'"
    if abs(offset) > CLOCK_OFF:
        found.bad("clock", f"{text}: set it (NTP, {RUNBOOK}#clock).")
    else:
        found.good("clock", text)


def _provider(provider: Provider, found: Findings) -> None:
    text = f"{provider.provider}: {provider.in_flight} in flight, room for {provider.window}"
    if provider.breaker is Breaker.CLOSED:
        if provider.window:
            found.good("push service", text)
    elif provider.breaker is Breaker.HALF_OPEN:
        found.warn("push service", f"{text}; it was held, and a few are tried")
    elif provider.reason == "mass_gone":
        found.bad("push service", f"{text}; it called too many subscriptions gone ({RUNBOOK}#mass_gone).")
    else:
        found.warn("push service", f"{text}; it is held for {provider.reason} ({RUNBOOK}#breaker).")


def _alert(alert: Alert, found: Findings) -> None:
    tell = found.bad if alert.severity == CRITICAL else found.warn
    tell("alert", f"{alert.summary} {' '.join(alert.look_at[:1])} ({RUNBOOK}#{alert.name})")
