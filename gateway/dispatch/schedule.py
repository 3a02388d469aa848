"""When a delivery that failed is tried again. Pure."""

from collections.abc import Callable

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

# After the first attempt, the second, …: ten attempts within some two days, as Standard Webhooks advises.
WAITS = (
    5 * SECOND,
    MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
)
JITTER = 0.2  # of the wait, at most: what failed together does not come back together


def next_attempt_at(now: int, attempts: int, retry_after: int, random: Callable[[], float]) -> int | None:
    """After so many attempts; None when that was the last. `retry_after`: milliseconds asked for."""
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1] * (1 + JITTER * (2 * random() - 1))
    return now + max(round(wait), retry_after)
