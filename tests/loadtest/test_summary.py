"""When a load run has failed."""

from msgspec.structs import replace

from loadtest.summary import Exactness, Row, Summary, faults, sum_is_right

GOOD = Exactness(
    messages=2,
    unfinished=0,
    audience=10,
    accepted=9,
    taken=9,
    reported=4,
    tried=5,
    displayed=5,
    repeated=0,
    sums_wrong=0,
)
ROW = Row("subscribe", 1_000, 2, 10.0, 1.4, 2.5, 30.2)


def problems(*, healthy: bool = True, errors: dict[str, int] | None = None, **wrong: int) -> list[str]:
    return Summary([ROW], errors or {}, replace(GOOD, **wrong)).problems(healthy=healthy)


def test_a_run_without_errors_passes() -> None:
    assert problems() == []


def test_a_run_that_asked_nothing_has_not_passed() -> None:
    assert Summary([], {}, GOOD).problems(healthy=True) == ["nothing was asked of the gateway"]
    assert problems(messages=0)


def test_each_thing_that_can_be_wrong_fails_a_run() -> None:
    assert problems(errors={"subscribe: 500": 3}) == ["3 x subscribe: 500"]
    assert problems(sums_wrong=1)
    assert problems(repeated=1)
    assert problems(displayed=3)
    assert problems(displayed=6)
    assert problems(unfinished=1)
    assert problems(taken=8)


def test_in_trouble_messages_may_be_unfinished_but_never_miscounted() -> None:
    assert problems(healthy=False, unfinished=1, taken=20) == []
    assert problems(healthy=False, sums_wrong=1)
    assert problems(healthy=False, displayed=3)


def test_the_table_names_every_kind_of_request() -> None:
    table = Summary([ROW], {}, GOOD).table()
    assert "| subscribe | 1,000 | 2 | 10.0 | 1 | 2 | 30 |" in table
    assert "9 accepted, 9 taken" in table


def test_the_seven_counters_are_added_up() -> None:
    names = ("accepted", "gone", "failed", "expired", "skipped", "retrying", "remaining")
    progress: dict[str, int | None] = dict.fromkeys(names, 1)
    assert sum_is_right({**progress, "audience": 7})
    assert not sum_is_right({**progress, "audience": 8})
    assert sum_is_right({**progress, "audience": None})


def test_an_error_in_the_log_fails_a_run_and_in_trouble_only_the_death_of_a_sender() -> None:
    log = {"warning connections.refused": 2, "error key.paused": 1, "error sender.died": 3}
    died = "the log says 3 x error sender.died"
    assert faults(log, healthy=True) == ["the log says 1 x error key.paused", died]
    assert faults(log, healthy=False) == [died]
