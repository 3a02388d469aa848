"""Every route that changes something, called once: each leaves its line in the audit log."""

import re
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from gateway.api.admin import ADMIN_ROUTES
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from gateway.setting_values import HostPort
from gateway.settings import Settings
from storage import alerts, throttles
from storage.alerts import Alert
from storage.ids import Kind, encode_id
from storage.throttles import EVERY_SITE
from tests.api.conftest import ADMIN_TOKEN, NEW_MESSAGE, NEW_SITE, Api
from tests.api.failing import end, send
from tests.api.test_import_export import NDJSON, line, text_of
from tests.api.test_keys import paused_key
from tests.fakes.receiver import Receiver
from tests.pictures import logo

# What changes nothing that an admin has, and why.
PASSED_OVER = {
    ("POST", "/v1/sites/{site}/check"): "looks at the site's worker file",
    ("POST", "/v1/sites/{site}/messages/preview"): "shows what would be sent",
    ("POST", "/v1/sites/{site}/messages/{message}/preview"): "shows what would be sent",
    ("POST", "/v1/sites/{site}/audience/estimate"): "counts",
    ("POST", "/v1/sites/{site}/events"): "tells what visitors did, by the thousand",
}
CHANGING = {
    (each.method, each.path)
    for each in ADMIN_ROUTES
    if each.method not in ("GET", "HEAD") and each.scope is not None
}


