from hypothesis import given
from hypothesis import strategies as st

from storage.durations import Durations, Timings

BOUNDS = (0.01, 0.1, 1.0)


def test_a_duration_counts_in_the_first_bucket_that_is_long_enough() -> None:
    found = Durations(BOUNDS)
    for seconds in (0.005, 0.01, 0.02, 1.0, 5.0):
        found.add(seconds)
    assert found.cumulative == [("0.01", 2.0), ("0.1", 3.0), ("1.0", 4.0), ("+Inf", 5.0)]
    assert found.total == 6.035


@given(st.lists(st.integers(min_value=0, max_value=3_000)), st.integers(min_value=0, max_value=10**13))
def test_moments_count_as_if_each_had_been_added(waits: list[int], since: int) -> None:
    together, apart = Durations(BOUNDS), Durations(BOUNDS)
    together.add_moments(sorted(since + wait for wait in waits), since)
    for wait in waits:
        apart.add(wait / 1_000)
    assert together.counts == apart.counts
    assert round(together.total, 6) == round(apart.total, 6)


def test_waiting_and_working_are_apart() -> None:
    timings = Timings()
    timings.add("write", 10.0, 10.5, 10.52)
    assert (timings.waited["write"].total, round(timings.worked["write"].total, 3)) == (0.5, 0.02)
    assert timings.waited["read"].total == 0
