import asyncio
import json
from typing import Any

import pytest

from gateway.context import Context
from storage import messages
from storage.database import Transaction
from storage.ids import Kind, decode_id, encode_id
from tests.api.conftest import NEW_MESSAGE, Api
from tests.fakes.clock import FakeClock


async def test_a_message_is_accepted_with_its_defaults(api: Api, site: str) -> None:
    made = await api.new_message(site)
    assert made["state"] == "scheduled"
    assert made["priority"] == "bulk"
    assert made["options"] == {"ttl": 259200, "urgency": "normal", "topic": None}
    assert made["notification"] == NEW_MESSAGE["notification"]
    assert made["audience"] == {"all": True}
    assert made["send_at"] == made["created_at"] == "2026-01-01T00:00:00Z"
    assert made["progress"]["audience"] is None
    assert made["results"] == {
        "displayed": 0,
        "clicked": 0,
        "closed": 0,
        "display_rate": None,
        "click_rate": None,
    }
    assert await api.get(f"/v1/sites/{site}/messages/{made['id']}") == made


async def test_a_message_with_everything_is_shown_as_it_was_asked_for(api: Api, site: str) -> None:
    asked: dict[str, Any] = {
        "notification": {
            "title": "Sale",
            "body": "Ends\ntonight \u2764\ufe0f",
            "url": "https://example.com/sale",
            "icon": "https://example.com/i.png",
            "image": "https://example.com/b.png",
            "badge": "http://example.com/a.png",
            "tag": "sale",
            "actions": [{"action": "buy", "title": "Buy", "url": "https://example.com/buy"}],
            "require_interaction": True,
            "silent": True,
            "data": {"nested": [1, 2.5, None, {"deep": "yes"}], "nul": "\u0000"},
        },
        "options": {"ttl": 86400, "urgency": "very-low", "topic": "sale"},
        "audience": {"recipients": [{"external_id": "u1", "data": {"name": "Ann"}}]},
        "priority": "bulk",
        "send_at": "2026-12-01T10:00:00+01:00",
        "expires_at": "2026-12-01T21:00:00Z",
        "rate": 5000,
    }
    made = await api.new_message(site, **asked)
    assert {name: made[name] for name in asked} == {**asked, "send_at": "2026-12-01T09:00:00Z"}


@pytest.mark.parametrize(
    ("audience", "priority"),
    [
        ({"all": True}, "bulk"),
        ({"subscriptions": ["sub_0000000000001"]}, "transactional"),
        ({"external_ids": [f"u{n}" for n in range(1000)]}, "transactional"),
        ({"external_ids": [f"u{n}" for n in range(1001)]}, "bulk"),
        ({"recipients": [{"external_id": "u1"}]}, "transactional"),
    ],
)
async def test_up_to_a_thousand_named_recipients_go_before_the_bulk(
    api: Api, site: str, audience: object, priority: str
) -> None:
    assert (await api.new_message(site, audience=audience))["priority"] == priority


async def test_who_is_named_twice_counts_once(api: Api, site: str) -> None:
    sub = encode_id(Kind.SUBSCRIPTION, 7)
    for audience in (
        {"subscriptions": [sub, sub]},
        {"external_ids": ["u1", "u1"]},
        {"recipients": [{"external_id": "u1", "data": {"a": 1}}] * 2},
    ):
        made = await api.new_message(site, audience=audience)
        (kind,) = audience
        assert made["audience"][kind] == audience[kind][:1]


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"notification": {}}, "notification.title"),
    ({"notification": {"title": ""}}, "notification.title"),
    ({"notification": {"title": "x" * 201}}, "notification.title"),
    ({"notification": {"title": "x", "colour": "red"}}, "notification.colour"),
    ({"notification": {"title": "x", "url": "javascript:alert(1)"}}, "notification.url"),
    ({"notification": {"title": "x", "url": "/sale"}}, "notification.url"),
    ({"notification": {"title": "x", "url": "https://exa mple.com"}}, "notification.url"),
    ({"notification": {"title": "x", "icon": "data:image/png;base64,AA"}}, "notification.icon"),
    ({"notification": {"title": "x", "data": []}}, "notification.data"),
    (
        {"notification": {"title": "x", "actions": [{"action": "a", "title": "A"}] * 3}},
        "notification.actions",
    ),
    ({"notification": {"title": "x", "actions": [{"title": "A"}]}}, "notification.actions[0].action"),
    ({"options": {"ttl": 0}}, "options.ttl"),
    ({"options": {"ttl": 2419201}}, "options.ttl"),
    ({"options": {"ttl": 1.5}}, "options.ttl"),
    ({"options": {"urgency": "now"}}, "options.urgency"),
    ({"options": {"topic": "a b"}}, "options.topic"),
    ({"options": {"topic": "x" * 33}}, "options.topic"),
    ({"options": {"topic": "fives"}}, "options.topic"),
    ({"audience": {}}, "audience"),
    ({"audience": {"all": True, "external_ids": ["u1"]}}, "audience"),
    ({"audience": {"all": False}}, "audience.all"),
    ({"audience": {"everyone": True}}, "audience.everyone"),
    ({"audience": {"subscriptions": []}}, "audience.subscriptions"),
    (
        {"audience": {"subscriptions": ["sub_0000000000001", "msg_0000000000001"]}},
        "audience.subscriptions[1]",
    ),
    ({"audience": {"external_ids": [f"u{n}" for n in range(10_001)]}}, "audience.external_ids"),
    (
        {"audience": {"recipients": [{"external_id": "u"}, {"external_id": "u", "data": {"a": 1}}]}},
        "audience.recipients[1]",
    ),
    ({"priority": "urgent"}, "priority"),
    ({"rate": 0}, "rate"),
    ({"send_at": "2026-12-01T09:00:00"}, "send_at"),
    ({"send_at": 1764579600}, "send_at"),
    ({"expires_at": "2025-12-31T23:59:59Z"}, "expires_at"),
    ({"send_at": "2026-12-01T09:00:00Z", "expires_at": "2026-12-01T09:00:00Z"}, "expires_at"),
    ({"sent_at": "2026-12-01T09:00:00Z"}, "sent_at"),
]


