"""How much of the dispatcher one receiver gets: little while it fails, more while it works. Pure."""

WIDEST = 4  # requests in flight to one receiver: order is kept loosely, and a slow one holds up nobody else
MOST_IN_FLIGHT = 64  # to all
LONGEST_REST = 60.0  # seconds


class Lane:
    """Of one webhook. Times are seconds of a monotonic clock.

    A failure narrows it to one request and lets it rest, each time longer: a receiver that is away costs one
    request a minute, however many deliveries wait for it.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._width = 1
        self._failures = 0
        self._rests_until = 0.0

    def room(self, now: float, in_flight: int) -> int:
        """Requests that it may begin now, when so many are in flight to all.

        While half of all room is taken each gets one: receivers that are slow together leave the rest some.
        """
        if now < self._rests_until:
            return 0
        width = self._width if in_flight < MOST_IN_FLIGHT // 2 else 1
        return max(0, min(width - self.in_flight, MOST_IN_FLIGHT - in_flight))

    def worked(self) -> None:
        self._failures = 0
        self._width = min(self._width + 1, WIDEST)

    def failed(self, now: float) -> None:
        self._width = 1
        self._rests_until = now + min(2.0**self._failures, LONGEST_REST)
        self._failures = min(self._failures + 1, 10)

    def is_idle(self, now: float) -> bool:
        """Without anything to send it may be forgotten."""
        return not self.in_flight and not self._failures and now >= self._rests_until
