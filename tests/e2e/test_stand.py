"""The stand proves itself without the gateway: a page and worker of its own, and pywebpush as the sender."""

import asyncio
import json
import time

from tests.e2e.drivers.browser import Browser
from tests.e2e.website import tab_is_open
from tests.eventually import eventually
from tests.fakes.reference_sender import ReferenceSender, public_key
from tests.fakes.site_server import Site

PAGE = """<!doctype html><title>stand</title><button id=go>go</button>
<script>
document.querySelector("#go").onclick = (event) => {
  window.trusted = event.isTrusted;
  window.subscribed = subscribe();
};
async function subscribe() {
  const registration = await navigator.serviceWorker.register("/sw.js");
  await navigator.serviceWorker.ready;
  const asked = await Notification.requestPermission();
  if (asked !== "granted") throw new Error(asked);
  const options = {userVisibleOnly: true, applicationServerKey: %s};
  return (await registration.pushManager.subscribe(options)).toJSON();
}
async function shown() {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.getNotifications()).map(({title, body}) => ({title, body}));
}
</script>"""
WORKER = """
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(clients.claim()));
self.addEventListener("push", (event) => {
  const {title, body} = event.data.json();
  const actions = [{action: "buy", title: "Buy"}];
  event.waitUntil(registration.showNotification(title, {body, actions}));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clients.openWindow("/clicked.html?" + (event.action || "body")));
});
"""


async def test_a_push_is_decrypted_shown_and_its_click_opens_a_tab(
    browser: Browser, site: Site, reference_sender: ReferenceSender
) -> None:
    site.serve("/", PAGE % json.dumps(public_key(reference_sender.vapid)))
    site.serve("/sw.js", WORKER)
    site.serve("/clicked.html", "<!doctype html>clicked")
    await browser.set_permission(site.origin, "granted")
    page = await browser.open(f"{site.origin}/")
    await page.click("#go")
    subscription = await page.evaluate("window.subscribed")
    assert await page.evaluate("window.trusted") is True

    message = {"title": f"Sale at {site.origin}", "body": "grün & <b>billig</b>"}
    exp = int(time.time()) + 3600
    answer = await asyncio.to_thread(
        reference_sender.send, subscription, json.dumps(message), headers={"TTL": "60"}, exp=exp
    )
    assert answer.status_code == 201

    shown = await browser.notifications.wait_for(message["title"])
    assert shown.text == message["body"]
    assert await page.evaluate("shown()") == [message]
    browser.notifications.click(shown, "Buy")
    await eventually(lambda: tab_is_open(browser, f"{site.origin}/clicked.html?buy"))
    assert page.errors == []
