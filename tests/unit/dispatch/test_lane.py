"""How much one receiver gets, and when a failed delivery is tried again."""

from gateway.dispatch.lane import LONGEST_REST, MOST_IN_FLIGHT, WIDEST, Lane
from gateway.dispatch.schedule import HOUR, WAITS, next_attempt_at


def test_a_lane_widens_while_it_works_and_narrows_when_it_fails() -> None:
    lane = Lane()
    widths = []
    for _ in range(6):
        widths.append(lane.room(0.0, 0))
        lane.worked()
    assert widths == [1, 2, 3, 4, 4, 4]
    lane.failed(10.0)
    assert lane.room(10.9, 0) == 0
    assert lane.room(11.0, 0) == 1


def test_a_receiver_that_stays_away_is_asked_once_a_minute() -> None:
    lane, now, rests = Lane(), 0.0, []
    for _ in range(12):
        lane.failed(now)
        rest = next(seconds for seconds in range(100) if lane.room(now + seconds, 0))
        rests.append(rest)
        now += rest
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    assert max(rests) == LONGEST_REST
    lane.worked()
    lane.failed(now)
    assert lane.room(now + 1, 0) == 1


def test_receivers_that_are_slow_together_leave_the_others_room() -> None:
    lane = Lane()
    for _ in range(5):
        lane.worked()
    assert lane.room(0.0, MOST_IN_FLIGHT // 2 - 1) == WIDEST
    assert lane.room(0.0, MOST_IN_FLIGHT // 2) == 1
    assert lane.room(0.0, MOST_IN_FLIGHT) == 0
    lane.in_flight = 1
    assert lane.room(0.0, MOST_IN_FLIGHT // 2) == 0


def test_a_lane_is_forgotten_when_nothing_of_it_matters() -> None:
    lane = Lane()
    assert lane.is_idle(0.0)
    lane.failed(0.0)
    assert not lane.is_idle(100.0)
    lane.worked()
    assert lane.is_idle(100.0)
    lane.in_flight = 1
    assert not lane.is_idle(100.0)


def test_attempts_come_later_and_later_spread_by_chance_and_end_after_two_days() -> None:
    at = [next_attempt_at(0, attempts, 0, lambda: 0.5) for attempts in range(1, len(WAITS) + 2)]
    assert at == [*WAITS, None]
    assert 2 * 24 * HOUR < sum(WAITS) < 2.5 * 24 * HOUR
    assert next_attempt_at(0, 2, 0, lambda: 0.0) == 48_000
    assert next_attempt_at(0, 2, 0, lambda: 1.0) == 72_000
    assert next_attempt_at(0, 1, 90_000, lambda: 0.5) == 90_000
    assert next_attempt_at(0, 2, 1_000, lambda: 0.5) == 60_000
