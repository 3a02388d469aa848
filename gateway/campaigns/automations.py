"""What an automation is, as it is stored, and what those of a site make of something that happens. Pure."""

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
    """`once`: a visitor comes in once in their life; otherwise as often as they have left before."""

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
    restart: bool = False

    def at(self, now: int) -> Entry:
        return Entry(self.automation_id, now + self.after, self.again, self.restart)


@dataclass(frozen=True, slots=True)
class Reaction:
    """To one event: whose automations it ends, then whom it brings into which."""

    ends: tuple[int, ...] = ()
    begins: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Reactions:
    """Of all automations of a site."""

    on_subscribe: tuple[Way, ...] = ()
    on_event: Mapping[str, Reaction] = field(default_factory=dict)


NONE = Reactions()


def reactions_of(automations: Iterable[Automation]) -> Reactions:
    """One that is paused takes nobody in, but who leaves it leaves it.

    An event that both begins and ends an automation makes who is in it begin anew.
    """
    on_subscribe: list[Way] = []
    ends: dict[str, list[int]] = {}
    begins: dict[str, list[Way]] = {}
    for automation in automations:
        definition = read_definition(automation)
        trigger, active = definition.trigger, automation.state is AutomationState.ACTIVE
        restart = active and trigger.event in definition.cancel_on
        for name in definition.cancel_on:
            if not (restart and name == trigger.event):
                ends.setdefault(name, []).append(automation.id)
        if not active:
            continue
        way = Way(automation.id, definition.steps[0].after * SECOND, not definition.once, restart)
        if trigger.event is None:
            on_subscribe.append(way)
        else:
            begins.setdefault(trigger.event, []).append(way)
    return Reactions(
        tuple(on_subscribe),
        {
            name: Reaction(tuple(ends.get(name, ())), tuple(begins.get(name, ())))
            for name in ends.keys() | begins.keys()
        },
    )


def entries(ways: Sequence[Way], now: int) -> list[Entry]:
    return [way.at(now) for way in ways]
