"""What must not be POSTed for now: as the database says, and as this sender has just found out itself."""

from collections.abc import Iterable

from storage.throttles import EVERY_PROVIDER, EVERY_SITE, MASS_GONE, Throttle

# Milliseconds that a hold of our own counts although the database does not say so (yet): it is written with
# the next flush. When the database cannot be written nothing is sent anyway.
OWN = 1_000

Held = tuple[int, str]  # site id, provider


class Gate:
    """Times are milliseconds since the epoch."""

    def __init__(self) -> None:
        self._until: dict[Held, int] = {}
        self._own: dict[Held, tuple[int, int]] = {}  # until when, and when it was made
        self._failures: dict[Held, int] = {}
        self._suspicious: frozenset[str] = frozenset()
        self._suspected: dict[str, int] = {}  # by this sender, and when
        self._trusted: frozenset[str] = frozenset()

    def know(self, throttles: Iterable[Throttle], now: int) -> None:
        """What storage.throttles.in_force says."""
        rows = list(throttles)
        self._until = {(row.site_id, row.provider): row.not_before for row in rows if row.not_before > now}
        self._own = {
            held: (until, made)
            for held, (until, made) in self._own.items()
            if made > now - OWN and until > now
        }
        own_failures = {held: self._failures[held] for held in self._own if held in self._failures}
        self._failures = {(row.site_id, row.provider): row.failures for row in rows if row.failures}
        for held, (until, _) in self._own.items():
            self._until[held] = max(until, self._until.get(held, 0))
        for held, failures in own_failures.items():
            self._failures[held] = max(failures, self._failures.get(held, 0))
        self._suspected = {name: made for name, made in self._suspected.items() if made > now - OWN}
        self._suspicious = frozenset(
            row.provider for row in rows if row.reason == MASS_GONE and row.not_before > now
        ).union(self._suspected)
        self._trusted = frozenset(row.provider for row in rows if row.trusted_until > now)

    def hold(self, held: Held, until: int, now: int, failures: int) -> None:
        """Found out by this sender: from now on."""
        self._failures[held] = failures
        self._own[held] = (max(until, self._own.get(held, (0, 0))[0]), now)
        self._until[held] = max(until, self._until.get(held, 0))

    def failures(self, held: Held) -> int:
        """How many holds in a row there have been, for all senders."""
        return self._failures.get(held, 0)

    @property
    def failing(self) -> bool:
        """Whether anything is known to have failed and not to have answered since."""
        return bool(self._failures)

    def until(self, held: Held) -> int:
        """When the hold ends, or has ended; 0 without one."""
        return self._until.get(held, 0)

    def recover(self, held: Held) -> None:
        """It answers again."""
        self._failures.pop(held, None)

    def suspect(self, provider: str, now: int) -> None:
        """Its 404s are not to be believed, until the database says otherwise."""
        self._suspected[provider] = now
        self._suspicious |= {provider}

    def believes(self, provider: str) -> bool:
        """Whether its 404s and 410s end subscriptions."""
        return provider not in self._suspicious

    def trusts(self, provider: str) -> bool:
        """Whether an admin has confirmed of late that so many are gone."""
        return provider in self._trusted

    def provider_is_held(self, provider: str, now: int) -> bool:
        return bool(self._until) and (
            self._holds((EVERY_SITE, provider), now) or self._holds((EVERY_SITE, EVERY_PROVIDER), now)
        )

    def is_held(self, site_id: int, provider: str, now: int) -> bool:
        """Whether the site may not send to the provider: because of the provider, the site, or both."""
        return bool(self._until) and (
            self.provider_is_held(provider, now)
            or self._holds((site_id, provider), now)
            or self._holds((site_id, EVERY_PROVIDER), now)
        )

    def held(self, now: int) -> dict[Held, int]:
        """Everything that is held, and until when."""
        return {held: until for held, until in self._until.items() if until > now}

    def _holds(self, held: Held, now: int) -> bool:
        return self._until.get(held, 0) > now
