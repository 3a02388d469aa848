"""`/v1/system`: what the gateway itself is doing, for whoever runs it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gateway import system
from gateway.api.doorkeeper import require_all_sites
from gateway.api.moments import Moment, to_moment, to_optional_moment
from gateway.api.route import Call, route
from gateway.system import Breaker
from storage.tokens import Scope


class Database(Struct, frozen=True):
    dialect: Annotated[str, Meta(description="`sqlite` or `postgres`.")]
    size_bytes: int
    latency_ms: Annotated[float, Meta(description="Of the look that found this.")]


class OpenFiles(Struct, frozen=True):
    """Of the process that was asked."""

    limit: int
    used: int
    inbound: Annotated[int, Meta(description="Connections that callers may hold.")]
    inbound_used: int
    refused: Annotated[
        Mapping[str, int], Meta(description="Connections answered 503 unread, by reason, since its start.")
    ]


class Process(Struct, frozen=True):
    """As it reported last: every five seconds."""

    owner: Annotated[str, Meta(description="Unique to the life of the process.")]
    role: Annotated[str, Meta(description="`serve`, `api` or `send`.")]
    version: str
    host: str
    pid: int
    started_at: Moment
    seen_at: Moment
    cpu_seconds: float
    memory_bytes: int
    in_flight: Annotated[int, Meta(description="Pushes POSTed and not answered.")]
    unrecorded: Annotated[int, Meta(description="Answers that are not in the database yet.")]


class Provider(Struct, frozen=True):
    provider: str
    window: Annotated[int, Meta(description="Pushes that may be in flight to it, of all senders together.")]
    in_flight: int
    held_until: Annotated[
        Moment | None, Meta(description="null while it is open: until an admin resumes it.")
    ]
    reason: Annotated[str | None, Meta(description="Why it is held.")]
    breaker: Annotated[
        Breaker, Meta(description="`open`: held, nothing is sent. `half_open`: a few are tried.")
    ]


class System(Struct, frozen=True):
    version: str
    database: Database
    open_files: OpenFiles
    processes: Sequence[Process]
    providers: Sequence[Provider]
    events_waiting: Annotated[int, Meta(description="Browsers' reports that are not stored yet.")]
    clock_offset_ms: Annotated[
        int | None,
        Meta(description="How far the clock that is most off is ahead; null: nothing to compare it with."),
    ]


@route("GET", "/v1/system", "Show what the gateway itself is doing", scope=Scope.READ)
async def show_system(call: Call[None, None]) -> System:
    """Processes on all machines, push services, database, open files. Needs a token for all sites."""
    require_all_sites(call.token)
    found = await system.look(call.context)
    files = found.open_files
    return System(
        version=found.version,
        database=Database(found.dialect, found.size_bytes, round(found.latency_ms, 3)),
        open_files=OpenFiles(files.limit, files.used, files.inbound, files.inbound_used, files.refused),
        processes=[
            Process(
                each.owner,
                each.role,
                each.version,
                each.host,
                each.pid,
                to_moment(each.started_at),
                to_moment(each.seen_at),
                round(each.cpu_seconds, 3),
                each.memory_bytes,
                each.in_flight,
                each.unrecorded,
            )
            for each in found.processes
        ],
        providers=[
            Provider(
                each.provider,
                each.window,
                each.in_flight,
                to_optional_moment(each.held_until),
                each.reason,
                each.breaker,
            )
            for each in found.providers
        ],
        events_waiting=found.events_waiting,
        clock_offset_ms=found.clock_offset_ms,
    )


ROUTES = (show_system,)