@pytest.mark.parametrize(("change", "path"), WRONG_FIELDS)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Api, site: str, change: dict[str, Any], path: str
) -> None:
    problem = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **change}, 400)
    assert [each["path"] for each in problem["errors"]] == [path]
    assert (await api.get(f"/v1/sites/{site}/messages"))["items"] == []


async def test_a_payload_that_does_not_fit_is_refused_with_the_bytes_over(api: Api, site: str) -> None:
    async def over(body: str) -> int:
        notification = {"title": "x", "body": "y", "data": {"long": body}}
        answer = await api.post(
            f"/v1/sites/{site}/messages", {**NEW_MESSAGE, "notification": notification}, 413
        )
        assert answer["code"] == "payload_too_large"
        assert str(answer["bytes_over"]) in answer["detail"]
        return int(answer["bytes_over"])

    much = await over("z" * 4000)
    assert await over("z" * (4000 - much + 1)) == 1
    assert await over("\u20ac" * 2000) > 2000
    fitting = {"title": "x", "body": "y", "data": {"long": "z" * (4000 - much)}}
    await api.new_message(site, notification=fitting)


async def test_the_recipient_with_the_most_data_must_fit_too(api: Api, site: str) -> None:
    recipients = [
        {"external_id": "small", "data": {"a": 1}},
        {"external_id": "big", "data": {"a": "z" * 4000}},
    ]
    problem = await api.post(
        f"/v1/sites/{site}/messages", {**NEW_MESSAGE, "audience": {"recipients": recipients}}, 413
    )
    assert problem["bytes_over"] > 0
    assert "big" in problem["detail"]


async def test_messages_are_listed_newest_first_without_their_audiences(api: Api, site: str) -> None:
    made = [(await api.new_message(site))["id"] for _ in range(3)]
    first = await api.get(f"/v1/sites/{site}/messages?limit=2")
    second = await api.get(f"/v1/sites/{site}/messages?limit=2&cursor={first['next']}")
    listed = first["items"] + second["items"]
    assert [each["id"] for each in listed] == made[::-1]
    assert not any("audience" in each for each in listed)
    assert second["next"] is None


async def test_another_sites_message_is_not_found(api: Api, site: str) -> None:
    other = await api.new_site()
    message = (await api.new_message(other))["id"]
    await api.get(f"/v1/sites/{site}/messages/{message}", 404)
    await api.patch(f"/v1/sites/{site}/messages/{message}", {"rate": 1}, 404)
    await api.post(f"/v1/sites/{site}/messages/{message}/cancel", status=404)


# --- changing and cancelling


async def test_a_change_before_the_start_replaces_what_it_names(api: Api, site: str) -> None:
    made = await api.new_message(site, send_at="2026-06-01T00:00:00Z", rate=10)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    changed = await api.patch(path, {"notification": {"title": "New"}, "rate": None})
    assert changed == {**made, "notification": {"title": "New"}, "rate": None}
    assert await api.get(path) == changed
    assert (await api.patch(path, {"send_at": None}))["send_at"] == "2026-01-01T00:00:00Z"


async def test_a_wrong_change_changes_nothing(api: Api, site: str) -> None:
    made = await api.new_message(site)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    await api.patch(path, {"rate": 5, "expires_at": "2020-01-01T00:00:00Z"}, 400)
    await api.patch(path, {"notification": {"title": "x", "data": {"a": "z" * 5000}}}, 413)
    await api.patch(path, {"state": "sent"}, 400)
    assert await api.get(path) == made


async def test_two_changes_at_once_both_count(api: Api, site: str) -> None:
    made = await api.new_message(site)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    await asyncio.gather(api.patch(path, {"rate": 5}), api.patch(path, {"notification": {"title": "New"}}))
    found = await api.get(path)
    assert (found["rate"], found["notification"]) == (5, {"title": "New"})


async def start(context: Context, message: str) -> None:
    async def body(tx: Transaction) -> None:
        assert await messages.start(tx, decode_id(Kind.MESSAGE, message), context.clock.now(), 0)

    await context.database.write(body)


