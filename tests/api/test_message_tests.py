"""Test sends: the same content to a few, before anybody else gets it."""

import json
from typing import Any

import pytest

from gateway.context import Context
from gateway.outgoing import Outgoing
from storage import messages, subscriptions
from storage.database import Transaction
from storage.ids import Kind, decode_id, encode_id
from storage.messages import Message
from storage.subscriptions import NewSubscription, SubscriptionState
from tests.api.conftest import Api
from tests.api.test_replays import addressed


@pytest.fixture
async def people(context: Context, site: str) -> list[str]:
    """The subscriptions of visitor-0 and visitor-1, and one of nobody in particular."""
    site_id, now = decode_id(Kind.SITE, site), context.clock.now()
    rows = [
        (
            context.ids.next(),
            NewSubscription(
                endpoint=f"https://fcm.googleapis.com/fcm/send/{number}",
                provider="fcm",
                key_id=1,
                p256dh=bytes(65),
                auth=bytes(16),
                external_id=name,
                created_at=now,
            ),
        )
        for number, name in enumerate(["visitor-0", "visitor-1", None])
    ]
    await context.database.write(lambda tx: subscriptions.add_many(tx, site_id, rows, now))
    return [encode_id(Kind.SUBSCRIPTION, id) for id, _ in rows]


async def send_test(
    api: Api, site: str, message: str, people: list[str], status: int = 200, **options: Any
) -> Any:
    path = f"/v1/sites/{site}/messages/{message}/test"
    return await api.post(path, {"subscriptions": people}, status, **options)


async def stored(context: Context, message: str) -> Message:
    id = decode_id(Kind.MESSAGE, message)
    return (await context.database.read(lambda tx: messages.by_ids(tx, [id])))[id]


async def shown(context: Context, message: str, external_id: str | None) -> Any:
    outgoing = Outgoing(await stored(context, message), "https://push.example.net")
    return json.loads(outgoing.render("x" * 60, external_id))["n"]


async def test_a_test_goes_to_those_only_and_leaves_the_message_alone(
    api: Api, site: str, context: Context, people: list[str]
) -> None:
    draft = await api.new_message(site, draft=True)

    test = await send_test(api, site, draft["id"], people[:2])

    assert (test["test_of"], test["state"], test["priority"]) == (draft["id"], "scheduled", "transactional")
    assert test["tests"] == [test["id"]]
    assert await addressed(context, test["id"]) == sorted(people[:2])
    assert await api.get(f"/v1/sites/{site}/messages/{draft['id']}") == draft
    assert (await shown(context, test["id"], "visitor-0"))["title"] == draft["notification"]["title"]


async def test_lists_do_not_show_tests(api: Api, site: str, people: list[str]) -> None:
    message = await api.new_message(site, draft=True)
    test = await send_test(api, site, message["id"], people)
    assert [each["id"] for each in (await api.get(f"/v1/sites/{site}/messages"))["items"]] == [message["id"]]
    assert (await api.get(f"/v1/sites/{site}/messages/{test['id']}"))["test_of"] == message["id"]


async def test_rules_of_the_message_do_not_hold_a_test_back(
    api: Api, site: str, context: Context, people: list[str]
) -> None:
    message = await api.new_message(site, send_at="2099-01-01T00:00:00Z", dry_run=True, rate=1)
    test = await send_test(api, site, message["id"], people)
    assert (test["dry_run"], test["rate"], test["send_at"]) == (False, None, test["created_at"])
    assert await addressed(context, test["id"]) == sorted(people)


async def test_a_tester_who_is_a_recipient_gets_their_data(
    api: Api, site: str, context: Context, people: list[str]
) -> None:
    recipients = [{"external_id": "visitor-0", "data": {"n": 5}}, {"external_id": "x", "data": {"n": 6}}]
    message = await api.new_message(site, audience={"recipients": recipients}, draft=True)
    test = await send_test(api, site, message["id"], people)
    assert await addressed(context, test["id"]) == sorted(people)
    assert (await shown(context, test["id"], "visitor-0"))["data"] == {"n": 5}
    assert "data" not in await shown(context, test["id"], "visitor-1")
    assert "data" not in await shown(context, test["id"], None)
    assert test["audience"] == {"subscriptions": people}


async def test_each_variant_is_tested_in_every_language(
    api: Api, site: str, context: Context, people: list[str]
) -> None:
    options = [
        {"name": "A", "weight": 50},
        {"name": "B", "weight": 50, "notification": {"title": "B!", "data": {"b": 1}}},
    ]
    message = await api.new_message(
        site,
        draft=True,
        variants={"options": options},
        translations={"de": {"title": "Ausverkauf", "body": "Heute", "data": {"a": 1}}},
    )
    test = await send_test(api, site, message["id"], people)
    titles = []
    for id in test["tests"]:
        made = await api.get(f"/v1/sites/{site}/messages/{id}")
        german = made["translations"]["de"]
        titles.append((made["notification"]["title"], german["title"], german["body"], german["data"]))
        assert (made["variants"], made["test_of"]) == (None, message["id"])
    assert titles == [
        ("Sale", "Ausverkauf", "Heute", {"a": 1}),
        ("B!", "B!", "Heute", {"a": 1, "b": 1}),
    ]


async def test_a_repeated_request_makes_its_tests_once(api: Api, site: str, people: list[str]) -> None:
    options = [{"name": "A", "weight": 50}, {"name": "B", "weight": 50}]
    message = (await api.new_message(site, draft=True, variants={"options": options}))["id"]
    key = {"Idempotency-Key": "again"}
    first = await send_test(api, site, message, people, headers=key)
    assert await send_test(api, site, message, people, headers=key) == first
    assert len(first["tests"]) == 2
    await send_test(api, site, message, people[:1], 409, headers=key)


async def test_who_cannot_be_sent_to_is_named(
    api: Api, site: str, context: Context, people: list[str]
) -> None:
    message = (await api.new_message(site))["id"]
    gone = decode_id(Kind.SUBSCRIPTION, people[1])
    site_id = decode_id(Kind.SITE, site)

    async def body(tx: Transaction) -> None:
        await subscriptions.end(tx, site_id, gone, SubscriptionState.GONE, 5)

    await context.database.write(body)
    problem = await send_test(api, site, message, people, 400)
    assert [people[1] in each["message"] for each in problem["errors"]] == [True]
    await send_test(api, site, message, ["sub_nonsense"], 400)
    await send_test(api, site, message, [], 400)
    await send_test(api, site, message, ["sub_0000000000000"] * 21, 400)


async def test_a_test_is_neither_tested_nor_duplicated(api: Api, site: str, people: list[str]) -> None:
    test = (await send_test(api, site, (await api.new_message(site))["id"], people))["id"]
    await send_test(api, site, test, people, 409)
    await api.post(f"/v1/sites/{site}/messages/{test}/duplicate", status=409)


async def test_a_test_is_in_the_audit_log(api: Api, site: str, people: list[str]) -> None:
    message = (await api.new_message(site))["id"]
    test = await send_test(api, site, message, people)
    newest = (await api.get("/v1/audit"))["items"][0]
    assert (newest["action"], newest["target"]) == ("message.tested", message)
    assert newest["detail"] == {"tests": test["tests"], "subscriptions": 3}
