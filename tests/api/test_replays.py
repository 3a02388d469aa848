import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.context import Context
from gateway.metrics import Metrics
from gateway.outgoing import Outgoing
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from storage import batches, messages, subscriptions
from storage.database import Transaction
from storage.deliveries import Outcome
from storage.ids import Kind, decode_id, encode_id, unpack
from storage.messages import MessageState
from tests.api.conftest import NEW_MESSAGE, Api
from tests.api.failing import end, send
from tests.fakes.clock import FakeClock


async def addressed(context: Context, message: str) -> list[str]:
    """The subscriptions that the scheduler puts into the message's batches."""
    await Starter(context, Metrics()).step()
    await Freezer(context, Metrics()).step()
    id = decode_id(Kind.MESSAGE, message)

    async def body(tx: Transaction) -> list[int]:
        claimed = await batches.claim_of_message(tx, id, "test", 1_000, 100)
        return sorted(member for batch in claimed for member in unpack(batch.members))

    return [encode_id(Kind.SUBSCRIPTION, each) for each in await context.database.write(body)]


async def replay(
    api: Api, site: str, message: str, body: object = None, status: int = 202, headers: Mapping[str, str] = {}
) -> Any:
    return await api.post(f"/v1/sites/{site}/messages/{message}/replay", body, status, headers=headers)


