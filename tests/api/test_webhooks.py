"""Webhooks through the API: made, changed, tried out, looked at, replayed."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.setting_values import HostPort
from gateway.settings import Settings
from storage import webhook_deliveries, webhooks
from storage.database import Database
from storage.ids import Kind, decode_id, encode_id
from storage.webhook_deliveries import Delivery, DeliveryState
from tests.api.conftest import ADMIN_TOKEN, Api
from tests.fakes.clock import FakeClock
from tests.fakes.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    private = (HostPort("127.0.0.1", receiver.port),)
    return Settings(data_dir=tmp_path, admin_token=ADMIN_TOKEN, senders=0, outbound_private=private)


@pytest.fixture
async def hook(api: Api, site: str, receiver: Receiver) -> dict[str, Any]:
    made: dict[str, Any] = await api.post(
        f"/v1/sites/{site}/webhooks", {"url": receiver.url("/in"), "events": ["push.failed"]}
    )
    return made


@pytest.fixture
def path(site: str, hook: dict[str, Any]) -> str:
    return f"/v1/sites/{site}/webhooks/{hook['id']}"


async def make(database: Database, hook: dict[str, Any], site: str, clock: FakeClock, **changes: Any) -> str:
    """A delivery as the dispatcher leaves it."""
    number = len(await database.read(lambda tx: webhook_deliveries.page(tx, _number(hook)))) + 1
    ended = changes.get("state", DeliveryState.PENDING) is not DeliveryState.PENDING
    made = Delivery(
        id=number,
        site_id=decode_id(Kind.SITE, site),
        webhook_id=_number(hook),
        types=("push.failed",),
        events=3,
        created_at=clock.now(),
        ended_at=clock.now() if ended else None,
        next_attempt_at=None if ended else clock.now(),
        **{"state": DeliveryState.PENDING, "attempts": 0, "status": None, "error": None, **changes},
    )
    await database.write(lambda tx: webhook_deliveries.add(tx, made, "{}"))
    return encode_id(Kind.DELIVERY, number)


def _number(hook: dict[str, Any]) -> int:
    return decode_id(Kind.WEBHOOK, hook["id"])


async def test_a_webhook_is_made_shown_changed_listed_and_deleted(
    api: Api, site: str, hook: dict[str, Any], path: str, receiver: Receiver
) -> None:
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    assert hook == {
        "id": hook["id"],
        "url": receiver.url("/in"),
        "events": ["push.failed"],
        "state": "active",
        "description": "",
        "created_at": "2026-01-01T00:00:00Z",
        "lag_seconds": 0,
        "failing_since": None,
        "last_error": None,
    }
    assert await api.get(path) == hook
    changed = await api.patch(
        path, {"events": ["message.sent", "message.sent"], "description": "CRM", "state": "paused"}
    )
    assert changed == hook | {"events": ["message.sent"], "description": "CRM", "state": "paused"}
    assert (await api.get(f"/v1/sites/{site}/webhooks"))["items"] == [changed]
    assert await api.patch(path, {"state": "active", "description": ""}) == changed | {
        "state": "active",
        "description": "",
    }
    await api.delete(path)
    await api.get(path, 404)
    assert secret not in str(await api.get("/v1/audit"))
    actions = [each["action"] for each in (await api.get("/v1/audit"))["items"]]
    assert actions[:4] == ["webhook.deleted", "webhook.changed", "webhook.changed", "webhook.created"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"url": "http://hooks.example/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://hooks.example:8443/"}, "url"),
        ({"url": "https://user@hooks.example/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["message.read"]}, "events[0]"),
        ({"state": "deleted"}, "state"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
async def test_what_cannot_be_a_webhook_is_refused_with_the_field(
    api: Api, site: str, path: str, body: dict[str, Any], where: str
) -> None:
    before = await api.get(path)
    assert [each["path"] for each in (await api.patch(path, body, 400))["errors"]] == [where]
    assert await api.get(path) == before
    if where != "state":
        new = {"url": "https://hooks.example/", "events": ["push.failed"], **body}
        refused = await api.post(f"/v1/sites/{site}/webhooks", new, 400)
        assert [each["path"] for each in refused["errors"]] == [where]


async def test_a_site_has_so_many_webhooks_and_no_more(api: Api, site: str, hook: dict[str, Any]) -> None:
    new = {"url": "https://hooks.example/", "events": ["push.failed"]}
    for _ in range(19):
        await api.post(f"/v1/sites/{site}/webhooks", new)
    await api.post(f"/v1/sites/{site}/webhooks", new, 409)
    first = await api.get(f"/v1/sites/{site}/webhooks?limit=15")
    rest = await api.get(f"/v1/sites/{site}/webhooks?limit=15&cursor={first['next']}")
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (15, 5, None)


async def test_a_test_is_sent_at_once_and_says_how_it_went(
    api: Api, hook: dict[str, Any], path: str, receiver: Receiver
) -> None:
    sent = await api.post(f"{path}/test", status=200)
    assert (sent["state"], sent["status"], sent["attempts"], sent["types"], sent["events"]) == (
        "delivered",
        204,
        1,
        ["webhook.test"],
        1,
    )
    [received] = receiver.on("/in")
    assert received.id == sent["id"]
    assert received.is_signed_with(hook["secret"])
    assert [(event["type"], event["data"]) for event in received.events] == [
        ("webhook.test", {"webhook": hook["id"]})
    ]
    receiver.fail("/in", 404)
    await api.patch(path, {"state": "paused"})
    failed = await api.post(f"{path}/test", status=200)
    assert (failed["state"], failed["status"], failed["error"]) == (
        "dead",
        404,
        "The receiver answered 404.",
    )
    assert (await api.get(f"{path}/deliveries"))["items"] == [failed, sent]


async def test_a_rotated_secret_signs_beside_the_old_one(
    api: Api, hook: dict[str, Any], path: str, receiver: Receiver
) -> None:
    new = (await api.post(f"{path}/rotate", status=200))["secret"]
    assert new != hook["secret"]
    await api.post(f"{path}/test", status=200)
    [received] = receiver.on("/in")
    assert received.is_signed_with(new)
    assert received.is_signed_with(hook["secret"])


async def test_deliveries_are_listed_by_state_and_replayed(
    api: Api, site: str, hook: dict[str, Any], path: str, database: Database, clock: FakeClock
) -> None:
    dead, done = DeliveryState.DEAD, DeliveryState.DELIVERED
    first = await make(database, hook, site, clock, state=dead, attempts=10, error="Away.")
    second = await make(database, hook, site, clock, state=done, attempts=1, status=200)
    third = await make(database, hook, site, clock)
    clock.advance(90)

    async def listed(query: str = "") -> list[str]:
        return [each["id"] for each in (await api.get(f"{path}/deliveries{query}"))["items"]]

    assert await listed() == [third, second, first]
    assert await listed("?state=dead") == [first]
    page = await api.get(f"{path}/deliveries?limit=2")
    assert await listed(f"?limit=2&cursor={page['next']}") == [first]
    shown = page["items"][1]
    assert (shown["delivered_at"], shown["status"], shown["next_attempt_at"]) == (
        "2026-01-01T00:00:00Z",
        200,
        None,
    )
    assert (await api.get(path))["lag_seconds"] == 90

    await api.post(f"{path}/deliveries/{third}/replay", status=409)
    again = await api.post(f"{path}/deliveries/{second}/replay", status=200)
    assert (again["state"], again["attempts"], again["delivered_at"]) == ("pending", 0, None)
    assert again["next_attempt_at"] == "2026-01-01T00:01:30Z"
    assert await api.post(f"{path}/replay", {"state": "dead"}, 200) == {"replayed": 1}
    assert await api.post(f"{path}/replay", status=200) == {"replayed": 0}
    assert len(await listed("?state=pending")) == 3
    await api.post(f"{path}/deliveries/{encode_id(Kind.DELIVERY, 99)}/replay", status=404)
    await api.post(f"{path}/replay", {"state": "pending"}, 400)


async def test_one_webhooks_deliveries_are_not_anothers(
    api: Api, site: str, hook: dict[str, Any], database: Database, clock: FakeClock
) -> None:
    of_first = await make(database, hook, site, clock, state=DeliveryState.DEAD)
    other = await api.post(
        f"/v1/sites/{site}/webhooks", {"url": "https://hooks.example/", "events": ["alert.raised"]}
    )
    path = f"/v1/sites/{site}/webhooks/{other['id']}"
    assert (await api.get(f"{path}/deliveries"))["items"] == []
    await api.post(f"{path}/deliveries/{of_first}/replay", status=404)
    elsewhere = await api.new_site()
    for method, rest in (("GET", ""), ("GET", "/deliveries"), ("POST", "/test"), ("POST", "/rotate")):
        await api.call(method, f"/v1/sites/{elsewhere}/webhooks/{hook['id']}{rest}", 404)


async def test_secrets_are_sealed_at_rest(context: Context, site: str, hook: dict[str, Any]) -> None:
    site_id = decode_id(Kind.SITE, site)
    stored = await context.database.read(lambda tx: webhooks.get(tx, site_id, _number(hook)))
    secret = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    assert len(secret) == 32
    assert secret not in stored.sealed_secret
    assert context.master_key.open(stored.sealed_secret, f"secret of webhook {stored.id}") == secret


async def test_with_another_master_key_a_test_fails_with_its_code(
    api: Api, context: Context, path: str, serve: Any
) -> None:
    other = await serve(replace(context, master_key=MasterKey(bytes(32))))
    assert (await other.post(f"{path}/test", status=500))["code"] == "sealed_value_unreadable"
