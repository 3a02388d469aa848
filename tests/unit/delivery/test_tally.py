from gateway.delivery.tally import Mark, Tally


def filled(**counts: int) -> Tally:
    tally = Tally()
    for name, count in counts.items():
        for _ in range(count):
            tally.add(100.5, Mark[name])
    return tally


def test_more_than_half_of_enough_answers_are_most() -> None:
    assert filled(UNAVAILABLE=11, FINE=9).mostly(Mark.UNAVAILABLE, 101, 10, 20)
    assert not filled(UNAVAILABLE=10, FINE=10).mostly(Mark.UNAVAILABLE, 101, 10, 20)
    assert not filled(UNAVAILABLE=19).mostly(Mark.UNAVAILABLE, 101, 10, 20)


def test_other_bad_answers_are_no_bad_answers_of_this_kind() -> None:
    assert not filled(GONE=11, UNAVAILABLE=11).mostly(Mark.GONE, 101, 10, 20)


def test_old_answers_do_not_count() -> None:
    tally = filled(GONE=30)
    assert tally.mostly(Mark.GONE, 109.9, 10, 20)
    assert not tally.mostly(Mark.GONE, 110.0, 10, 20)
    tally.add(200, Mark.FINE)
    assert not tally.mostly(Mark.GONE, 200, 60, 20)


def test_it_begins_anew_when_it_is_cleared() -> None:
    tally = filled(GONE=30)
    tally.clear()
    assert not tally.mostly(Mark.GONE, 101, 60, 1)


def test_what_came_since_it_was_asked_counts() -> None:
    tally = filled(GONE=30)
    assert tally.mostly(Mark.GONE, 101, 60, 20)
    for _ in range(30):
        tally.add(101.2, Mark.FINE)
    assert not tally.mostly(Mark.GONE, 101.3, 60, 20)
    tally.add(102.0, Mark.GONE)
    assert tally.mostly(Mark.GONE, 102.1, 60, 20)
