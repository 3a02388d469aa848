"""Lots: everybody draws the same ones always, and the shares come out as they were asked for."""

from collections import Counter
from math import sqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.campaigns.lottery import FIRST, REST, UNDECIDED, Lottery, Ticket, draw

PEOPLE = 20_000
ids = st.integers(-(2**63), 2**63 - 1)


def about(n: int, share: float, of: int) -> bool:
    """Within five standard deviations of what chance makes of a share."""
    return abs(n - share * of) <= 5 * sqrt(of * share * (1 - share)) + 3


def test_lots_never_change_from_one_release_to_the_next() -> None:
    """Whoever was frozen before an upgrade is judged after it: these numbers are what was drawn then."""
    assert draw(1, 2) == (1756241944, 2391360351, 1775155178)
    assert draw(-5, 2**62) == (3630566609, 3479784491, 3088361795)


@given(ids, ids)
def test_the_same_recipient_of_the_same_message_always_draws_the_same(message: int, person: int) -> None:
    first = Lottery.of(message, weights=(30, 70), holdout=10, first=20)
    again = Lottery.of(message, weights=(30, 70), holdout=10, first=20)
    assert first.draw(person) == again.draw(person)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    message=ids,
    start=st.integers(0, 2**40),
    weights=st.lists(st.integers(1, 50), min_size=2, max_size=10),
    holdout=st.floats(0, 60),
    first=st.floats(1, 99),
)
def test_shares_come_out_as_they_were_asked_for(
    message: int, start: int, weights: list[int], holdout: float, first: float
) -> None:
    lottery = Lottery.of(message, weights=weights, holdout=holdout, first=first)
    tickets = [lottery.draw(person) for person in range(start, start + PEOPLE)]
    drawn = Counter(ticket for ticket in tickets if ticket is not None)
    assert about(tickets.count(None), holdout / 100, PEOPLE)
    for stage, share in ((FIRST, first / 100), (REST, 1 - first / 100)):
        for variant, weight in enumerate(weights):
            expected = (1 - holdout / 100) * share * weight / sum(weights)
            assert about(drawn[Ticket(stage, variant)], expected, PEOPLE)


@given(ids, ids)
def test_whoever_is_in_the_first_part_stays_there_when_it_grows(message: int, person: int) -> None:
    small, large = (Lottery.of(message, first=first).draw(person) for first in (10, 30))
    assert small is not None
    assert large is not None
    assert not (small.stage == FIRST and large.stage == REST)


@given(ids, ids)
def test_those_who_wait_for_the_winner_have_no_variant_yet(message: int, person: int) -> None:
    ticket = Lottery.of(message, weights=(50, 50), first=50, rest_waits_for_winner=True).draw(person)
    assert ticket is not None
    assert (ticket.stage == REST) == (ticket.variant == UNDECIDED)


@given(st.lists(ids, min_size=1, max_size=20))
def test_one_variant_and_one_stage_are_for_everybody(people: list[int]) -> None:
    assert {Lottery.of(1).draw(person) for person in people} == {Ticket(FIRST, 0)}


def test_two_messages_are_drawn_independently() -> None:
    """Or the same people would be the first of every roll-out."""
    one, other = Lottery.of(1, first=50), Lottery.of(2, first=50)
    both = sum(one.draw(person) == other.draw(person) for person in range(PEOPLE))
    assert about(both, 0.5, PEOPLE)
