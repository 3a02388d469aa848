"""What `serve`, `api` and `send` say of themselves to whoever watches (gateway.watch.vitals)."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from gateway.event_counts import EventCounts
from gateway.openfiles import Acceptor, Budget, open_files
from gateway.supervise import Supervisor
from gateway.watch.vitals import Facts, answered
from gateway.webpush import CurlTransport

# Reasons for which browsers keep an event and bring it again.
_COME_AGAIN = ("too_many_waiting", "not_stored")


def of_server(
    budget: Budget, acceptor: Acceptor, events: EventCounts, supervisor: Supervisor | None = None
) -> Callable[[], Facts]:
    """`supervisor`: of senders, in the process that has any."""

    def look() -> Facts:
        counts = acceptor.counts
        return Facts(
            limit=budget.limit,
            used=open_files(budget.limit),
            inbound=acceptor.capacity,
            inbound_used=acceptor.open_connections,
            refused=counts.refused,
            accept_failures=counts.accept_failures,
            events=events.recorded,
            events_refused=sum(events.refused[reason] for reason in _COME_AGAIN),
            deaths=0 if supervisor is None else supervisor.deaths,
        )

    return look


def of_sender(budget: Budget, transport: CurlTransport, registry: CollectorRegistry) -> Callable[[], Facts]:
    observed = transport.observed

    def look() -> Facts:
        observed.wants_date = True
        return Facts(
            limit=budget.limit,
            used=open_files(budget.limit),
            push_clock=observed.ahead_ms,
            push_clock_of=observed.ahead_of,
            certificate_errors=observed.certificate_errors,
            certificate_error=observed.certificate_error,
            answered=answered(registry),
        )

    return look
