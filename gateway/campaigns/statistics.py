"""Shares and what they prove. Pure."""

import math
from typing import NamedTuple

Z_95 = 1.959963984540054  # of the normal distribution: 95 % lie within so many standard deviations


class Interval(NamedTuple):
    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval | None:
    """The 95 % score interval of a share (Wilson 1927): true also near 0 and 1 and for few trials.

    None without any trial. `successes` is at most `trials`.
    """
    if not trials:
        return None
    share, z2 = successes / trials, Z_95 * Z_95
    middle = share + z2 / (2 * trials)
    margin = Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    whole = 1 + z2 / trials
    return Interval(max(0.0, (middle - margin) / whole), min(1.0, (middle + margin) / whole))


def two_proportions(successes_a: int, trials_a: int, successes_b: int, trials_b: int) -> float:
    """p of the two-sided z-test, with the pooled share, that both are the same; 1.0 when nothing tells."""
    trials = trials_a * trials_b
    pooled = (successes_a + successes_b) / (trials_a + trials_b) if trials else 0.0
    if not 0 < pooled < 1:
        return 1.0
    error = math.sqrt(pooled * (1 - pooled) * (1 / trials_a + 1 / trials_b))
    z = (successes_a / trials_a - successes_b / trials_b) / error
    return math.erfc(abs(z) / math.sqrt(2))