class Admin:
    """Calls routes, and sees after each that there is a line of its own about it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.called: dict[tuple[str, str], str] = {}  # the action of each

    async def call(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
        before = {_line(each) for each in await self._log()}
        if body is not None:
            options["json"] = body
        answer = await self.api.call(method, path, status, **options)
        new = [each for each in await self._log() if _line(each) not in before]
        assert new, f"{method} {path} left no line"
        assert all(each["actor"].startswith("tok_") and each["target"] for each in new), new
        site = re.match(r"/v1/sites/(site_\w+)", path)
        assert site is None or {each["site"] for each in new} == {site[1]}, new
        [route] = [
            (of, template)
            for of, template in CHANGING
            if of == method and _fits(template, path.partition("?")[0])
        ]
        self.called[route] = new[0]["action"]
        return None if status == 204 else await answer.json(content_type=None)

    async def _log(self) -> Sequence[Any]:
        return list((await self.api.get("/v1/audit?limit=20"))["items"])


def _line(entry: Any) -> str:
    return repr(sorted(entry.items()))


def _fits(template: str, path: str) -> bool:
    if "{" not in template.rsplit("/", 1)[1] and template.rsplit("/", 1)[1] != path.rsplit("/", 1)[1]:
        return False
    return re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", template), path) is not None


async def begun(context: Context) -> None:
    await Starter(context, Metrics()).step()
    await Freezer(context, Metrics()).step()


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
def admin(api: Api) -> Admin:
    return Admin(api)


async def test_every_route_that_changes_something_leaves_its_line(
    admin: Admin, api: Api, context: Context, receiver: Receiver
) -> None:
    site = (await admin.call("POST", "/v1/sites", 201, NEW_SITE))["id"]
    of_site = f"/v1/sites/{site}"
    await admin.call("PATCH", of_site, 200, {"settings": {"timezone": "Asia/Tokyo"}})
    await _keys_and_tokens(admin, of_site, site, context)
    await _subscriptions(admin, of_site, site, api)
    await _messages(admin, of_site, site, context)
    await _what_messages_are_made_of(admin, of_site)
    await _webhooks(admin, of_site, receiver)
    await _the_gateway(admin, of_site, context)
    await admin.call("DELETE", of_site, 204)
    assert set(admin.called) == CHANGING - set(PASSED_OVER)
    assert set(PASSED_OVER) <= CHANGING
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", action) for action in admin.called.values())


async def _keys_and_tokens(admin: Admin, of_site: str, site: str, context: Context) -> None:
    key = (await admin.call("POST", f"{of_site}/keys", 201, {}))["id"]
    await admin.call("DELETE", f"{of_site}/keys/{key}", 204)
    paused = await paused_key(admin.api, site, context)
    await admin.call("POST", f"{of_site}/keys/{paused}/resume", 200)
    token = (await admin.call("POST", f"{of_site}/tokens", 201, {"name": "ci", "scopes": ["send"]}))["id"]
    await admin.call("DELETE", f"{of_site}/tokens/{token}", 204)


async def _subscriptions(admin: Admin, of_site: str, site: str, api: Api) -> None:
    path = f"{of_site}/subscriptions"
    await admin.call("POST", f"{path}/import", 200, data=text_of([line()]), headers=NDJSON)
    subscription = (await api.get(path))["items"][0]["id"]
    await admin.call("PATCH", f"{path}/{subscription}", 200, {"add_tags": ["vip"]})
    await admin.call("DELETE", f"{path}/{subscription}", 204)


async def _messages(admin: Admin, of_site: str, site: str, context: Context) -> None:
    path = f"{of_site}/messages"
    later = {**NEW_MESSAGE, "send_at": "2026-03-01T09:00:00Z"}
    message = (await admin.call("POST", path, 202, later))["id"]
    await admin.call("PATCH", f"{path}/{message}", 200, {"rate": 5})
    await admin.call("POST", f"{path}/{message}/pause", 200)
    await admin.call("POST", f"{path}/{message}/resume", 200)
    await admin.call("POST", f"{path}/{message}/duplicate", 200)
    await admin.call("POST", f"{path}/{message}/cancel", 200)

    failed, subscriptions = await send(admin.api, context, site)
    await end(context, failed)
    await admin.call("POST", f"{path}/{failed}/replay", 202)
    await admin.call("POST", f"{path}/{failed}/test", 200, {"subscriptions": subscriptions[:1]})

    draft = {**NEW_MESSAGE, "draft": True, "audience": {"uploaded": True}}
    uploaded = (await admin.call("POST", path, 202, draft))["id"]
    lines = text_of([{"external_id": "one"}])
    await admin.call("PUT", f"{path}/{uploaded}/recipients", 200, data=lines, headers=NDJSON)

    taken_back = (await admin.call("POST", path, 202, {**NEW_MESSAGE, "withdrawable": True}))["id"]
    await begun(context)
    await admin.call("POST", f"{path}/{taken_back}/withdraw", 200)

    staged = {**NEW_MESSAGE, "rollout": {"first": 10, "then": "manual"}}
    held = (await admin.call("POST", path, 202, staged))["id"]
    await begun(context)
    await admin.call("POST", f"{path}/{held}/release", 200)


async def _what_messages_are_made_of(admin: Admin, of_site: str) -> None:
    things: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("segments", {"name": "VIP", "where": {"tag": "vip"}}, {"name": "Very"}),
        ("categories", {"name": "offers", "title": "Offers"}, {"title": "Our offers"}),
        ("templates", {"name": "Sale", "notification": {"title": "Sale"}}, {"name": "Spring sale"}),
        (
            "automations",
            {
                "name": "Welcome",
                "trigger": {"on": "subscribe"},
                "steps": [{"after": 60, "notification": {"title": "Welcome"}}],
            },
            {"name": "Hello"},
        ),
    ]
    for name, new, change in things:
        id = (await admin.call("POST", f"{of_site}/{name}", 201, new))["id"]
        await admin.call("PATCH", f"{of_site}/{name}/{id}", 200, change)
        await admin.call("DELETE", f"{of_site}/{name}/{id}", 204)
    picture, kind = BytesIO(logo(96, 96)), {"Content-Type": "image/png"}
    path = f"{of_site}/images"
    image = (await admin.call("POST", f"{path}?purpose=icon", 201, data=picture, headers=kind))["id"]
    await admin.call("DELETE", f"{path}/{image}", 204)


async def _webhooks(admin: Admin, of_site: str, receiver: Receiver) -> None:
    path = f"{of_site}/webhooks"
    new = {"url": receiver.url("/in"), "events": ["push.failed"]}
    hook = (await admin.call("POST", path, 201, new))["id"]
    await admin.call("PATCH", f"{path}/{hook}", 200, {"description": "the shop's"})
    await admin.call("POST", f"{path}/{hook}/rotate", 200)
    delivery = (await admin.call("POST", f"{path}/{hook}/test", 200))["id"]
    await admin.call("POST", f"{path}/{hook}/deliveries/{delivery}/replay", 200)
    await admin.call("POST", f"{path}/{hook}/replay", 200, {"state": "dead"})
    await admin.call("DELETE", f"{path}/{hook}", 204)


async def _the_gateway(admin: Admin, of_site: str, context: Context) -> None:
    now = context.clock.now()
    await admin.call("PUT", f"{of_site}/rate", 200, {"rate": 50})
    await admin.call("PUT", "/v1/providers/fcm/rate", 200, {"rate": 50})
    await context.database.write(
        lambda tx: throttles.hold(tx, EVERY_SITE, "apple", now + 60_000, "retry_after", now)
    )
    await admin.call("POST", "/v1/providers/apple/resume", 200, {"gone": "keep"})
    alert = Alert(context.ids.next(), 0, "clock", "", "critical", 90.0, -30.0, 30.0, "It is late.", (), now)
    await context.database.write(lambda tx: alerts.add(tx, alert))
    await admin.call("POST", f"/v1/alerts/{encode_id(Kind.ALERT, alert.id)}/acknowledge", 200)
