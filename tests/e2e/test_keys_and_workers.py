"""What befalls subscriptions over the years: keys rotate, push services forget, sites change vendors."""

import asyncio
import json
import time
from typing import Any

import pytest

from gateway.content import Notification
from gateway.payload import PayloadTemplate, Validity
from storage.messages import Priority
from tests.e2e.drivers.browser import Browser, Page
from tests.e2e.website import Website, state_is
from tests.eventually import eventually
from tests.fakes.autopush import Autopush
from tests.fakes.reference_sender import ReferenceSender, public_key

SUBSCRIPTION = """(async () => {
  for (const registration of await navigator.serviceWorker.getRegistrations()) {
    const subscription = await registration.pushManager.getSubscription();
    if (subscription) return subscription.toJSON();
  }
  return {};
})()"""
VENDOR_PAGE = """<!doctype html><title>shop</title><button id=subscribe>Subscribe</button><script>
document.querySelector("#subscribe").onclick = async () => {
  const registration = await navigator.serviceWorker.register("/vendor-sw.js");
  await navigator.serviceWorker.ready;
  window.done = registration.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: %s});
};
</script>"""
VENDOR_WORKER = """
self.addEventListener("push", (event) =>
  event.waitUntil(registration.showNotification("the old vendor", {body: event.data.text()})));
"""


async def import_key(website: Website, reference_sender: ReferenceSender) -> str:
    """The id that the sender's key has at the gateway, where it is the newest from now on."""
    body = {"private_key": reference_sender.vapid.private_pem().decode()}
    key = await website.gateway.post(f"{website.path}/keys", body)
    assert key["application_server_key"] == public_key(reference_sender.vapid)
    return str(key["id"])


