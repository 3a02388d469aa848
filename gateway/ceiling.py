"""How many new subscriptions a site gets from browsers in an hour: what a flood of made-up ones runs into."""

from gateway.clock import Clock
from gateway.errors import TooManyRequests

NEW_PER_HOUR = 10_000

_HOUR = 3_600


class HourlyCeiling:
    """Counted per process and per hour of its life. Imports and browsers that are known do not count."""

    def __init__(self, clock: Clock, limit: int = NEW_PER_HOUR) -> None:
        self._clock = clock
        self._limit = limit
        self._hour = 0
        self._counts: dict[int, int] = {}

    def is_reached(self, site_id: int) -> bool:
        self._turn()
        return self._counts.get(site_id, 0) >= self._limit

    def count(self, site_id: int) -> None:
        self._turn()
        self._counts[site_id] = self._counts.get(site_id, 0) + 1

    def refusal(self) -> TooManyRequests:
        """Come back when the hour is over."""
        left = _HOUR - int(self._clock.monotonic()) % _HOUR
        return TooManyRequests("This site had too many new subscriptions within the hour.", retry_after=left)

    def _turn(self) -> None:
        hour = int(self._clock.monotonic()) // _HOUR
        if hour != self._hour:
            self._hour = hour
            self._counts.clear()
