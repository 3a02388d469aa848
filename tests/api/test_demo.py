"""The demo: a page that subscribes and sends itself one fixed text."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.api.assets import STATIC, load_assets
from gateway.content import read_content
from gateway.context import Context
from gateway.sites import create_site
from storage import messages
from storage.database import Transaction
from storage.ids import Kind, decode_id, encode_id
from storage.messages import Message
from tests.api.conftest import CONTACT, Api
from tests.api.page import Page
from tests.fakes.clock import FakeClock

ORIGIN = "https://push.example.net"


@pytest.fixture
async def demo(api: Api, context: Context) -> Page:
    made = await create_site(context, "cli", name="Demo", origins=[ORIGIN], contact=CONTACT, demo=True)
    return Page(api.with_token(None), encode_id(Kind.SITE, made.site.id), ORIGIN)


async def send(demo: Page, made: dict[str, Any], status: int = 202, **changes: Any) -> dict[str, Any]:
    token = changes.pop("token", made["token"])
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"subscription": made["id"]} | changes
    answer: dict[str, Any] = await demo.api.post("/demo/send", body, status, headers=headers)
    return answer


async def test_there_is_no_demo_without_a_demo_site(api: Api, site: str) -> None:
    page = api.with_token(None)
    for path in (
        "/demo/",
        "/demo/demo.js",
        "/demo/config.json",
        "/push-sw.js",
        "/demo/progress/msg_0000000000000",
    ):
        assert (await page.get(path, 404))["code"] == "not_found"
    await page.post("/demo/send", {"subscription": "sub_0000000000000"}, 404)


async def test_the_page_and_what_it_loads_are_served_under_a_strict_policy(demo: Page) -> None:
    page = await demo.api.call("GET", "/demo/", 200)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for name in load_assets(STATIC / "demo"):
        answer = await demo.api.client.get(f"/demo/{name}")
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["ETag"]
    script = await demo.api.call("GET", "/demo/demo.js", 200)
    assert script.content_type == "text/javascript"
    away = await demo.api.call("GET", "/demo", 308, allow_redirects=False)
    assert away.headers["Location"] == "demo/"


async def test_nothing_but_the_demos_own_files_is_served(demo: Page) -> None:
    for path in (
        "/demo/..%2Fsdk.js",
        "/demo/%2e%2e%2fsdk.js",
        "/demo/nothing.txt",
        "/demo/a/b",
        "/demo/.hidden",
    ):
        await demo.api.get(path, 404)


async def test_the_page_learns_site_snippet_and_gateway(demo: Page) -> None:
    assert await demo.api.get("/demo/config.json") == {
        "site": demo.site,
        "snippet": f'<script async src="{ORIGIN}/sdk/{demo.site}.js"></script>',
        "gateway": ORIGIN,
    }
    worker = await demo.api.call("GET", "/push-sw.js", 200)
    assert (await worker.text()).strip() == 'importScripts("/sdk/sw.js");'
    assert worker.content_type == "text/javascript"


async def test_a_visitor_sends_herself_the_fixed_text(demo: Page, context: Context) -> None:
    made = await demo.subscribe()
    sent = await send(demo, made, title="my own text")
    site_id, message_id = decode_id(Kind.SITE, demo.site), decode_id(Kind.MESSAGE, sent["message"])

    async def body(tx: Transaction) -> Message:
        return await messages.get(tx, site_id, message_id)

    message = await context.database.read(body)
    assert json.loads(message.audience_spec) == {"subscriptions": [decode_id(Kind.SUBSCRIPTION, made["id"])]}
    content = read_content(message)
    assert content.notification.title == "It works"
    assert content.notification.icon == f"{ORIGIN}/demo/icon-192.png"
    assert message.ttl == content.options.ttl == 300
    headers = {"Authorization": f"Bearer {made['token']}"}
    progress = await demo.api.get(f"/demo/progress/{sent['message']}", headers=headers)
    assert progress["progress"]["audience"] == progress["progress"]["remaining"] == 1
    assert progress["results"] == {"displayed": 0, "clicked": 0, "closed": 0}


async def test_nobody_sends_in_anothers_name(api: Api, demo: Page, site: str) -> None:
    victim, stranger = await demo.subscribe(), await demo.subscribe()
    elsewhere = await Page(demo.api, site).subscribe()
    assert (await send(demo, victim, 403, token=stranger["token"]))["code"] == "forbidden"
    await send(demo, elsewhere, 403)
    await send(demo, victim, 401, token=None)
    await send(demo, victim, 403, token=api.token)
    await send(demo, victim, 404, subscription="nonsense")
    await send(demo, victim, 400, subscription=7)


async def test_nobody_sees_anothers_progress(api: Api, demo: Page) -> None:
    mine, stranger = await demo.subscribe(), await demo.subscribe()
    path = f"/demo/progress/{(await send(demo, mine))['message']}"
    await demo.api.get(path, 404, headers={"Authorization": f"Bearer {stranger['token']}"})
    await demo.api.get(path, 401)
    # A message of the admin's to everybody is not the visitor's own, though she is in its audience.
    by_admin = await api.new_message(demo.site)
    headers = {"Authorization": f"Bearer {mine['token']}"}
    await demo.api.get(f"/demo/progress/{by_admin['id']}", 404, headers=headers)


async def test_six_a_minute_and_then_a_rest(demo: Page, clock: FakeClock) -> None:
    mine, other = await demo.subscribe(), await demo.subscribe()
    for _ in range(6):
        await send(demo, mine)
        clock.advance(2)
    headers = {"Authorization": f"Bearer {mine['token']}"}
    refused = await demo.api.call(
        "POST", "/demo/send", 429, json={"subscription": mine["id"]}, headers=headers
    )
    assert refused.headers["Retry-After"] == "48"
    await send(demo, other)
    clock.advance(48)
    await send(demo, mine)


async def test_an_erased_subscription_sends_nothing(api: Api, demo: Page) -> None:
    mine = await demo.subscribe()
    await api.delete(f"/v1/sites/{demo.site}/subscriptions/{mine['id']}")
    await send(demo, mine, 404)


def test_assets_are_the_visible_files_below_their_directory(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.css").write_text("a { color: red }")
    (tmp_path / ".secret").write_text("x")
    (tmp_path / "p.png").write_bytes(b"\x89PNG")
    found = load_assets(tmp_path)
    assert set(found) == {"deep/a.css", "p.png"}
    assert found["deep/a.css"].content_type == "text/css; charset=utf-8"
    assert found["p.png"].content_type == "image/png"
    assert found["p.png"].zipped is None
