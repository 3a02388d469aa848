"""Taking a message back, as admins ask for it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock

WITHDRAWABLE = {"withdrawable": True, "fallback": {"title": "See our site"}}


async def start(context: Context) -> None:
    """All messages that are due, to nobody: there is no subscription."""
    metrics = Metrics()
    await Starter(context, metrics).step()
    await Freezer(context, metrics).step()


async def finish(context: Context) -> None:
    await Finisher(context, "scheduler", Metrics()).step()


async def sent(api: Api, context: Context, site: str, **changes: Any) -> str:
    made = await api.new_message(site, **{**WITHDRAWABLE, **changes})
    await start(context)
    return str(made["id"])


def path(site: str, message: str, verb: str = "") -> str:
    return f"/v1/sites/{site}/messages/{message}{verb}"


async def test_a_withdrawal_is_a_message_of_its_own_and_both_name_the_other(
    api: Api, context: Context, site: str
) -> None:
    message = await sent(api, context, site, category=None)
    await finish(context)
    withdrawal = await api.post(path(site, message, "/withdraw"), status=200)
    assert withdrawal["withdrawal_of"] == message
    assert withdrawal["notification"] == {"title": "See our site"}
    assert withdrawal["audience"] == {"withdrawal_of": message}
    assert withdrawal["state"] == "scheduled"
    assert withdrawal["options"]["ttl"] == 1
    shown = await api.get(path(site, message))
    assert (shown["state"], shown["withdrawal"], shown["withdrawal_of"]) == ("sent", withdrawal["id"], None)
    await start(context)
    await finish(context)
    ended = await api.get(path(site, withdrawal["id"]))
    assert (ended["state"], ended["progress"]["audience"]) == ("sent", 0)
    listed = await api.get(f"/v1/sites/{site}/messages")
    assert [each["id"] for each in listed["items"]] == [withdrawal["id"], message]
    entries = await api.get("/v1/audit")
    assert "message.withdrawn" in [each["action"] for each in entries["items"]]


async def test_asked_for_again_it_is_the_same_unless_that_was_cancelled(
    api: Api, context: Context, site: str
) -> None:
    message = await sent(api, context, site)
    first = await api.post(path(site, message, "/withdraw"), status=200)
    assert (await api.get(path(site, message)))["state"] == "cancelled"
    assert (await api.post(path(site, message, "/withdraw"), status=200))["id"] == first["id"]
    await api.post(path(site, first["id"], "/pause"), status=200)
    await api.post(path(site, first["id"], "/resume"), status=200)
    await api.post(path(site, first["id"], "/cancel"), status=200)
    second = await api.post(path(site, message, "/withdraw"), status=200)
    assert second["id"] != first["id"]
    assert (await api.get(path(site, message)))["withdrawal"] == second["id"]


async def test_what_cannot_be_withdrawn_says_why(api: Api, context: Context, site: str) -> None:
    recurrence = {"cron": "0 9 * * 1", "timezone": "UTC"}
    for changes, why in (
        ({"withdrawable": False}, "withdrawable"),
        ({"dry_run": True}, "dry run"),
        ({"recurrence": recurrence}, "occurrences"),
        ({"draft": True}, "not been sent"),
        ({"send_at": "2100-01-01T00:00:00Z"}, "not been sent"),
    ):
        message = await sent(api, context, site, **changes)
        problem = await api.post(path(site, message, "/withdraw"), status=409)
        assert problem["code"] == "wrong_state"
        assert why in problem["detail"]
    await api.post(path(site, "msg_0000000000000", "/withdraw"), status=404)


async def test_a_withdrawal_is_neither_changed_nor_sent_otherwise(
    api: Api, context: Context, site: str
) -> None:
    message = await sent(api, context, site)
    withdrawal = (await api.post(path(site, message, "/withdraw"), status=200))["id"]
    await api.patch(path(site, withdrawal), {"notification": {"title": "News"}}, 409)
    for verb, body in (
        ("withdraw", None),
        ("replay", {}),
        ("duplicate", None),
        ("test", {"subscriptions": ["sub_1"]}),
    ):
        status = 400 if verb == "test" else 409
        await api.post(path(site, withdrawal, f"/{verb}"), body, status)


async def test_steps_of_automations_cannot_be_made_withdrawable(api: Api, site: str) -> None:
    step = {"after": 0, "notification": {"title": "Welcome"}, "withdrawable": True}
    body = {"name": "Welcome", "trigger": {"on": "subscribe"}, "steps": [step]}
    await api.post(f"/v1/sites/{site}/automations", body, 400)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"notification": {"title": "A", "tag": "{{ external_id }}"}}, "notification.tag"),
        ({"translations": {"de": {"tag": "other"}}}, "translations.de.tag"),
        (
            {
                "variants": {
                    "options": [
                        {"name": "A", "weight": 50},
                        {"name": "B", "weight": 50, "notification": {"tag": "b"}},
                    ]
                }
            },
            "variants.options[1].notification.tag",
        ),
    ],
)
async def test_all_of_it_has_one_tag(api: Api, site: str, changes: dict[str, Any], where: str) -> None:
    body = {"notification": {"title": "A"}, "audience": {"all": True}, **WITHDRAWABLE, **changes}
    problem = await api.post(f"/v1/sites/{site}/messages", body, 400)
    assert [error["path"] for error in problem["errors"]] == [where]
    await api.post(f"/v1/sites/{site}/messages", {**body, "withdrawable": False}, 202)


async def test_the_fallback_has_to_fit_together_with_the_tag_of_the_message(api: Api, site: str) -> None:
    fallback = {"title": "A", "data": {"x": "y" * 3_700}}
    body = {
        "notification": {"title": "A"},
        "audience": {"all": True},
        "fallback": fallback,
        "withdrawable": True,
    }
    await api.post(f"/v1/sites/{site}/messages", body, 202)
    tagged = {**body, "notification": {"title": "A", "tag": "t" * 128}}
    problem = await api.post(f"/v1/sites/{site}/messages", tagged, 413)
    assert "tag" in problem["detail"]
    await api.post(f"/v1/sites/{site}/messages", {**tagged, "withdrawable": False}, 202)


async def test_a_draft_becomes_withdrawable_and_a_test_of_it_can_be_withdrawn(
    api: Api, context: Context, site: str
) -> None:
    subscription = (await Page(api.with_token(None), site).subscribe(push_subscription()))["id"]
    message = (await api.new_message(site, draft=True))["id"]
    assert (await api.patch(path(site, message), {"withdrawable": True}))["withdrawable"] is True
    test = (await api.post(path(site, message, "/test"), {"subscriptions": [subscription]}, 200))["id"]
    await api.post(path(site, test, "/withdraw"), status=409)
    await start(context)
    assert (await api.post(path(site, test, "/withdraw"), status=200))["withdrawal_of"] == test


async def test_when_its_time_is_over_there_is_nothing_to_withdraw(
    api: Api, context: Context, clock: FakeClock, site: str
) -> None:
    message = await sent(api, context, site, expires_at=moment(clock, 60))
    clock.advance(59)
    withdrawal = await api.post(path(site, message, "/withdraw"), status=200)
    assert withdrawal["expires_at"] == moment(clock, 1)
    clock.advance(1)
    again = await api.post(path(site, message, "/withdraw"), status=200)
    assert (again["id"], again["state"]) == (withdrawal["id"], "scheduled")
    other = await sent(api, context, site, expires_at=moment(clock, 1))
    clock.advance(1)
    problem = await api.post(path(site, other, "/withdraw"), status=409)
    assert "time is over" in problem["detail"]


def moment(clock: FakeClock, seconds: float) -> str:
    at = datetime.fromtimestamp(clock.now() / 1_000 + seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
