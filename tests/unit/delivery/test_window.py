"""The width of a window, by the answers it gets. A clock that only the test moves; a round trip is 0.1 s."""

from gateway.delivery.window import Window

RTT = 0.1


def round_trips(window: Window, count: int, now: float = 0.0, took: float = RTT) -> float:
    """Windows full of good answers; what time it is then."""
    for _ in range(count):
        for _ in range(window.size):
            window.answered(now, now + took)
        now += took
    return now


def test_an_unknown_window_doubles_each_round_trip_up_to_its_most() -> None:
    window = Window(most=800, first=100)
    round_trips(window, 1)
    assert window.size == 200
    round_trips(window, 9)
    assert window.size == 800


def test_a_refusal_halves_it_once_a_round_trip() -> None:
    window = Window(most=800, first=800)
    for n in range(50):
        window.refused(posted_at=n * 0.001, now=1.0)
    assert window.size == 400
    window.refused(posted_at=1.1, now=1.2)
    assert window.size == 200


def test_once_halved_it_grows_by_a_step_for_each_window_of_good_answers() -> None:
    window = Window(most=800, first=800)
    window.refused(0.0, 1.0)
    round_trips(window, 1, now=2.0)
    assert 410 <= window.size <= 420
    round_trips(window, 60, now=3.0)
    assert window.size == 800


def test_refusals_leave_at_least_one() -> None:
    window = Window(most=100, first=100)
    for n in range(1, 20):
        window.refused(posted_at=n, now=n + 0.5)
    assert window.size == 1


def test_after_a_pause_one_push_decides() -> None:
    window = Window(most=800, first=400)
    window.restart(now=10.0)
    assert window.size == 1
    window.refused(posted_at=9.0, now=10.5)
    assert window.size == 1
    round_trips(window, 5, now=11.0)
    assert window.size == 32


def test_answers_that_take_far_longer_than_usual_narrow_it() -> None:
    window = Window(most=800, first=800)
    now = round_trips(window, 3)
    window.answered(now, now + 3.0)
    assert window.size == 400


def test_answers_that_are_late_but_come_never_narrow_it_to_nothing() -> None:
    window = Window(most=800, first=800)
    for n in range(0, 400, 10):
        window.answered(n, n + 9.0)
    assert window.size == 50


def test_a_far_away_push_service_gets_its_full_window() -> None:
    window = Window(most=800, first=100)
    round_trips(window, 20, took=0.9)
    assert window.size == 800
