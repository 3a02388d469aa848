"""An automation in an installation, and what became of its visitors."""

from collections import defaultdict
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


def step(after: int, **rules: Any) -> StepDraft:
    content = Content(Notification(f"After {after} s"), Options())
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

    def __post_init__(self) -> None:
        self.known = AutomationCache(self.installation.database, self.installation.clock)

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

    async def delete(self) -> None:
        installation = self.installation
        id = self.made.automation.id
        await delete_automation(installation.context, "test", installation.site.id, id)

    async def walk(self, page: int = 2_000) -> None:
        walker = Walker(self.installation.context, Metrics(), page)
        while await walker.step():
            pass

    async def got(self) -> dict[int, list[int]]:
        """By subscription the steps that were made for them, in their order."""
        rows = await self.installation.database.read(lambda tx: tx.fetch(BATCHES))
        found: defaultdict[int, list[int]] = defaultdict(list)
        for message_id, members, _ in rows:
            for id in unpack(members) if message_id in self.messages else ():
                found[id].append(self.messages.index(message_id))
        return dict(found)

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
    return Automated(installation, made)