async def test_a_replay_is_a_new_message_to_those_who_failed_and_are_active(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    options = {"ttl": 60, "urgency": "high", "topic": "sale"}
    message, ids = await send(api, context, site, options=options, rate=50)
    await end(context, message)
    clock.advance(60)
    made = await replay(api, site, message)
    assert made["id"] != message
    assert (made["state"], made["replay_of"]) == ("scheduled", message)
    assert (made["notification"], made["options"]) == (NEW_MESSAGE["notification"], options)
    assert (made["rate"], made["priority"]) == (50, "bulk")
    assert made["send_at"] == made["created_at"] == "2026-01-01T00:01:00Z"
    assert made["audience"] == {"failures_of": message}
    path = f"/v1/sites/{site}/messages"
    assert await api.get(f"{path}/{made['id']}") == made
    listed = (await api.get(path))["items"]
    assert [each["replay_of"] for each in listed] == [message, None]
    assert await addressed(context, made["id"]) == [ids[1], ids[5], ids[6], ids[7]]
    latest = (await api.get("/v1/audit"))["items"][0]
    assert (latest["action"], latest["target"]) == ("message.created", made["id"])
    assert latest["detail"] == {"replay_of": message}


async def test_who_was_addressed_by_name_gets_what_is_theirs_again(
    api: Api, site: str, context: Context
) -> None:
    recipients = [{"external_id": f"visitor-{n}", "data": {"seat": n}} for n in range(3)]
    outcomes = [Outcome.ACCEPTED, Outcome.UNAUTHORIZED, Outcome.UNAUTHORIZED]
    message, ids = await send(api, context, site, outcomes, audience={"recipients": recipients})
    await end(context, message)
    made = await replay(api, site, message)
    assert made["priority"] == "transactional"
    assert await addressed(context, made["id"]) == ids[1:]
    id = decode_id(Kind.MESSAGE, made["id"])
    stored = (await context.database.read(lambda tx: messages.by_ids(tx, [id])))[id]
    payload = json.loads(Outgoing(stored, "https://push.example.net").render("token", "visitor-2"))
    assert '"seat": 2' in json.dumps(payload)


async def test_a_replay_that_fails_is_replayed(api: Api, site: str, context: Context) -> None:
    audience = {"external_ids": ["visitor-0"]}
    message, _ = await send(api, context, site, [Outcome.REJECTED], audience=audience)
    await end(context, message)
    second = await replay(api, site, message)
    await end(context, second["id"])
    assert "nobody" in (await replay(api, site, second["id"], status=409))["detail"]


@pytest.mark.parametrize("state", [MessageState.SENDING, MessageState.PAUSED, MessageState.SCHEDULED])
async def test_a_message_that_still_sends_is_not_replayed(
    api: Api, site: str, context: Context, state: MessageState
) -> None:
    message, _ = await send(api, context, site)
    await end(context, message, state)
    problem = await replay(api, site, message, status=409)
    assert problem["code"] == "wrong_state"
    assert state in problem["detail"]


async def test_only_outcomes_that_are_named_are_replayed(api: Api, site: str, context: Context) -> None:
    message, ids = await send(api, context, site)
    await end(context, message)
    outcomes = ["unauthorized", "expired"]
    made = await replay(api, site, message, {"outcomes": outcomes})
    assert made["audience"] == {"failures_of": message, "outcomes": outcomes}
    assert await addressed(context, made["id"]) == [ids[1], ids[5], ids[7]]
    assert "nobody" in (await replay(api, site, message, {"outcomes": ["rejected"]}, 409))["detail"]


async def test_a_cancelled_message_is_replayed(api: Api, site: str, context: Context) -> None:
    message, ids = await send(api, context, site, [Outcome.REJECTED, Outcome.ACCEPTED])
    await api.post(f"/v1/sites/{site}/messages/{message}/cancel", status=200)
    made = await replay(api, site, message)
    assert await addressed(context, made["id"]) == ids[:1]


@pytest.mark.parametrize("outcomes", [[Outcome.ACCEPTED], [Outcome.GONE] * 1_001])
async def test_with_nobody_to_send_it_to_there_is_no_replay(
    api: Api, site: str, context: Context, outcomes: list[Outcome]
) -> None:
    message, ids = await send(api, context, site, outcomes)
    await end(context, message)
    assert (await replay(api, site, message, status=409))["code"] == "wrong_state"
    assert len((await api.get(f"/v1/sites/{site}/messages"))["items"]) == 1
    if outcomes[0] is Outcome.GONE:  # unless an admin has brought them back
        now = context.clock.now()
        await context.database.write(lambda tx: subscriptions.revert_gone(tx, "fcm", now, now))
        made = await replay(api, site, message)
        assert len(await addressed(context, made["id"])) == len(ids)


async def test_a_message_whose_time_is_over_needs_a_new_one(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    message, _ = await send(api, context, site, expires_at="2026-01-01T01:00:00Z")
    await end(context, message)
    assert (await replay(api, site, message))["expires_at"] == "2026-01-01T01:00:00Z"
    clock.advance(3_600)
    problem = await replay(api, site, message, status=400)
    assert [each["path"] for each in problem["errors"]] == ["expires_at"]
    later = {"expires_at": "2026-01-01T02:00:00Z"}
    assert (await replay(api, site, message, later))["expires_at"] == later["expires_at"]
    assert (await replay(api, site, message, {"expires_at": None}))["expires_at"] is None


async def test_a_replay_is_due_at_once_whatever_the_hour(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    """Its end may be too near for another window."""
    hours: dict[str, Any] = {"best_hour": {"within_hours": 24}, "expires_at": "2026-01-02T02:00:00Z"}
    message, _ = await send(api, context, site, **hours)
    await end(context, message)
    clock.advance(24 * 3_600)
    made = await replay(api, site, message)
    assert (made["best_hour"], made["expires_at"]) == (None, hours["expires_at"])


async def test_a_repeated_replay_is_one(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, site)
    await end(context, message)
    key = {"Idempotency-Key": "again"}
    made = await replay(api, site, message, headers=key)
    assert await replay(api, site, message, headers=key) == made
    other, _ = await send(api, context, site)
    await end(context, other)
    problem = await replay(api, site, other, status=409, headers=key)
    assert problem["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    "body", [{"colour": "red"}, {"expires_at": "tomorrow"}, {"outcomes": []}, {"outcomes": ["accepted"]}, []]
)
async def test_a_wrong_body_replays_nothing(api: Api, site: str, context: Context, body: object) -> None:
    message, _ = await send(api, context, site)
    await end(context, message)
    await replay(api, site, message, body, 400)


async def test_a_changed_replay_stays_one(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, site)
    await end(context, message)
    made = await replay(api, site, message)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    changed = await api.patch(path, {"notification": {"title": "Sorry"}})
    assert changed == {**made, "notification": {"title": "Sorry"}}
    assert await api.get(path) == changed


async def test_an_audience_of_failures_is_not_asked_for_directly(api: Api, site: str) -> None:
    message = (await api.new_message(site))["id"]
    body = {**NEW_MESSAGE, "audience": {"failures_of": message}}
    await api.post(f"/v1/sites/{site}/messages", body, 400)


async def test_another_sites_message_is_not_replayed(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, await api.new_site())
    await end(context, message)
    await replay(api, site, message, status=404)
    reader = api.with_token(await api.new_token(site, "read", "manage"))
    await replay(reader, site, message, status=403)
