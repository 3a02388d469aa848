from dataclasses import replace

from gateway.watch.looks import Held, Key, Looks, Reading, Severity

KEY = Key("display_rate", 1, "fcm")
OUT = Reading(KEY, Severity.WARNING, 0.1, 0.4, None, 1)
HELD = Held(0.4, None)


def at(evidence: int, value: float) -> Reading:
    return replace(OUT, evidence=evidence, value=value)


def test_nothing_is_told_at_the_first_look() -> None:
    looks = Looks()
    assert [looks.to_raise(at(n, 0.1), n) for n in (1, 2)] == [False, True]


def test_the_same_evidence_looked_at_again_says_nothing_new() -> None:
    looks = Looks()
    assert [looks.to_raise(at(1, 0.1), n) for n in range(5)] == [False] * 5
    assert looks.to_raise(at(2, 0.1), 6)


def test_one_look_that_is_fine_begins_the_count_anew() -> None:
    looks = Looks()
    values = [0.1, 0.5, 0.1, 0.5, 0.1, 0.1]
    assert [looks.to_raise(at(n, value), n) for n, value in enumerate(values)] == [False] * 5 + [True]


def test_what_lies_at_the_edge_neither_raises_nor_ends() -> None:
    looks = Looks()
    for n in range(10):
        edge = at(n, 0.41)
        assert not looks.to_raise(edge, n)
        assert not looks.to_end(edge, HELD, n)


def test_an_alert_ends_after_some_looks_that_are_well_inside() -> None:
    looks = Looks()
    values = [0.45, 0.42, 0.45, 0.45]
    assert [looks.to_end(at(n, value), HELD, n) for n, value in enumerate(values)] == [False] * 3 + [True]


def test_it_has_to_come_back_to_the_band_that_it_left() -> None:
    looks = Looks()
    used_to_it = [replace(OUT, evidence=n, value=0.1, low=0.05) for n in range(5)]
    assert not any(looks.to_end(each, HELD, 1) for each in used_to_it)


def test_a_band_with_two_ends_is_left_on_either_side() -> None:
    between = replace(OUT, low=-30.0, high=30.0)
    assert [replace(between, value=value).is_out for value in (-31, -30, 0, 30, 31)] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert replace(between, value=20).is_back(-30.0, 30.0)
    assert not replace(between, value=28).is_back(-30.0, 30.0)


def test_what_was_not_heard_of_for_long_begins_anew() -> None:
    looks = Looks()
    assert not looks.to_raise(at(1, 0.1), 1_000)
    looks.forget_unseen(2_000)
    assert not looks.to_raise(at(2, 0.1), 3_000)
    assert looks.to_raise(at(3, 0.1), 3_001)
