"""Messages that nothing starts until somebody says so."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.api.admin.message_types import MessageChange, NewMessage
from gateway.api.moments import to_moment
from gateway.campaigns.rules import Rules
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.starter import Starter
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock

HOUR = 3_600


async def start(context: Context) -> None:
    await Starter(context, Metrics()).step()


async def state(api: Api, site: str, message: str) -> str:
    return str((await api.get(f"/v1/sites/{site}/messages/{message}"))["state"])


async def test_nothing_starts_a_draft(api: Api, site: str, context: Context, clock: FakeClock) -> None:
    draft = await api.new_message(site, draft=True)
    clock.advance(24 * HOUR)
    await start(context)
    assert (draft["state"], await state(api, site, draft["id"])) == ("draft", "draft")


async def test_a_draft_that_is_no_draft_any_more_starts(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    path = f"/v1/sites/{site}/messages/{(await api.new_message(site, draft=True))['id']}"
    clock.advance(HOUR)
    released = await api.patch(path, {"draft": False})
    assert released["state"] == "scheduled"
    assert released["send_at"] == to_moment(clock.now()).isoformat().replace("+00:00", "Z")
    await start(context)
    assert (await api.get(path))["state"] == "sending"


async def test_a_draft_keeps_a_time_that_is_to_come(api: Api, site: str, clock: FakeClock) -> None:
    send_at = (to_moment(clock.now()) + timedelta(hours=3)).isoformat()
    draft = await api.new_message(site, draft=True, send_at=send_at)
    released = await api.patch(f"/v1/sites/{site}/messages/{draft['id']}", {"draft": False})
    assert (released["state"], released["send_at"]) == ("scheduled", draft["send_at"])


async def test_a_scheduled_message_becomes_a_draft_again(api: Api, site: str, context: Context) -> None:
    message = await api.new_message(site)
    changed = await api.patch(f"/v1/sites/{site}/messages/{message['id']}", {"draft": True})
    await start(context)
    assert (changed["state"], await state(api, site, message["id"])) == ("draft", "draft")


@pytest.mark.parametrize("recurs", [False, True])
async def test_a_message_that_is_paused_before_its_start_is_changed_and_stays_paused(
    api: Api, site: str, context: Context, clock: FakeClock, recurs: bool
) -> None:
    daily = {"recurrence": {"cron": "0 9 * * *", "timezone": "UTC"}}
    rule = daily if recurs else {"send_at": (to_moment(clock.now()) + timedelta(hours=1)).isoformat()}
    path = f"/v1/sites/{site}/messages/{(await api.new_message(site, **rule))['id']}"
    paused = await api.post(f"{path}/pause", status=200)
    clock.advance(2 * HOUR)
    changed = await api.patch(path, {"notification": {"title": "Other"}, "draft": False})
    assert changed["notification"]["title"] == "Other"
    assert (changed["state"], changed["state_reason"]) == ("paused", paused["state_reason"])
    assert await api.get(path) == changed
    assert (await api.post(f"{path}/resume", status=200))["state"] == "scheduled"
    await api.post(f"{path}/pause", status=200)
    draft = await api.patch(path, {"draft": True})
    assert (draft["state"], draft["state_reason"]) == ("draft", None)
    assert await api.get(path) == draft
    again = await api.patch(path, {"draft": False, "recurrence": None, "send_at": None})
    assert again["state"] == "scheduled"
    await start(context)
    await api.post(f"{path}/pause", status=200)
    await api.patch(path, {"rate": 5}, 409)


async def test_a_draft_is_edited_and_stays_one(api: Api, site: str) -> None:
    draft = await api.new_message(site, draft=True)
    path = f"/v1/sites/{site}/messages/{draft['id']}"
    changed = await api.patch(path, {"notification": {"title": "Other"}, "dry_run": True, "rate": 5})
    assert changed["state"] == "draft"
    assert (changed["notification"]["title"], changed["dry_run"], changed["rate"]) == ("Other", True, 5)
    changed = await api.patch(path, {"dry_run": None})
    assert (changed["dry_run"], changed["notification"]["title"]) == (False, "Other")


async def test_a_draft_whose_end_has_passed_says_so_when_it_is_released(
    api: Api, site: str, clock: FakeClock
) -> None:
    expires_at = (to_moment(clock.now()) + timedelta(hours=1)).isoformat()
    path = (
        f"/v1/sites/{site}/messages/{(await api.new_message(site, draft=True, expires_at=expires_at))['id']}"
    )
    clock.advance(2 * HOUR)
    problem = await api.patch(path, {"draft": False}, 400)
    assert [each["path"] for each in problem["errors"]] == ["expires_at"]
    assert (await api.get(path))["state"] == "draft"


async def test_a_draft_is_cancelled(api: Api, site: str) -> None:
    draft = await api.new_message(site, draft=True)
    await api.post(f"/v1/sites/{site}/messages/{draft['id']}/cancel", status=200)
    assert await state(api, site, draft["id"]) == "cancelled"


async def test_a_draft_cannot_be_paused(api: Api, site: str) -> None:
    draft = await api.new_message(site, draft=True)
    await api.post(f"/v1/sites/{site}/messages/{draft['id']}/pause", status=409)


RULES: dict[str, Any] = {
    "dry_run": True,
    "local_time": {"at": "2099-12-01T09:00"},
    "best_hour": {"within_hours": 12},
    "quiet_hours": "override",
    "recurrence": {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"},
    "misfire": {"after": 300, "then": "expire"},
    "variants": {"options": [{"name": "A", "weight": 40}, {"name": "B", "weight": 60}]},
    "rollout": {"first": 10},
    "auto_pause": {"failure_rate": 0.2},
    "translations": {"de": {"title": "Ausverkauf"}},
    "fallback": {"title": "Look"},
    "utm": {"source": "push"},
}


@pytest.mark.parametrize("draft", [True, False], ids=["draft", "scheduled"])
@pytest.mark.parametrize("name", RULES)
async def test_every_rule_is_given_and_taken_away_before_the_start(
    api: Api, site: str, name: str, draft: bool
) -> None:
    message = await api.new_message(site, draft=draft)
    path = f"/v1/sites/{site}/messages/{message['id']}"
    changed = await api.patch(path, {name: RULES[name]})
    assert _says(changed[name], RULES[name])
    assert changed["state"] == message["state"]
    assert (await api.patch(path, {"rate": 5}))[name] == changed[name]
    assert (await api.patch(path, {name: None}))[name] == message[name]


async def test_what_names_something_deleted_is_changed_but_not_released(api: Api, site: str) -> None:
    segment = await api.post(f"/v1/sites/{site}/segments", {"name": "VIPs", "where": {"tag": "vip"}})
    category = await api.post(f"/v1/sites/{site}/categories", {"name": "offers", "title": "Offers"})
    named = {"audience": {"segment": segment["id"]}, "category": "offers"}
    scheduled = await api.new_message(site, send_at="2099-01-01T00:00:00Z", **named)
    draft = await api.new_message(site, draft=True, **named)
    await api.delete(f"/v1/sites/{site}/segments/{segment['id']}")
    await api.delete(f"/v1/sites/{site}/categories/{category['id']}")
    for message in (scheduled, draft):
        path = f"/v1/sites/{site}/messages/{message['id']}"
        changed = await api.patch(path, {"rate": 5})
        assert {name: changed[name] for name in ("rate", *named)} == {"rate": 5, **named}
    path = f"/v1/sites/{site}/messages/{draft['id']}"
    problem = await api.patch(path, {"draft": False}, 400)
    assert [error["path"] for error in problem["errors"]] == ["audience.segment"]
    problem = await api.patch(path, {"draft": False, "audience": {"all": True}}, 400)
    assert [error["path"] for error in problem["errors"]] == ["category"]
    released = await api.patch(path, {"draft": False, "audience": {"all": True}, "category": None})
    assert released["state"] == "scheduled"


@pytest.mark.parametrize("name", RULES)
async def test_a_draft_with_any_rule_is_released(api: Api, site: str, name: str) -> None:
    draft = await api.new_message(site, draft=True, **{name: RULES[name]})
    assert draft["state"] == "draft"
    released = await api.patch(f"/v1/sites/{site}/messages/{draft['id']}", {"draft": False})
    assert (released["state"], released[name]) == ("scheduled", draft[name])


def test_whatever_a_message_may_be_made_with_may_be_changed() -> None:
    assert set(Rules.__struct_fields__) <= set(MessageChange.__struct_fields__)
    assert set(NewMessage.__struct_fields__) <= set(MessageChange.__struct_fields__)


def _says(shown: Any, asked: Any) -> bool:
    """Whether it shows all that was asked for; it may show defaults, too."""
    if isinstance(asked, dict):
        return all(_says(shown[key], value) for key, value in asked.items())
    if isinstance(asked, list):
        return all(map(_says, shown, asked))
    return bool(shown == asked)
