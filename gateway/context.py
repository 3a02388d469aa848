"""What a use case works with: the world outside, injected once where the process is wired (gateway.app)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from gateway.clock import Clock
from gateway.master_key import MasterKey
from gateway.rates import RecentRates
from gateway.settings import Settings
from gateway.webhooks.interest import Interest
from gateway.webpush import PushHosts
from storage.database import Database
from storage.ids import IdSource


@dataclass(frozen=True, slots=True)
class Context:
    """One per process; everything in it may be shared by all requests."""

    database: Database
    clock: Clock
    ids: IdSource
    master_key: MasterKey
    settings: Settings
    push_hosts: PushHosts
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    recent_rates: RecentRates = field(default_factory=RecentRates)
    interest: Interest = field(default_factory=Interest)  # of webhooks
    # Where several processes answer on one port: what the owners of all of them begin with.
    family: str | None = None
    # Each says why this process should get no requests now, or None; the database is looked at anyway.
    readiness: tuple[Callable[[], str | None], ...] = ()