async def test_a_message_that_has_started_cannot_be_changed(api: Api, site: str, context: Context) -> None:
    message = (await api.new_message(site))["id"]
    await start(context, message)
    problem = await api.patch(f"/v1/sites/{site}/messages/{message}", {"rate": 5}, 409)
    assert problem["code"] == "wrong_state"
    assert "sending" in problem["detail"]


async def test_a_message_is_cancelled_before_and_after_its_start_but_not_twice(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    for started in (False, True):
        path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
        if started:
            await start(context, message)
        clock.advance(60)
        cancelled = await api.post(f"{path}/cancel", status=200)
        assert cancelled["state"] == "cancelled"
        assert cancelled["ended_at"] is not None
        assert (await api.get(path))["state"] == "cancelled"
        assert (await api.post(f"{path}/cancel", status=409))["code"] == "wrong_state"
        assert (await api.patch(path, {"rate": 5}, 409))["code"] == "wrong_state"


async def test_cancel_races_have_one_winner(api: Api, site: str) -> None:
    message = (await api.new_message(site))["id"]
    answers = await asyncio.gather(
        *(
            api.client.post(
                f"/v1/sites/{site}/messages/{message}/cancel",
                headers={"Authorization": f"Bearer {api.token}"},
            )
            for _ in range(10)
        )
    )
    assert sorted(each.status for each in answers) == [200] + [409] * 9


# --- idempotency


async def post_with_key(
    api: Api, site: str, key: str, body: bytes, status: int = 202
) -> tuple[Any, str | None]:
    response = await api.call(
        "POST",
        f"/v1/sites/{site}/messages",
        status,
        data=body,
        headers={"Idempotency-Key": key, "Content-Type": "application/json"},
    )
    return await response.json(content_type=None), response.headers.get("Idempotency-Replayed")


BODY = json.dumps(NEW_MESSAGE).encode()


async def test_a_repeated_request_makes_one_message(api: Api, site: str) -> None:
    first, replayed = await post_with_key(api, site, "k1", BODY)
    assert replayed is None
    again, replayed = await post_with_key(api, site, "k1", BODY)
    assert (again, replayed) == (first, "true")
    assert len((await api.get(f"/v1/sites/{site}/messages"))["items"]) == 1


async def test_a_repeat_shows_the_message_as_it_is_now_although_its_times_have_passed(
    api: Api, site: str, clock: FakeClock
) -> None:
    body = json.dumps({**NEW_MESSAGE, "expires_at": "2026-01-01T01:00:00Z"}).encode()
    first, _ = await post_with_key(api, site, "k1", body)
    await api.post(f"/v1/sites/{site}/messages/{first['id']}/cancel", status=200)
    clock.advance(2 * 3600)
    again, replayed = await post_with_key(api, site, "k1", body)
    assert (again["id"], again["state"], replayed) == (first["id"], "cancelled", "true")


async def test_a_key_with_another_body_is_a_conflict(api: Api, site: str) -> None:
    await post_with_key(api, site, "k1", BODY)
    problem, _ = await post_with_key(api, site, "k1", BODY + b" ", 409)
    assert problem["code"] == "idempotency_key_reused"


async def test_a_deleted_site_repeats_nothing(api: Api, site: str) -> None:
    await post_with_key(api, site, "k1", BODY)
    await api.delete(f"/v1/sites/{site}")
    await post_with_key(api, site, "k1", BODY, 404)


async def test_another_sites_key_is_another_key(api: Api, site: str) -> None:
    first, _ = await post_with_key(api, site, "k1", BODY)
    second, replayed = await post_with_key(api, await api.new_site(), "k1", BODY)
    assert first["id"] != second["id"]
    assert replayed is None


async def test_a_failed_request_does_not_use_up_its_key(api: Api, site: str) -> None:
    await post_with_key(api, site, "k1", b'{"notification": {}}', 400)
    _, replayed = await post_with_key(api, site, "k1", BODY)
    assert replayed is None


async def test_many_equal_requests_at_once_make_one_message(api: Api, site: str) -> None:
    answers = await asyncio.gather(*(post_with_key(api, site, "k1", BODY) for _ in range(20)))
    assert len({answer["id"] for answer, _ in answers}) == 1
    assert sorted(replayed or "" for _, replayed in answers) == [""] + ["true"] * 19
    assert len((await api.get(f"/v1/sites/{site}/messages"))["items"]) == 1


async def test_different_requests_at_once_with_one_key_make_one_message(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/messages"
    headers = {"Authorization": f"Bearer {api.token}", "Idempotency-Key": "k1"}
    answers = await asyncio.gather(
        *(api.client.post(path, json={**NEW_MESSAGE, "rate": 1 + n}, headers=headers) for n in range(10))
    )
    assert sorted(each.status for each in answers) == [202] + [409] * 9


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "sch\u00f6n"])
async def test_a_malformed_key_is_refused(api: Api, site: str, key: str) -> None:
    problem, _ = await post_with_key(api, site, key, BODY, 400)
    assert [each["path"] for each in problem["errors"]] == ["Idempotency-Key"]
