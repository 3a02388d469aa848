"""A clock that moves when the test says so."""


class FakeClock:
    """Starts at 2026-01-01T00:00:00Z; `advance` moves both hands, `set_now` only the wall clock."""

    def __init__(self, now: int = 1_767_225_600_000) -> None:
        self._now = now
        self._monotonic = 1_000.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * 1_000)
        self._monotonic += seconds

    def set_now(self, now: int) -> None:
        self._now = now