async def browser_subscription(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(SUBSCRIPTION)
    return found


async def assert_arrives_once(browser: Browser, website: Website, subscription_id: str) -> None:
    title = f"News of {website.site.origin} {time.monotonic_ns()}"
    message_id = await website.send({"all": True}, title=title)
    # A click reports at once, while a display alone waits for its turn among those of a blast.
    browser.notifications.click(await browser.notifications.wait_for(title))
    await eventually(lambda: website.results_are(message_id, displayed=1, clicked=1))
    await eventually(lambda: website.progress_is(message_id, audience=1, accepted=1, remaining=0))
    assert [shown.title for shown in browser.notifications.shown].count(title) == 1


async def test_a_retired_key_makes_the_next_visit_subscribe_anew_under_the_same_id(
    browser: Browser, website: Website
) -> None:
    page, subscription_id = await website.subscribe(browser)
    old = await browser_subscription(page)
    (old_key,) = (await website.gateway.get(f"{website.path}/keys"))["items"]
    new_key = await website.gateway.post(f"{website.path}/keys", {})
    await website.gateway.call("DELETE", f"{website.path}/keys/{old_key['id']}")

    await website.revisit(page)

    async def bound_to_the_new_key() -> bool:
        bound_to = (await website.subscription(subscription_id))["key_id"]
        assert bound_to == new_key["id"]
        return True

    await eventually(bound_to_the_new_key)
    await eventually(lambda: state_is(page, "subscribed"))
    assert (await page.evaluate("pushGateway.subscription()"))["id"] == subscription_id
    new = await browser_subscription(page)
    assert new["endpoint"] != old["endpoint"]
    assert await website.endpoints() == [new["endpoint"]]
    await assert_arrives_once(browser, website, subscription_id)


@pytest.mark.parametrize("browser", ["firefox"], indirect=True)  # Chromium never fires the event
async def test_a_push_service_that_forgot_its_browsers_costs_no_subscriber(
    browser: Browser, website: Website, autopush: Autopush
) -> None:
    page, subscription_id = await website.subscribe(browser)
    old = await browser_subscription(page)
    await autopush.forget_everyone()

    async def subscribed_anew() -> bool:
        new = (await browser_subscription(page)).get("endpoint")
        assert new not in (None, old["endpoint"])
        assert await website.endpoints() == [new]
        return True

    await eventually(subscribed_anew, within=15)
    assert (await page.evaluate("pushGateway.subscription()"))["id"] == subscription_id
    await assert_arrives_once(browser, website, subscription_id)


async def push(
    browser: Browser, website: Website, reference_sender: ReferenceSender, payload: str | None
) -> None:
    """Past the gateway, to a browser that subscribes now."""
    await import_key(website, reference_sender)
    page, _ = await website.subscribe(browser)
    subscription = await browser_subscription(page)
    exp = int(time.time()) + 3600
    answer = await asyncio.to_thread(
        reference_sender.send, subscription, payload, headers={"TTL": "60"}, exp=exp
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("payload", [None, "not JSON", '{"v": 1, "n": {}}'])
async def test_a_push_that_cannot_be_read_is_never_silent(
    browser: Browser, website: Website, reference_sender: ReferenceSender, payload: str | None
) -> None:
    await push(browser, website, reference_sender, payload)
    shown = await browser.notifications.wait_for(
        website.site.origin.removeprefix("http://").partition(":")[0]
    )
    assert "You have a new message" in shown.text


async def test_a_push_that_comes_too_late_shows_its_fallback(
    browser: Browser, website: Website, reference_sender: ReferenceSender
) -> None:
    late = Validity(int(time.time() * 1_000) - 1, Notification("More offers"))
    template = PayloadTemplate(
        1, Notification("An offer that is over"), "http://127.0.0.1:9", Priority.BULK, late
    )
    await push(browser, website, reference_sender, template.render("x").decode())
    await browser.notifications.wait_for("More offers")
    assert "An offer that is over" not in [shown.title for shown in browser.notifications.shown]


async def test_the_worker_leaves_a_site_its_own_worker(browser: Browser, website: Website) -> None:
    website.site.serve("/pwa.js", "self.addEventListener('activate', (e) => e.waitUntil(clients.claim()));")
    website.serve_page("<script>navigator.serviceWorker.register('/pwa.js');</script>")
    page, subscription_id = await website.subscribe(browser)
    await eventually(lambda: page.evaluate("!!navigator.serviceWorker.controller"))
    await assert_arrives_once(browser, website, subscription_id)
    controller = await page.evaluate("navigator.serviceWorker.controller.scriptURL")
    assert controller == f"{website.site.origin}/pwa.js"


async def test_taking_over_a_vendors_worker_file_keeps_every_subscriber_and_shows_each_message_once(
    browser: Browser, website: Website, reference_sender: ReferenceSender
) -> None:
    website.site.serve("/", VENDOR_PAGE % json.dumps(public_key(reference_sender.vapid)))
    website.site.serve("/vendor-sw.js", VENDOR_WORKER)
    await browser.set_permission(website.site.origin, "granted")
    page = await browser.open(website.url)
    await page.click("#subscribe")
    await eventually(lambda: page.evaluate("window.done && window.done.then((made) => made.endpoint)"))
    vendor = await browser_subscription(page)

    key_id = await import_key(website, reference_sender)
    line = {"endpoint": vendor["endpoint"], "keys": vendor["keys"], "key_id": key_id, "tags": ["imported"]}
    counts = await website.gateway.call(
        "POST",
        f"{website.path}/subscriptions/import",
        data=json.dumps(line),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert counts["added"] == 1, counts
    (imported,) = (await website.gateway.get(f"{website.path}/subscriptions"))["items"]
    website.site.serve("/vendor-sw.js", website.worker)
    website.serve_page()

    await website.revisit(page)
    await eventually(lambda: state_is(page, "subscribed"))
    assert (await page.evaluate("pushGateway.subscription()"))["id"] == imported["id"]
    await eventually(lambda: website.site.requested.count("/vendor-sw.js") > 1)
    await eventually(
        lambda: page.evaluate(
            "navigator.serviceWorker.getRegistrations()"
            ".then(([only, other]) => !other && !only.installing && !only.waiting)"
        )
    )
    await assert_arrives_once(browser, website, imported["id"])
    assert (await browser_subscription(page))["endpoint"] == vendor["endpoint"]
    assert "the old vendor" not in [shown.title for shown in browser.notifications.shown]
    assert (await website.subscription(imported["id"]))["tags"] == ["imported"]
