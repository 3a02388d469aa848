"""What automations cost those who have none, and how soon a change is noticed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.automation_cache import KEPT_FOR, AutomationCache
from gateway.campaigns.automations import (
    Definition,
    Reaction,
    Step,
    Trigger,
    Way,
    reactions_of,
    write_definition,
)
from gateway.site_events import SiteEvent, track
from storage.automations import Automation, AutomationState
from tests.fakes.flaky_database import FlakyDatabase
from tests.unit.installation import Installation, open_installation
from tests.unit.scheduler.walking import automate, step


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with open_installation(f"sqlite:///{tmp_path / 'gateway.sqlite3'}", tmp_path) as installation:
        yield installation


def automation(
    id: int,
    on: str | None = None,
    cancel_on: tuple[str, ...] = (),
    *,
    active: bool = True,
    once: bool = False,
) -> Automation:
    definition = Definition(
        trigger=Trigger("subscribe") if on is None else Trigger("event", on),
        cancel_on=cancel_on,
        once=once,
        steps=(Step(7, 1), Step(1, 2)),
    )
    state = AutomationState.ACTIVE if active else AutomationState.PAUSED
    return Automation(id, 1, "x", state, 1, write_definition(definition), 0, 0)


async def test_events_of_a_site_without_automations_cost_one_look_in_five_seconds(
    installation: Installation,
) -> None:
    [ann] = await installation.subscribe(1)
    database = FlakyDatabase(installation.database)
    context = replace(installation.context, database=database)
    known = AutomationCache(database, installation.clock)
    for _ in range(10):
        await track(context, known, installation.site.id, ann, SiteEvent(name="visit"))
    assert (database.reads, database.writes) == (1, 10)
    installation.clock.advance(KEPT_FOR)
    await track(context, known, installation.site.id, ann, SiteEvent(name="visit"))
    assert (database.reads, database.writes) == (2, 11)


async def test_a_new_automation_is_noticed_within_five_seconds_and_here_at_once(
    installation: Installation,
) -> None:
    here, elsewhere = (AutomationCache(installation.database, installation.clock) for _ in range(2))
    site_id = installation.site.id
    for cache in (here, elsewhere):
        assert (await cache.get(site_id)).on_event == {}
    await automate(installation, step(0))
    here.forget(site_id)
    assert "cart" in (await here.get(site_id)).on_event
    assert "cart" not in (await elsewhere.get(site_id)).on_event
    installation.clock.advance(KEPT_FOR)
    assert "cart" in (await elsewhere.get(site_id)).on_event


def test_an_event_begins_some_automations_and_ends_others() -> None:
    reactions = reactions_of(
        [automation(1, "cart", ("purchase",)), automation(2, "purchase", once=True), automation(3)]
    )
    assert reactions.on_subscribe == (Way(3, 7_000, again=True),)
    assert reactions.on_event == {
        "cart": Reaction(begins=(Way(1, 7_000, again=True),)),
        "purchase": Reaction((1,), begins=(Way(2, 7_000, again=False),)),
    }


def test_one_that_is_paused_takes_nobody_in_but_lets_them_leave() -> None:
    reactions = reactions_of([automation(1, "cart", ("purchase", "cart"), active=False)])
    assert reactions.on_event == {"cart": Reaction((1,)), "purchase": Reaction((1,))}


def test_an_event_that_begins_and_ends_the_same_makes_it_begin_anew() -> None:
    reactions = reactions_of([automation(1, "cart", ("cart",))])
    assert reactions.on_event == {
        "cart": Reaction(elsewhere=(1,), begins=(Way(1, 7_000, again=True, anew=True),))
    }
