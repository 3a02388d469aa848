"""The stand proves itself without the gateway: a page and worker of its own, and pywebpush as the sender."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.drivers.browser import Browser, Page, ScriptError
from tests.e2e.website import tab_is_open
from tests.eventually import eventually
from tests.fakes.certificates import Authority
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.reference_sender import ReferenceSender, public_key
from tests.fakes.site_server import Site

PAGE = """<!doctype html><title>stand</title><button id=go>go</button>
<script>
const key = %s;
async function subscribe() {
  const registration = await navigator.serviceWorker.register("/sw.js");
  await navigator.serviceWorker.ready;
  const asked = await Notification.requestPermission();
  if (asked !== "granted") throw new Error(asked);
  const options = {userVisibleOnly: true, applicationServerKey: key};
  return (await registration.pushManager.subscribe(options)).toJSON();
}
async function unsubscribe() {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.pushManager.getSubscription()).unsubscribe();
}
async function shown() {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.getNotifications()).map(({title, body}) => ({title, body}));
}
document.querySelector("#go").onclick = (event) => {
  window.trusted = event.isTrusted;
  window.subscribed = subscribe();
};
</script>"""
WORKER = """
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(clients.claim()));
self.addEventListener("push", (event) => {
  const {title, body} = event.data ? event.data.json() : {title: "empty " + location.host, body: ""};
  const actions = [{action: "buy", title: "Buy"}];
  event.waitUntil(registration.showNotification(title, {body, actions}));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clients.openWindow("/clicked.html?" + (event.action || "body")));
});
"""


@pytest_asyncio.fixture(loop_scope="session")
async def sender(authority: Authority, connect_proxy: ConnectProxy) -> AsyncIterator[ReferenceSender]:
    sender = ReferenceSender(authority.ca_file, connect_proxy.url)
    yield sender
    sender.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site, sender: ReferenceSender) -> AsyncIterator[Page]:
    site.serve("/", PAGE % json.dumps(public_key(sender.vapid)))
    site.serve("/sw.js", WORKER)
    site.serve("/clicked.html", "<!doctype html>clicked")
    await browser.set_permission(site.origin, "granted")
    page = await browser.open(site.origin + "/")
    yield page
    assert page.errors == []
    await page.close()


async def send(sender: ReferenceSender, subscription: dict[str, Any], data: Any) -> int:
    text = None if data is None else json.dumps(data)
    exp = int(time.time()) + 3600
    answer = await asyncio.to_thread(sender.send, subscription, text, headers={"TTL": "60"}, exp=exp)
    return answer.status_code


async def test_a_push_is_decrypted_shown_and_its_click_opens_a_tab(
    browser: Browser, page: Page, site: Site, sender: ReferenceSender
) -> None:
    await page.click("#go")
    subscription = await page.evaluate("window.subscribed")
    assert await page.evaluate("window.trusted") is True
    title = f"Sale at {site.origin}"
    assert await send(sender, subscription, {"title": title, "body": "grün & <b>billig</b>"}) == 201

    shown = await browser.notifications.wait_for(title)
    assert await page.evaluate("shown()") == [{"title": title, "body": "grün & <b>billig</b>"}]
    browser.notifications.click(shown)
    await eventually(lambda: tab_is_open(browser, f"{site.origin}/clicked.html?body"))

    assert await send(sender, subscription, {"title": title, "body": "again"}) == 201
    again = await eventually(
        lambda: next((s for s in browser.notifications.shown if "again" in s.body), None)
    )
    browser.notifications.click(again, "Buy")
    await eventually(lambda: tab_is_open(browser, f"{site.origin}/clicked.html?buy"))


async def test_a_push_without_a_payload_arrives(
    browser: Browser, page: Page, site: Site, sender: ReferenceSender
) -> None:
    subscription = await page.evaluate("subscribe()", user_activation=True)
    assert await send(sender, subscription, None) == 201
    await browser.notifications.wait_for(f"empty {site.origin.removeprefix('http://')}")


async def test_another_key_is_refused_and_nothing_is_shown(
    browser: Browser, page: Page, sender: ReferenceSender
) -> None:
    subscription = await page.evaluate("subscribe()", user_activation=True)
    sender.vapid = sender.new_key()
    assert await send(sender, subscription, {"title": "forged", "body": ""}) in (401, 403)
    assert await page.evaluate("shown()") == []


async def test_unsubscribing_makes_the_endpoint_answer_410(page: Page, sender: ReferenceSender) -> None:
    subscription = await page.evaluate("subscribe()", user_activation=True)
    await page.evaluate("unsubscribe()")

    async def gone() -> bool:
        return await send(sender, subscription, {"title": "late", "body": ""}) == 410

    await eventually(gone)


async def test_a_denied_permission_reaches_the_page(browser: Browser, page: Page, site: Site) -> None:
    await browser.set_permission(site.origin, "denied")
    with pytest.raises(ScriptError, match="denied"):
        await page.evaluate("subscribe()", user_activation=True)


async def test_messages_sent_while_the_browser_is_closed_arrive_when_it_starts_again(
    browser: Browser, page: Page, site: Site, sender: ReferenceSender
) -> None:
    subscription = await page.evaluate("subscribe()", user_activation=True)
    await browser.close()
    for text in ("older", "newer"):
        data = json.dumps({"title": f"{text} {site.origin}", "body": ""})
        exp = int(time.time()) + 3600
        headers: dict[str, str | None] = {"TTL": "60", "Topic": "offer"}
        answer = await asyncio.to_thread(sender.send, subscription, data, headers=headers, exp=exp)
        assert answer.status_code == 201
    await browser.start()
    await browser.notifications.wait_for(f"newer {site.origin}")
    assert f"older {site.origin}" not in [shown.title for shown in browser.notifications.shown]
