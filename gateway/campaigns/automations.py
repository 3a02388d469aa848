"""What an automation is, as it is stored, and what those of a site make of something that happens. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct, json

from storage.automations import Automation, AutomationState, Entry

MOST_STEPS = 20
MOST_OF_SITE = 100  # an event is looked up in all of them
LONGEST = 366 * 24 * 3_600  # seconds between two steps
SECOND = 1_000
AUTOMATION_PAUSED = "its automation is paused"  # the reason of its steps


class Trigger(Struct, frozen=True):
    """`event` is the name of the site's event, None when it is the visitor's subscribing."""

    on: Literal["subscribe", "event"]
    event: str | None = None


class Step(Struct, frozen=True, array_like=True):
    """`after`: seconds after the visitor came in, or the step before was due to be sent to them."""

    after: int
    message: int


class Definition(Struct, frozen=True, kw_only=True):
    """`once`: a visitor comes in once in their life; otherwise as often as they have left before.

    The id of a step is that of its `message`, which those get who are there for the first time
    (storage.steps).
    """

    trigger: Trigger
    cancel_on: tuple[str, ...] = ()
    once: bool
    steps: tuple[Step, ...]


_DECODER = json.Decoder(Definition)
_ENCODER = json.Encoder()


def read_definition(automation: Automation) -> Definition:
    """What `write_definition` stored."""
    return _DECODER.decode(automation.definition)


def write_definition(definition: Definition) -> str:
    return _ENCODER.encode(definition).decode()


@dataclass(frozen=True, slots=True)
class Way:
    """Into an automation."""

    automation_id: int
    after: int  # milliseconds until the first step
    again: bool
    anew: bool = False

    def at(self, now: int) -> Entry:
        return Entry(self.automation_id, now + self.after, self.again, self.anew)


@dataclass(frozen=True, slots=True)
class Reaction:
    """To one event: which automations it ends, then into which it brings whom.

    `elsewhere`: those that it ends only for the subscriptions of the visitor that it does not bring in.
    """

    ends: tuple[int, ...] = ()
    elsewhere: tuple[int, ...] = ()
    begins: tuple[Way, ...] = ()

    @property
    def ends_any(self) -> bool:
        return bool(self.ends or self.elsewhere)


@dataclass(frozen=True, slots=True)
class Reactions:
    """Of all automations of a site."""

    on_subscribe: tuple[Way, ...] = ()
    on_event: Mapping[str, Reaction] = field(default_factory=dict)


NONE = Reactions()


def reactions_of(automations: Iterable[Automation]) -> Reactions:
    """One that is paused takes nobody in, but who leaves it leaves it.

    An event that both begins and ends an automation makes who is in it begin anew, whatever they were sent.
    """
    on_subscribe: list[Way] = []
    ends: defaultdict[str, list[int]] = defaultdict(list)
    elsewhere: defaultdict[str, list[int]] = defaultdict(list)
    begins: defaultdict[str, list[Way]] = defaultdict(list)
    for automation in automations:
        definition = read_definition(automation)
        trigger, active = definition.trigger, automation.state is AutomationState.ACTIVE
        for name in definition.cancel_on:
            (elsewhere if active and name == trigger.event else ends)[name].append(automation.id)
        if not active:
            continue
        anew = trigger.event in definition.cancel_on
        way = Way(automation.id, definition.steps[0].after * SECOND, not definition.once, anew)
        if trigger.event is None:
            on_subscribe.append(way)
        else:
            begins[trigger.event].append(way)
    return Reactions(
        tuple(on_subscribe),
        {
            name: Reaction(tuple(ends[name]), tuple(elsewhere[name]), tuple(begins[name]))
            for name in ends.keys() | elsewhere.keys() | begins.keys()
        },
    )


def entries(ways: Sequence[Way], now: int) -> list[Entry]:
    return [way.at(now) for way in ways]
