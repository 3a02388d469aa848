"""When a push that failed for now is tried again, and for how long. Pure: time and chance are arguments.

All times in milliseconds since the epoch, all lengths in milliseconds unless named otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

# Beyond this the exponent no longer matters: `longest` has been reached, and the numbers would only grow.
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter: half of each wait is certain, the other half is chance."""

    first: int = 4 * SECOND
    longest: int = 30 * MINUTE

    def back_off(self, attempt: int, random: Callable[[], float]) -> int:
        """How long to wait after `attempt` (1 is the first) failed. `random` gives 0 ≤ x < 1."""
        whole = min(self.longest, self.first << min(attempt - 1, _MOST_DOUBLINGS))
        return round(whole * (0.5 + random() / 2))

    def next_attempt_at(
        self, now: int, attempt: int, retry_after: int, deadline: int, random: Callable[[], float]
    ) -> int | None:
        """When to try again after `attempt` failed; None when that would be at or past the deadline.

        Never before what the push service asked for in Retry-After (RFC 9110 section 10.2.3; 0: it did not).
        """
        due_at = now + max(retry_after, self.back_off(attempt, random))
        return due_at if due_at < deadline else None


def deadline(first_attempt_at: int, ttl: int, expires_at: int | None) -> int:
    """The moment from which nothing more is sent: TTL (seconds) after the first attempt, or `expires_at`."""
    end = first_attempt_at + ttl * SECOND
    return end if expires_at is None else min(end, expires_at)


def remaining_ttl(deadline_at: int, now: int) -> int:
    """The TTL of a push sent now, in seconds: what is left, rounded up; at least 1, as Apple refuses 0."""
    return max(1, -((now - deadline_at) // SECOND))
