"""What answers mean for holds: which of them are written, and who may end a row of failures."""

from dataclasses import replace

import pytest

from gateway.delivery.flight import Flight
from gateway.delivery.gate import Gate
from gateway.delivery.health import LONGEST_HOLD, Health
from gateway.delivery.limits import SenderLimits
from gateway.delivery.line import Line
from gateway.delivery.unrecorded import Hold
from gateway.outgoing import Outgoing
from gateway.webpush import Answer, Verdict
from storage.batches import Batch, pack
from storage.messages import Message, Priority
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE, Throttle

NOW = 1_767_225_600_000
SITE = 7
MESSAGE = Message(
    id=1,
    site_id=SITE,
    priority=Priority.BULK,
    lane=1,
    content="{}",
    audience_spec="{}",
    ttl=3_600,
    send_at=NOW,
    created_at=NOW,
)
FLIGHT = Flight(
    batch=Batch(1, SITE, 1, "fcm", pack([1]), 1, NOW, 1, 0, 0, 1, NOW, leases=1),
    outgoing=Outgoing(MESSAGE, "https://push.example"),
    contact="mailto:ops@shop.example",
    event_key=b"",
    keys={},
    waiting=[],
    started_at=NOW,
)
MEMBER = (1, "active", "https://fcm.googleapis.com/1", b"", b"", 1, None, None, None, NOW - 86_400_000)
ACCEPTED = Verdict(Answer.ACCEPTED, 201)


class Written:
    """What would be written with the next flush."""

    def __init__(self) -> None:
        self.holds: list[Hold] = []
        self.recovered: list[tuple[int, str]] = []

    def hold(self, hold: Hold) -> None:
        self.holds.append(hold)

    def recover(self, held: tuple[int, str]) -> None:
        self.recovered.append(held)

    def pause_key(self, key_id: int, reason: str) -> None:
        raise AssertionError(f"nobody refused key {key_id}: {reason}")


class Judge:
    def __init__(self) -> None:
        self.gate = Gate()
        self.written = Written()
        self.line = Line("fcm", SenderLimits())
        self.health = Health(self.gate, self.written, lambda: 0.5)

    def answered(self, verdict: Verdict, posted_at: float, at: float, site_id: int = SITE) -> None:
        now = NOW + round(at * 1_000)
        flight = replace(FLIGHT, batch=replace(FLIGHT.batch, site_id=site_id))
        self.health.answered(self.line, flight, MEMBER, verdict, posted_at, at, now)

    @property
    def held(self) -> set[int]:
        """Sites, or EVERY_SITE."""
        return {hold.site_id for hold in self.written.holds}

    def know(self, not_before: int, failures: int, now: int) -> None:
        self.gate.know([Throttle(EVERY_SITE, "fcm", not_before, "breaker", NOW, failures, None, 0)], now)


def test_hundreds_that_were_in_flight_together_make_one_hold_or_two() -> None:
    judge = Judge()
    busy = Verdict(Answer.UNAVAILABLE, 503, 120_000)
    for number in range(600):
        judge.answered(busy, posted_at=0.0, at=0.1 + number / 1_000)
    assert 1 <= len(judge.written.holds) <= 2
    assert judge.written.holds[-1].until >= NOW + 120_000


def test_three_sites_with_their_cap_reached_hold_nobody_else_though_hundreds_were_in_flight() -> None:
    judge = Judge()
    capped = Verdict(Answer.THROTTLED, 429, 3_600_000)
    for number in range(300):
        judge.answered(capped, posted_at=0.0, at=0.1, site_id=SITE + number % 3)
    assert judge.held == {SITE, SITE + 1, SITE + 2}


@pytest.mark.parametrize(("answered", "held"), [(0, True), (19, True), (20, False)])
def test_one_throttled_site_after_the_other_holds_the_provider_when_few_others_are_answered(
    answered: int, held: bool
) -> None:
    judge = Judge()
    for _ in range(answered):
        judge.answered(ACCEPTED, posted_at=0.0, at=0.1)
    for number in range(20):
        judge.answered(Verdict(Answer.THROTTLED, 429, 3_600_000), 0.0, 0.2, site_id=100 + number)
    assert (EVERY_SITE in judge.held) is held
    assert all(hold.until < NOW + 5_000 for hold in judge.written.holds if hold.site_id == EVERY_SITE)


@pytest.mark.parametrize(("answer", "status"), [(Answer.THROTTLED, 429), (Answer.UNAVAILABLE, 503)])
def test_a_retry_after_of_a_month_holds_others_for_an_hour(answer: Answer, status: int) -> None:
    judge = Judge()
    judge.answered(Verdict(answer, status, 30 * 86_400_000), posted_at=0.0, at=0.0)
    assert [hold.until for hold in judge.written.holds] == [NOW + LONGEST_HOLD]


def test_a_mass_of_404s_is_a_hold_that_begins_when_it_is_noticed() -> None:
    judge = Judge()
    for number in range(200):
        judge.answered(Verdict(Answer.GONE, 404), posted_at=number / 10, at=number / 10)
    now = NOW + 19_900
    assert judge.written.holds == [Hold(EVERY_SITE, "fcm", FOR_GOOD, MASS_GONE, now, 0)]


def test_a_failure_that_another_sender_saw_ends_with_the_first_answer_after_the_hold() -> None:
    judge = Judge()
    judge.know(NOW + 5_000, 3, NOW)
    judge.answered(ACCEPTED, posted_at=0.0, at=1.0)  # was on its way when the hold began
    assert judge.written.recovered == []
    judge.answered(ACCEPTED, posted_at=6.0, at=6.1)
    judge.answered(ACCEPTED, posted_at=6.1, at=6.2)
    assert judge.written.recovered == [(EVERY_SITE, "fcm")]


def test_failures_that_the_database_does_not_mention_are_forgotten() -> None:
    judge = Judge()
    for site_id in (SITE, SITE + 1):
        judge.answered(Verdict(Answer.THROTTLED, 429), posted_at=0.0, at=0.1, site_id=site_id)
    judge.gate.know([], NOW + 900)
    assert judge.gate.failing  # of our own, not written yet
    judge.gate.know([], NOW + 1_200)
    assert not judge.gate.failing


def test_what_the_database_calls_well_is_not_written_again() -> None:
    judge = Judge()
    judge.know(NOW - 1, 3, NOW)
    judge.know(NOW - 1, 0, NOW)
    judge.answered(ACCEPTED, posted_at=6.0, at=6.1)
    assert judge.written.recovered == []


def test_an_answer_to_what_was_posted_before_a_failure_proves_nothing() -> None:
    judge = Judge()
    judge.answered(Verdict(Answer.THROTTLED, 429, 1_000), posted_at=0.0, at=1.0)
    judge.answered(ACCEPTED, posted_at=0.5, at=5.0)
    assert judge.written.recovered == []
    judge.answered(replace(ACCEPTED), posted_at=5.0, at=5.1)
    assert judge.written.recovered == [(SITE, "fcm")]
