"""How a push service behaves while the load runs: healthy, slow, flapping, throttling, forgetful, misled.

A scenario is written `name` or `name:parameter`, `slow:30` say. Each provider can play another one.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from gateway.webpush.endpoint import Provider
from loadtest.push_rules import Answer, Fault, refusal

WINDOW = 10.0  # seconds over which a cap is counted: a sixth of what it allows in a minute


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a push that the rules would take. `answer` None: it is taken.

    `delay` in seconds; None: it is never answered.
    """

    answer: Answer | None = None
    delay: float | None = 0.0


class Arrived(NamedTuple):
    """A push that the rules would take. `key` is the application server key, `at` is on a steady clock, s."""

    provider: Provider
    path: str
    key: str
    at: float


Scenario = Callable[[Arrived], Fate]

TAKEN = Fate()


def healthy(parameter: str) -> Scenario:
    """Everything is taken, after `parameter` milliseconds."""
    fate = Fate(delay=float(parameter or 0) / 1000)
    return lambda _: fate


def slow(parameter: str) -> Scenario:
    """Everything is taken, after `parameter` seconds (29.5: just within the sender's time-out)."""
    fate = Fate(delay=float(parameter or 29.5))
    return lambda _: fate


def silent(_: str) -> Scenario:
    """Nothing is ever answered."""
    fate = Fate(delay=None)
    return lambda _: fate


def flapping(parameter: str) -> Scenario:
    """By turns `parameter` seconds (10) of good health and as many of 503 with Retry-After."""
    period = float(parameter or 10)

    def decide(push: Arrived) -> Fate:
        left = 2 * period - push.at % (2 * period)
        return TAKEN if left > period else Fate(refusal(push.provider, Fault.OVERLOADED, max(1, round(left))))

    return decide


class Storm:
    """No more than `a_minute` pushes for each application server key, as Chrome caps a site; 429 above that.

    `only_first`: only the key that came first is capped, other sites are fine.
    """

    def __init__(self, parameter: str, *, only_first: bool) -> None:
        self._most = int(parameter or 1_000) * WINDOW / 60
        self._only_first = only_first
        self._first = ""
        self._window = -1
        self._taken: dict[str, int] = {}

    def __call__(self, push: Arrived) -> Fate:
        self._first = self._first or push.key
        if self._only_first and push.key != self._first:
            return TAKEN
        if int(push.at / WINDOW) != self._window:
            self._window = int(push.at / WINDOW)
            self._taken.clear()
        taken = self._taken[push.key] = self._taken.get(push.key, 0) + 1
        if taken <= self._most:
            return TAKEN
        return Fate(refusal(push.provider, Fault.THROTTLED, max(1, round(WINDOW - push.at % WINDOW))))


def gone(parameter: str) -> Scenario:
    """`parameter` (30) percent of the subscriptions have ended, always the same ones."""
    share = int(parameter or 30)

    def decide(push: Arrived) -> Fate:
        ended = zlib.crc32(push.path.encode()) % 100 < share
        return Fate(refusal(push.provider, Fault.GONE)) if ended else TAKEN

    return decide


def wrong_key(_: str) -> Scenario:
    """Every push is signed with another key than the subscription was made with."""
    return lambda push: Fate(refusal(push.provider, Fault.WRONG_KEY))


def misled(_: str) -> Scenario:
    """A proxy on the way answers 404 to all, in its own words."""
    page = Answer(404, (("Content-Type", "text/html"),), b"<html><body>404 Not Found</body></html>")
    fate = Fate(page)
    return lambda _: fate


_MAKERS: Mapping[str, Callable[[str], Scenario]] = {
    "healthy": healthy,
    "slow": slow,
    "silent": silent,
    "flapping": flapping,
    "storm": partial(Storm, only_first=False),
    "storm-site": partial(Storm, only_first=True),
    "gone": gone,
    "wrong-key": wrong_key,
    "proxy-404": misled,
}
NAMES = tuple(_MAKERS)


def parse_scenario(text: str) -> Scenario:
    """`name` or `name:parameter`. ValueError with a sentence."""
    name, _, parameter = text.partition(":")
    if name not in _MAKERS:
        raise ValueError(f"{name!r} is no scenario: take one of {', '.join(NAMES)}")
    try:
        return _MAKERS[name](parameter)
    except ValueError:
        raise ValueError(f"{parameter!r} is no number for the scenario {name}") from None


def parse_scenarios(text: str) -> dict[Provider, Scenario]:
    """`slow`, for all, or `fcm=slow:5,mozilla=gone`; who is not named is healthy. ValueError."""
    plays = dict.fromkeys(Provider, parse_scenario("healthy"))
    for part in filter(None, text.split(",")):
        provider, equals, scenario = part.partition("=")
        if equals:
            plays[Provider(provider)] = parse_scenario(scenario)
        else:
            plays.update(dict.fromkeys(Provider, parse_scenario(part)))
    return plays
