"""Until when a message is true: what that asks of its other times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.validity import check_valid_until, last_moment

NOW = 1_800_000_000_000
MAYBE = st.none() | st.integers(0, 5)


@given(expires_at=MAYBE, valid_until=MAYBE)
def test_nobody_is_sent_it_after_the_first_of_the_two(
    expires_at: int | None, valid_until: int | None
) -> None:
    given_times = [at for at in (expires_at, valid_until) if at is not None]
    assert last_moment(expires_at, valid_until) == min(given_times, default=None)


@pytest.mark.parametrize(
    ("valid_until", "send_at", "recurs", "sentence"),
    [
        (None, None, True, None),
        (NOW + 1, None, False, None),
        (NOW + 1, NOW - 1, False, None),
        (NOW + 2, NOW + 1, False, None),
        (NOW, None, False, "in the past"),
        (NOW, NOW + 1, False, "in the past"),
        (NOW + 1, NOW + 1, False, "not after the start"),
        (NOW + 1, None, True, "all occurrences"),
    ],
)
def test_it_comes_after_the_start_and_is_of_one_message(
    valid_until: int | None, send_at: int | None, recurs: bool, sentence: str | None
) -> None:
    errors = check_valid_until(valid_until, send_at, NOW, recurs=recurs)
    assert [error.path for error in errors] == ([] if sentence is None else ["valid_until"])
    assert all(sentence is not None and sentence in error.message for error in errors)
