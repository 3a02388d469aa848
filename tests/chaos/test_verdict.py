"""What the chaos matrix would say if somebody were lost, repeated or miscounted."""

from collections.abc import Mapping
from typing import Any

import pytest

from loadtest.chaos.audience import Audience
from loadtest.chaos.halts import Silence, sent_again
from loadtest.chaos.sink import Kind, Post
from loadtest.chaos.verdict import Verdict, judge
from storage.deliveries import Delivery, Outcome

AUDIENCE = Audience(1, [100 + number for number in range(10)])  # of ten, the first three are gone
GONE, LIVE = range(3), range(3, 10)


def post(number: int, status: int = 0) -> Post:
    kind = AUDIENCE.kind(number)
    return Post(0.0, status or (410 if kind is Kind.GONE else 201), kind, number)


def row(number: int, outcome: Outcome | None = None) -> Delivery:
    told = outcome or (Outcome.GONE if number in GONE else Outcome.ACCEPTED)
    return Delivery(AUDIENCE.ids[number], 1, 0, told, None, None, 0)


def message(**progress: Any) -> Mapping[str, Any]:
    numbers = {"audience": 10, "accepted": 7, "gone": 3, "skipped": 0, "skips": {}}
    return {"progress": {**numbers, **progress}}


def judged(rows: list[Delivery] | None = None, posts: list[Post] | None = None, **progress: Any) -> Verdict:
    told = [row(number) for number in range(10)] if rows is None else rows
    seen = [post(number) for number in range(10)] if posts is None else posts
    return judge(AUDIENCE, {each.subscription_id: each for each in told}, seen, message(**progress))


def test_when_everybody_tells_the_same_story_nothing_is_wrong() -> None:
    verdict = judged()
    assert (verdict.lost, verdict.repeated, verdict.exact, verdict.problems) == (0, 0, True, [])


def test_a_subscriber_without_an_outcome_is_lost() -> None:
    verdict = judged(rows=[row(number) for number in range(9)])
    assert verdict.lost == 1
    assert not verdict.exact


def test_an_outcome_that_no_answer_stands_behind_is_a_loss() -> None:
    assert judged(posts=[post(number) for number in range(9)]).lost == 1
    assert judged(posts=[*(post(number) for number in range(9)), post(9, 503)]).lost == 1
    assert judged(rows=[row(0, Outcome.ACCEPTED), *(row(number) for number in range(1, 10))]).lost == 1


def test_a_second_post_is_a_repeat_unless_the_first_was_told_to_come_again() -> None:
    everybody = [post(number) for number in range(10)]
    assert judged(posts=[*everybody, post(5), post(5, 499)]).repeated == 2
    assert judged(posts=[*everybody, post(5, 503), post(5, 429)]).repeated == 0


@pytest.mark.parametrize("progress", [{"accepted": 8}, {"gone": 2}, {"audience": 11}, {"skipped": 1}])
def test_a_counter_that_differs_from_the_rows_is_not_exact(progress: dict[str, Any]) -> None:
    verdict = judged(**progress)
    assert not verdict.exact
    assert verdict.problems


def test_a_post_to_somebody_who_came_after_the_freeze_is_a_problem() -> None:
    posts = [*(post(number) for number in range(10)), Post(0.0, 201, Kind.LATE, 1)]
    assert "after the freeze" in judged(posts=posts).problems[0]


def test_a_post_a_second_after_the_answer_to_a_pause_breaks_the_silence() -> None:
    silence = Silence(paused_at=10.0, resumed_at=12.0)
    posts = [post(3)._replace(at=at) for at in (9.9, 10.9, 11.5, 12.1)]
    assert silence.broken_by(posts) == [1.5]


def test_who_had_a_final_answer_before_a_sender_woke_must_not_be_sent_to_by_it() -> None:
    before = [post(4)._replace(at=9.0), post(5, 503)._replace(at=9.0), post(6, 499)._replace(at=9.0)]
    after = [post(number)._replace(at=11.0) for number in (4, 5, 6, 7)]
    assert sent_again([*before, *after], [10.0]) == 1
