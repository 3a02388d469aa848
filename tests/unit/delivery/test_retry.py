"""Back-off, Retry-After and the end of a push's time."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.retry import SECOND, RetryPolicy, deadline, remaining_ttl

POLICY = RetryPolicy(first=4 * SECOND, longest=60 * SECOND)
NOW = 1_767_225_600_000
LATE = NOW + 10**12

chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 30_000)


def test_waits_double_until_the_longest() -> None:
    waits = [POLICY.back_off(attempt, lambda: 0.999_999) for attempt in (1, 2, 3, 4, 5, 6)]
    assert waits == [4_000, 8_000, 16_000, 32_000, 60_000, 60_000]


@given(attempts, chances)
def test_a_wait_is_between_half_and_the_whole_and_never_longer_than_the_longest(
    attempt: int, chance: float
) -> None:
    whole = min(60_000, 4_000 * 2 ** min(attempt - 1, 50))
    assert whole / 2 <= POLICY.back_off(attempt, lambda: chance) <= whole


@given(attempts, chances, st.integers(0, 10**7))
def test_a_retry_is_never_before_retry_after(attempt: int, chance: float, retry_after: int) -> None:
    due_at = POLICY.next_attempt_at(NOW, attempt, retry_after, LATE, lambda: chance)
    assert due_at is not None
    assert due_at >= NOW + retry_after


@given(attempts, chances, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_retry_is_before_the_deadline_or_not_at_all(
    attempt: int, chance: float, retry_after: int, left: int
) -> None:
    due_at = POLICY.next_attempt_at(NOW, attempt, retry_after, NOW + left, lambda: chance)
    assert due_at is None or NOW < due_at < NOW + left


def test_without_retry_after_the_back_off_counts() -> None:
    assert POLICY.next_attempt_at(NOW, 1, 0, LATE, lambda: 0.0) == NOW + 2_000


def test_a_retry_after_beyond_the_ttl_is_no_retry() -> None:
    assert POLICY.next_attempt_at(NOW, 1, 120_000, NOW + 60_000, lambda: 0.5) is None


def test_the_ttl_counts_from_the_first_attempt() -> None:
    assert deadline(NOW, 60, None) == NOW + 60_000


def test_expires_at_ends_it_earlier_but_never_later() -> None:
    assert deadline(NOW, 60, NOW + 10_000) == NOW + 10_000
    assert deadline(NOW, 60, NOW + 90_000) == NOW + 60_000


def test_a_retry_sends_what_is_left_of_the_ttl() -> None:
    assert remaining_ttl(deadline(NOW, 60, None), NOW) == 60
    assert remaining_ttl(deadline(NOW, 60, None), NOW + 20_000) == 40
    assert remaining_ttl(deadline(NOW, 60, None), NOW + 59_001) == 1


def test_a_ttl_of_zero_is_never_sent() -> None:
    assert remaining_ttl(NOW, NOW + 5_000) == 1
