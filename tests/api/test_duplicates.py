"""A message once more, as a draft."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.api.moments import to_moment
from gateway.context import Context
from tests.api.conftest import Api
from tests.api.failing import end, send
from tests.fakes.clock import FakeClock

OWN = {
    "id",
    "state",
    "created_at",
    "send_at",
    "expires_at",
    "started_at",
    "ended_at",
    "progress",
    "unknown",
    "results",
}


async def duplicate(api: Api, site: str, message: str, status: int = 200, **options: Any) -> Any:
    return await api.post(f"/v1/sites/{site}/messages/{message}/duplicate", status=status, **options)


def moment(clock: FakeClock, **later: int) -> str:
    return (to_moment(clock.now()) + timedelta(**later)).isoformat()


async def test_a_duplicate_is_a_draft_with_everything_of_the_message(
    api: Api, site: str, context: Context
) -> None:
    changes: dict[str, Any] = {
        "notification": {"title": "Hello {{ external_id }}", "data": {"a": 1}},
        "options": {"ttl": 60, "urgency": "high", "topic": "sale"},
        "audience": {"recipients": [{"external_id": "visitor-1", "data": {"n": 5}}]},
        "rate": 50,
        "dry_run": True,
    }
    message, _ = await send(api, context, site, **changes)
    await end(context, message)

    copy = await duplicate(api, site, message)

    original = await api.get(f"/v1/sites/{site}/messages/{message}")
    assert copy["state"] == "draft"
    assert copy["id"] != message
    assert {k: v for k, v in copy.items() if k not in OWN} == {
        k: v for k, v in original.items() if k not in OWN
    }


async def test_what_has_passed_is_left_out_and_what_is_to_come_stays(
    api: Api, site: str, clock: FakeClock
) -> None:
    times = {"send_at": moment(clock, hours=1), "expires_at": moment(clock, hours=2)}
    message = await api.new_message(site, **times)
    early = await duplicate(api, site, message["id"])
    assert (early["send_at"], early["expires_at"]) == (message["send_at"], message["expires_at"])
    clock.advance(3 * 3_600)
    late = await duplicate(api, site, message["id"])
    assert (late["send_at"], late["expires_at"]) == (late["created_at"], None)


async def test_a_rule_whose_time_has_passed_is_left_out(api: Api, site: str, clock: FakeClock) -> None:
    at = (to_moment(clock.now()) + timedelta(days=2)).strftime("%Y-%m-%dT09:00")
    message = await api.new_message(site, local_time={"at": at, "late": "skip"}, rate=7)
    assert (await duplicate(api, site, message["id"]))["local_time"]["at"] == at
    clock.advance(5 * 24 * 3_600)
    late = await duplicate(api, site, message["id"])
    assert (late["local_time"], late["rate"]) == (None, 7)


@pytest.mark.parametrize("end", ["expires_at", "valid_until"])
@pytest.mark.parametrize(
    "rules",
    [
        {
            "variants": {
                "options": [{"name": "A", "weight": 50}, {"name": "B", "weight": 50}],
                "winner": {"sample": 20, "after": 3_600, "default": "A"},
            }
        },
        {"rollout": {"first": 10, "after": 3_600}},
        {"best_hour": {"within_hours": 1}},
    ],
)
async def test_an_end_that_has_come_too_near_is_left_out_and_the_rule_stays(
    api: Api, site: str, clock: FakeClock, rules: dict[str, Any], end: str
) -> None:
    message = await api.new_message(site, **rules, **{end: moment(clock, hours=2)})
    clock.advance(90 * 60)
    late = await duplicate(api, site, message["id"])
    assert {name: late[name] for name in rules} == {name: message[name] for name in rules}
    assert (late["expires_at"], late["valid_until"]) == (None, None)


async def test_a_duplicate_is_sent_like_any_draft(api: Api, site: str) -> None:
    copy = await duplicate(api, site, (await api.new_message(site))["id"])
    released = await api.patch(f"/v1/sites/{site}/messages/{copy['id']}", {"draft": False})
    assert released["state"] == "scheduled"


async def test_a_repeated_request_makes_one_duplicate(api: Api, site: str) -> None:
    message = (await api.new_message(site))["id"]
    key = {"Idempotency-Key": "again"}
    first = await duplicate(api, site, message, headers=key)
    assert await duplicate(api, site, message, headers=key) == first
    other = (await api.new_message(site))["id"]
    await duplicate(api, site, other, 409, headers=key)
    assert len((await api.get(f"/v1/sites/{site}/messages"))["items"]) == 3


async def test_nothing_is_duplicated_that_is_not_there(api: Api, site: str) -> None:
    await duplicate(api, site, "msg_0000000000000", 404)
    message = (await api.new_message(await api.new_site()))["id"]
    await duplicate(api, site, message, 404)
