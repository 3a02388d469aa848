"""What the browser of one subscription would get, without sending it."""

from typing import Any

import msgspec
import pytest

from gateway.context import Context
from gateway.webpush import MAX_PLAINTEXT
from storage import subscriptions
from storage.database import Transaction
from storage.ids import Kind, decode_id, encode_id
from storage.subscriptions import NewSubscription, SubscriptionState
from tests.api.conftest import Api


@pytest.fixture
async def anna(api: Api, site: str, context: Context) -> str:
    """The subscription of a visitor of whom much is known."""
    id, site_id, now = context.ids.next(), decode_id(Kind.SITE, site), context.clock.now()
    new = NewSubscription(
        endpoint="https://fcm.googleapis.com/fcm/send/anna",
        provider="fcm",
        key_id=1,
        p256dh=bytes(65),
        auth=bytes(16),
        external_id="anna-1",
        language="de-AT",
        attributes={"first_name": "Anna", "long": "x" * 250},
        created_at=now,
    )
    await context.database.write(lambda tx: subscriptions.register(tx, site_id, id, new, now))
    return encode_id(Kind.SUBSCRIPTION, id)


async def preview(api: Api, site: str, message: str, who: str, status: int = 200, **asked: Any) -> Any:
    path = f"/v1/sites/{site}/messages/{message}/preview"
    return await api.post(path, {"subscription": who, **asked}, status)


async def unsaved(api: Api, site: str, who: str, status: int = 200, **body: Any) -> Any:
    return await api.post(f"/v1/sites/{site}/messages/preview", {"subscription": who, **body}, status)


async def test_a_preview_is_what_the_browser_would_get(api: Api, site: str, anna: str) -> None:
    message = await api.new_message(
        site, draft=True, notification={"title": "Hi {{ attributes.first_name }}"}
    )
    shown = await preview(api, site, message["id"], anna)
    assert shown["notification"] == {"title": "Hi Anna"}
    assert shown["payload"]["n"] == shown["notification"]
    assert (shown["payload"]["m"], shown["payload"]["g"]) == (message["id"], "https://push.example.net")
    assert shown["bytes"] == len(msgspec.json.encode(shown["payload"]))
    assert shown["bytes"] + shown["bytes_left"] == MAX_PLAINTEXT
    assert (shown["failure"], shown["reason"]) == (None, None)


async def test_nothing_is_sent_and_nothing_changes(api: Api, site: str, anna: str) -> None:
    message = await api.new_message(site, draft=True)
    await preview(api, site, message["id"], anna)
    await unsaved(api, site, anna, notification={"title": "x"})
    assert (await api.get(f"/v1/sites/{site}/messages"))["items"] == [
        {name: value for name, value in message.items() if name != "audience"}
    ]


async def test_it_speaks_the_language_and_shows_the_variant(api: Api, site: str, anna: str) -> None:
    options = [
        {"name": "A", "weight": 50},
        {"name": "B", "weight": 50, "notification": {"body": "B!"}},
    ]
    message = await api.new_message(
        site, draft=True, variants={"options": options}, translations={"de": {"title": "Ausverkauf"}}
    )
    titles = {
        name: (await preview(api, site, message["id"], anna, variant=name))["notification"]
        for name in (None, "A", "B")
    }
    assert titles[None] == titles["A"] == {"title": "Ausverkauf", "body": "Ends tonight"}
    assert titles["B"] == {"title": "Ausverkauf", "body": "B!"}
    problem = await preview(api, site, message["id"], anna, 400, variant="C")
    assert [each["path"] for each in problem["errors"]] == ["variant"]


@pytest.mark.parametrize(("name", "data"), [("anna-1", {"n": 5}), ("somebody", {})])
async def test_it_has_the_recipients_own_data(
    api: Api, site: str, anna: str, name: str, data: dict[str, int]
) -> None:
    recipients = [{"external_id": name, "data": {"n": 5}}]
    message = await api.new_message(site, draft=True, audience={"recipients": recipients})
    shown = await preview(api, site, message["id"], anna)
    assert shown["notification"].get("data", {}) == data


async def test_it_has_what_was_uploaded(api: Api, site: str, anna: str) -> None:
    draft = (await api.new_message(site, draft=True, audience={"uploaded": True}))["id"]
    assert "data" not in (await preview(api, site, draft, anna))["notification"]
    await api.call(
        "PUT",
        f"/v1/sites/{site}/messages/{draft}/recipients",
        200,
        data='{"external_id":"anna-1","data":{"n":5}}',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (await preview(api, site, draft, anna))["notification"]["data"] == {"n": 5}


async def test_texts_that_cannot_be_made_say_why(api: Api, site: str, anna: str) -> None:
    message = await api.new_message(site, draft=True, notification={"title": "{{ attributes.nickname }}"})
    shown = await preview(api, site, message["id"], anna)
    assert (shown["failure"], shown["payload"], shown["notification"]) == ("render_failed", None, None)
    assert "title" in shown["reason"]
    fallback = {"title": "Hello"}
    await api.patch(f"/v1/sites/{site}/messages/{message['id']}", {"fallback": fallback})
    assert (await preview(api, site, message["id"], anna))["notification"] == fallback


async def test_what_is_too_large_for_her_says_so(api: Api, site: str, anna: str) -> None:
    body = "{{ attributes.long }}" * 17
    message = await api.new_message(site, draft=True, notification={"title": "x", "body": body})
    shown = await preview(api, site, message["id"], anna)
    assert shown["failure"] in ("too_large", "render_failed")


async def test_a_message_that_is_not_made_is_previewed(api: Api, site: str, anna: str) -> None:
    shown = await unsaved(api, site, anna, notification={"title": "Hi {{ external_id }}"})
    assert shown["notification"] == {"title": "Hi anna-1"}
    data = [{"external_id": "anna-1", "data": {"n": 1}}]
    shown = await unsaved(
        api, site, anna, notification={"title": "{{ recipient.n }}"}, audience={"recipients": data}
    )
    assert shown["notification"]["title"] == "1"
    template = await api.post(
        f"/v1/sites/{site}/templates",
        {"name": "T", "notification": {"title": "{{ variables.x }} {{ attributes.first_name }}"}},
    )
    shown = await unsaved(api, site, anna, template=template["id"], variables={"x": "Hello"})
    assert shown["notification"]["title"] == "Hello Anna"


async def test_what_could_not_be_made_cannot_be_previewed(api: Api, site: str, anna: str) -> None:
    problem = await unsaved(api, site, anna, 400, notification={"title": "{{ nothing"})
    assert [each["path"] for each in problem["errors"]] == ["notification.title"]
    problem = await unsaved(api, site, anna, 413, notification={"title": "x", "data": {"a": "x" * 4_000}})
    assert problem["bytes_over"] > 0
    await unsaved(api, site, anna, 400, notification={"title": "x"}, unknown=1)


async def test_for_nobody_there_is_no_preview(api: Api, site: str, anna: str, context: Context) -> None:
    message = (await api.new_message(site))["id"]
    for who in ("sub_0000000000000", "nonsense"):
        await preview(api, site, message, who, 400)
    await preview(api, site, "msg_0000000000000", anna, 404)
    await preview(api, await api.new_site(), message, anna, 404)
    site_id, id = decode_id(Kind.SITE, site), decode_id(Kind.SUBSCRIPTION, anna)

    async def body(tx: Transaction) -> None:
        await subscriptions.end(tx, site_id, id, SubscriptionState.GONE, 5)

    await context.database.write(body)
    assert (await preview(api, site, message, anna))["notification"]["title"] == "Sale"
