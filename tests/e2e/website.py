"""A website that embeds the snippet, and its owner's program: what a user of the product has."""

import json
from typing import Any

from tests.e2e.drivers.browser import Browser, Page
from tests.e2e.gateway_process import Gateway
from tests.eventually import eventually
from tests.fakes.site_server import Site

PAGE = """<!doctype html><title>shop</title>
<script>window.pushGateway = window.pushGateway || [];</script>
{extra}{snippet}
<button id=subscribe onclick="pushGateway.subscribe()">Subscribe</button>
<script>
const ready = new Promise((resolve) => pushGateway.push((gateway) => gateway.on("ready", resolve)));
</script>"""


class Website:
    """A site registered at the gateway, with its page at / and its worker at /push-sw.js."""

    def __init__(self, gateway: Gateway, public_url: str, site: Site, registered: dict[str, Any]) -> None:
        self.gateway = gateway
        self.site = site
        self.id: str = registered["id"]
        self.application_server_key: str = registered["application_server_key"]
        self.snippet: str = registered["snippet"]
        self.worker = f'importScripts("{public_url}/sdk/sw.js");\n'
        self.path = f"/v1/sites/{self.id}"
        self.serve_page()
        site.serve("/push-sw.js", self.worker)
        site.serve("/sale.html", "<!doctype html><title>sale</title>")

    @classmethod
    async def register(cls, gateway: Gateway, public_url: str, site: Site) -> "Website":
        body = {"name": "Shop", "origins": [site.origin], "contact": "mailto:ops@example.com"}
        return cls(gateway, public_url, site, await gateway.post("/v1/sites", body))

    @property
    def url(self) -> str:
        return f"{self.site.origin}/"

    def serve_page(self, extra: str = "", *, with_snippet: bool = True) -> None:
        """`extra` is HTML that the browser meets before the snippet."""
        self.site.serve("/", PAGE.format(extra=extra, snippet=self.snippet if with_snippet else ""))

    async def visit(self, browser: Browser) -> Page:
        """A tab on the page, once the script knows its state."""
        page = await browser.open(self.url)
        await page.evaluate("ready")
        return page

    async def revisit(self, page: Page) -> None:
        """The same tab loads the page again, and the script knows its state again."""
        await page.goto(self.url)
        await page.evaluate("ready")

    async def subscribe(self, browser: Browser) -> tuple[Page, str]:
        """As a visitor who allows notifications does it: (the tab, the subscription's id)."""
        await browser.set_permission(self.site.origin, "granted")
        page = await self.visit(browser)
        await page.click("#subscribe")
        await eventually(lambda: state_is(page, "subscribed"))
        subscription = await page.evaluate("pushGateway.subscription()")
        return page, str(subscription["id"])

    async def send(
        self, audience: dict[str, Any], options: dict[str, Any] | None = None, **notification: Any
    ) -> str:
        """A message's id."""
        body = {"notification": notification, "audience": audience, "options": options or {}}
        return str((await self.gateway.post(f"{self.path}/messages", body))["id"])

    async def send_to(
        self, subscription_id: str, options: dict[str, Any] | None = None, **notification: Any
    ) -> str:
        return await self.send({"subscriptions": [subscription_id]}, options, **notification)

    async def send_withdrawable(self, subscription_id: str, title: str, fallback: str) -> str:
        body = {
            "notification": {"title": title},
            "audience": {"subscriptions": [subscription_id]},
            "withdrawable": True,
            "fallback": {"title": fallback},
        }
        return str((await self.gateway.post(f"{self.path}/messages", body))["id"])

    async def withdraw(self, message_id: str) -> str:
        """The withdrawal's id, once push services have done their part."""
        withdrawal = await self.gateway.post(f"{self.path}/messages/{message_id}/withdraw", {})
        await eventually(lambda: self.progress_is(withdrawal["id"], audience=1, accepted=1))
        return str(withdrawal["id"])

    async def message(self, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.gateway.get(f"{self.path}/messages/{message_id}")
        return found

    async def subscription(self, subscription_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.gateway.get(f"{self.path}/subscriptions/{subscription_id}")
        return found

    async def endpoints(self) -> list[str]:
        """Of the active subscriptions, as the gateway exports them."""
        text = await self.gateway.call("GET", f"{self.path}/subscriptions/export")
        return [json.loads(line)["endpoint"] for line in text.splitlines()]

    async def progress_is(self, message_id: str, **expected: int) -> bool:
        """For `eventually`: AssertionError until the message's progress has these numbers."""
        progress = (await self.message(message_id))["progress"]
        assert {name: progress[name] for name in expected} == expected, progress
        return True

    async def message_is(self, message_id: str, state: str) -> bool:
        """For `eventually`: AssertionError until the message is in this state."""
        message = await self.message(message_id)
        assert message["state"] == state, message
        return True

    async def results_are(self, message_id: str, **expected: int) -> bool:
        """For `eventually`: AssertionError until the message's results have these numbers."""
        results = (await self.message(message_id))["results"]
        assert {name: results[name] for name in expected} == expected, results
        return True


async def state_is(page: Page, expected: str) -> bool:
    """For `eventually`: AssertionError until the page script says so."""
    state = await page.evaluate("pushGateway.state()")
    assert state == expected, f"{state}; {page.errors}"
    return True


async def tab_is_open(browser: Browser, url: str) -> bool:
    """For `eventually`: AssertionError until some tab shows the URL."""
    tabs = await browser.tabs()
    assert url in tabs, tabs
    return True
