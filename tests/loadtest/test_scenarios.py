"""How the fake push service of the load tests decides."""

import pytest

from gateway.webpush.endpoint import Provider
from loadtest.push_rules import Fault, refusal
from loadtest.scenarios import NAMES, WINDOW, Arrived, Fate, parse_scenario, parse_scenarios


def push(path: str = "/fcm/send/a", key: str = "K", at: float = 0.0) -> Arrived:
    return Arrived(Provider.FCM, path, key, at)


def status(fate: Fate) -> int:
    return 201 if fate.answer is None else fate.answer.status


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_answers_without_a_parameter(name: str) -> None:
    assert status(parse_scenario(name)(push())) in (201, 403, 404, 410)


def test_a_slow_service_takes_everything_late_and_a_silent_one_never_answers() -> None:
    assert parse_scenario("slow:30")(push()) == Fate(delay=30.0)
    assert parse_scenario("silent")(push()).delay is None


def test_a_flapping_service_says_503_half_of_the_time_and_until_when() -> None:
    flapping = parse_scenario("flapping:10")
    assert [status(flapping(push(at=at))) for at in (0, 9, 11, 19, 21)] == [201, 201, 503, 503, 201]
    answer = flapping(push(at=14)).answer
    assert answer is not None
    assert dict(answer.headers)["Retry-After"] == "6"


def test_a_storm_caps_each_key_for_itself_and_a_new_window_begins_afresh() -> None:
    storm = parse_scenario("storm:12")  # a minute: two in a window
    assert [status(storm(push(key=key))) for key in "AAABBB"] == [201, 201, 429, 201, 201, 429]
    assert status(storm(push(key="A", at=WINDOW))) == 201


def test_a_storm_over_one_site_leaves_the_others_alone() -> None:
    storm = parse_scenario("storm-site:6")
    assert [status(storm(push(key=key))) for key in "AABBB"] == [201, 429, 201, 201, 201]


def test_always_the_same_thirty_percent_are_gone() -> None:
    gone = parse_scenario("gone")
    first, second = ([status(gone(push(f"/fcm/send/{n}"))) for n in range(1_000)] for _ in range(2))
    assert first == second
    assert 250 < first.count(410) < 350


def test_providers_play_their_own_scenarios_and_the_others_are_healthy() -> None:
    plays = parse_scenarios("fcm=silent,wns=gone:100")
    assert plays[Provider.FCM](push()).delay is None
    assert status(plays[Provider.WNS](push())) == 410
    assert plays[Provider.MOZILLA](push()) == Fate()


@pytest.mark.parametrize("text", ["storms", "slow:soon", "gcm=slow"])
def test_a_scenario_that_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"storms|soon|gcm"):
        parse_scenarios(text)


@pytest.mark.parametrize(
    ("provider", "fault", "expected"),
    [
        (Provider.FCM, Fault.TOO_LARGE, 400),
        (Provider.MOZILLA, Fault.WRONG_KEY, 401),
        (Provider.APPLE, Fault.WRONG_KEY, 400),
        (Provider.WNS, Fault.THROTTLED, 406),
        (Provider.OTHER, Fault.GONE, 410),
    ],
)
def test_each_provider_says_no_in_its_own_way(provider: Provider, fault: Fault, expected: int) -> None:
    answer = refusal(provider, fault, 7)
    assert answer.status == expected
    assert dict(answer.headers)["Retry-After"] == "7"
    assert bool(answer.body) is (provider is not Provider.WNS)
