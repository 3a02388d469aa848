"""Afterwards: what the database says, what the push service saw, and whether they tell the same story."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.chaos.audience import Audience
from loadtest.chaos.sink import TRY_LATER, Kind, Post
from storage.deliveries import Delivery, Outcome

_ANSWERED = {201: Outcome.ACCEPTED, 410: Outcome.GONE}
_EXPECTED = {Kind.LIVE: Outcome.ACCEPTED, Kind.GONE: Outcome.GONE}


@dataclass
class Verdict:
    """`lost`: subscribers without an outcome, or with one that no POST stands behind; `repeated`: POSTs
    beyond the first that had to be (another attempt after a 503 had to be). `problems` in sentences."""

    audience: int = 0
    posted: int = 0
    lost: int = 0
    repeated: int = 0
    exact: bool = True
    problems: list[str] = field(default_factory=list)

    def expect(self, true: bool, problem: str) -> None:
        if not true:
            self.problems.append(problem)


def judge(
    audience: Audience,
    rows: Mapping[int, Delivery],
    posts: Sequence[Post],
    message: Mapping[str, Any],
    *,
    cancelled: bool = False,
) -> Verdict:
    """Compare. After a cancel, whoever was not sent to is skipped: with a row, or only counted."""
    progress = message["progress"]
    verdict = Verdict(len(audience.ids), len(posts))
    answers: defaultdict[int, list[int]] = defaultdict(list)
    for post in posts:
        if post.kind is not Kind.LATE:
            answers[post.number].append(post.status)
    late = sum(post.kind is Kind.LATE for post in posts)
    verdict.expect(late == 0, f"{late} POSTs to subscribers who came after the freeze")

    told: Counter[Outcome] = Counter()
    for number, id in enumerate(audience.ids):
        statuses = answers[number]
        row = rows.get(id)
        outcome = _outcome(row, cancelled)
        verdict.repeated += max(0, sum(status not in TRY_LATER for status in statuses) - 1)
        if outcome is None or not _backed(outcome, statuses, _EXPECTED[audience.kind(number)], cancelled):
            verdict.lost += 1
            if verdict.lost <= 3:
                verdict.problems.append(f"subscriber {number}: {row}, answers {statuses}")
        if outcome is not None:
            told[outcome] += 1
    strangers = len(rows.keys() - set(audience.ids))
    verdict.expect(strangers == 0, f"{strangers} outcomes of people who were not addressed")

    counted = {
        outcome: progress[outcome.value] for outcome in (Outcome.ACCEPTED, Outcome.GONE, Outcome.SKIPPED)
    }
    verdict.exact = (
        all(told[outcome] == n for outcome, n in counted.items())
        and sum(counted.values()) == progress["audience"] == len(audience.ids)
        and progress["skips"] == ({"cancelled": counted[Outcome.SKIPPED]} if counted[Outcome.SKIPPED] else {})
    )
    verdict.expect(verdict.exact, f"counters {progress}, outcomes {dict(told)}, audience {len(audience.ids)}")
    return verdict


def _outcome(row: Delivery | None, cancelled: bool) -> Outcome | None:
    """Batches that nobody had touched when a message was cancelled are counted without rows."""
    if row is None:
        return Outcome.SKIPPED if cancelled else None
    return row.outcome


def _backed(outcome: Outcome, statuses: Sequence[int], expected: Outcome, cancelled: bool) -> bool:
    """Whether the push service's answers stand behind an outcome."""
    if outcome is Outcome.SKIPPED:  # not POSTed to, or told to come again when there was no more again
        return cancelled and all(status in TRY_LATER for status in statuses)
    return outcome is expected and any(_ANSWERED.get(status) is outcome for status in statuses)
