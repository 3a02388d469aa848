"""Against figures that are printed, or follow by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.statistics import two_proportions, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_score_interval_is_that_of_the_textbook(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson(successes, trials)
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_without_a_trial_there_is_no_interval() -> None:
    assert wilson(0, 0) is None


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_share_and_stays_between_nothing_and_all(pair: tuple[int, int]) -> None:
    successes, trials = pair
    interval = wilson(successes, trials)
    assert interval is not None
    assert 0 <= interval.low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= interval.high <= 1


def test_p_is_that_of_the_z_of_the_pooled_share() -> None:
    # 12 % and 9 % of 1,000: pooled 10.5 %, z = 0.03 / sqrt(0.105 * 0.895 * 2 / 1000) = 2.1883.
    # Beyond 2.1883 lie 2 * 0.01433 of the normal distribution.
    assert two_proportions(120, 1_000, 90, 1_000) == pytest.approx(0.02865, abs=1e-5)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_it_is_the_chi_squared_test_of_the_four_fields(a: int, b: int, c: int, d: int) -> None:
    """Without a correction for continuity: its statistic is the square of z."""
    chi2 = (a + b + c + d) * (a * d - b * c) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
    assert two_proportions(a, a + b, c, c + d) == pytest.approx(math.erfc(math.sqrt(chi2 / 2)), rel=1e-9)


def test_five_per_cent_is_at_a_z_of_1_96() -> None:
    # Both shares 1/2 + d and 1/2 - d of 10,000: the pooled share is 1/2 and z = 2 d sqrt(2 * 10,000)
    assert (
        two_proportions(5_139, 10_000, 5_000, 10_000) < 0.05 < two_proportions(5_138, 10_000, 5_000, 10_000)
    )


@pytest.mark.parametrize("nothing", [(0, 0, 0, 0), (0, 100, 0, 100), (100, 100, 100, 100), (5, 10, 0, 0)])
def test_where_nothing_tells_them_apart_p_is_one(nothing: tuple[int, int, int, int]) -> None:
    assert two_proportions(*nothing) == 1.0


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_order_does_not_matter(a: int, b: int) -> None:
    assert two_proportions(a, 500, b, 500) == two_proportions(b, 500, a, 500)
