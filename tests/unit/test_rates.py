from gateway.rates import MOST_MESSAGES, RecentRates


def test_one_look_says_nothing_two_say_how_fast_it_was_in_between() -> None:
    rates = RecentRates()
    assert rates.note(1, 100, 0.0) is None
    assert rates.note(1, 150, 2.0) is None
    assert rates.note(1, 200, 10.0) == 10.0
    assert rates.note(2, 200, 10.0) is None


def test_what_is_longer_ago_than_half_a_minute_does_not_count() -> None:
    rates = RecentRates()
    for second in range(60):
        rates.note(1, 1_000 * second, float(second))
    for second in range(60, 90):
        slow = rates.note(1, 59_000, float(second))
    assert slow == 0.0


def test_who_looks_once_a_minute_learns_of_that_minute_and_after_an_hour_of_nothing() -> None:
    rates = RecentRates()
    rates.note(1, 0, 0.0)
    assert rates.note(1, 600, 60.0) == 10.0
    assert rates.note(1, 1_800, 120.0) == 20.0
    assert rates.note(1, 9_000, 3_720.0) is None


def test_what_is_remembered_is_bounded() -> None:
    rates = RecentRates()
    for second in range(100_000):
        rates.note(1, second, second / 1_000)
    assert len(rates._looks[1]) <= 33
    for message in range(2 * MOST_MESSAGES):
        rates.note(message, 0, 200.0)
    assert len(rates._looks) == MOST_MESSAGES
