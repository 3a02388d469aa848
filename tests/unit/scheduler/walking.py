"""An automation in an installation, and what became of its visitors."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.automation_cache import AutomationCache
from gateway.automation_steps import NOBODY_YET, StepDraft
from gateway.automations import (
    AutomationDraft,
    AutomationWithSteps,
    change_automation,
    create_automation,
    delete_automation,
)
from gateway.campaigns.automations import Trigger, read_definition
from gateway.campaigns.rules import Rules
from gateway.content import Content, Notification, Options
from gateway.message_draft import Draft
from gateway.metrics import Metrics
from gateway.scheduler.walker import Walker
from gateway.site_events import SiteEvent, track
from storage import automations
from storage.automations import Automation, AutomationState
from storage.batches import unpack
from storage.queries import Query
from tests.unit.installation import Installation

BATCHES = Query("test.batches", *["select message_id, members, due_at from batches order by id"] * 2)
NEW = Query("test.new", *["select id, message_id, members from batches where attempt = 1"] * 2)
ROUNDS = Query("test.rounds", *["select message_id, step_id, round from automation_rounds"] * 2)


def step(after: int, title: str | None = None, **rules: Any) -> StepDraft:
    content = Content(Notification(title or f"After {after} s"), Options())
    draft = Draft(
        content=content,
        audience=NOBODY_YET,
        priority=None,
        send_at=None,
        expires_at=None,
        rate=None,
        rules=Rules(**rules),
    )
    return StepDraft(after, draft)


@dataclass
class Automated:
    """One automation that `cart` begins and `purchase` cancels."""

    installation: Installation
    made: AutomationWithSteps
    known: AutomationCache = field(init=False)
    numbers: dict[int, int] = field(default_factory=dict)  # of the steps that it has or had, by id
    seen: dict[int, tuple[int, Sequence[int]]] = field(default_factory=dict)  # message, members of batches

    def __post_init__(self) -> None:
        self.known = AutomationCache(self.installation.database, self.installation.clock)
        self._number()

    def _number(self) -> None:
        self.numbers |= {id: number for number, id in enumerate(self.messages)}

    @property
    def messages(self) -> list[int]:
        return [each.message.id for each in self.made.messages]

    async def happens(self, subscription_id: int, name: str) -> None:
        installation = self.installation
        await track(
            installation.context, self.known, installation.site.id, subscription_id, SiteEvent(name=name)
        )

    async def change(self, **changes: Any) -> None:
        def changed(before: Automation) -> AutomationDraft:
            old = read_definition(before)
            values = {
                "name": before.name,
                "state": before.state,
                "trigger": old.trigger,
                "cancel_on": old.cancel_on,
                "once": old.once,
                "steps": None,
            }
            return AutomationDraft(**{**values, **changes})

        installation = self.installation
        site_id, id = installation.site.id, self.made.automation.id
        self.made = await change_automation(installation.context, "test", site_id, id, changed)
        self.known.forget(site_id)
        self._number()

    async def delete(self) -> None:
        installation = self.installation
        id = self.made.automation.id
        await delete_automation(installation.context, "test", installation.site.id, id)

    async def walk(self, page: int = 2_000) -> None:
        walker = Walker(self.installation.context, Metrics(), page)
        while await walker.step():
            pass
        await self.note()

    async def note(self) -> None:
        """Remember the batches that there are: senders delete them."""
        for id, message_id, members in await self.installation.database.read(lambda tx: tx.fetch(NEW)):
            self.seen[id] = (message_id, unpack(members))

    async def everything(self) -> dict[int, tuple[int, int]]:
        """(round, number of the step) by id of each message that it has or ever had."""
        rows = await self.installation.database.read(lambda tx: tx.fetch(ROUNDS))
        again = {id: (number, self.numbers[step]) for id, step, number in rows if step in self.numbers}
        return {id: (0, number) for id, number in self.numbers.items()} | again

    async def got_in_rounds(self) -> dict[int, list[tuple[int, int]]]:
        """By subscription (round, step) of what was made for them, in its order."""
        known = await self.everything()
        found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for _, (message_id, members) in sorted(self.seen.items()):
            for id in members if message_id in known else ():
                found[id].append(known[message_id])
        return dict(found)

    async def got(self) -> dict[int, list[int]]:
        """By subscription the steps that were made for them, in their order."""
        return {id: [step for _, step in each] for id, each in (await self.got_in_rounds()).items()}

    async def waiting(self) -> int:
        id = self.made.automation.id
        return await self.installation.database.read(lambda tx: automations.waiting(tx, id, 1_000_000))


async def automate(
    installation: Installation,
    *steps: StepDraft,
    once: bool = False,
    cancel_on: tuple[str, ...] = ("purchase",),
) -> Automated:
    draft = AutomationDraft(
        name="Cart",
        state=AutomationState.ACTIVE,
        trigger=Trigger("event", "cart"),
        cancel_on=cancel_on,
        once=once,
        steps=steps,
    )
    made = await create_automation(installation.context, "test", installation.site.id, draft)
    return Automated(installation, made.found)
