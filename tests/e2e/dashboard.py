"""The dashboard as an admin meets it: a page that is signed in, and what is checked of each screen."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from aiohttp import web

from loadtest.connect_proxy import ConnectProxy
from tests.e2e.drivers.browser import Browser, Page
from tests.e2e.drivers.cdp import ChromiumPage
from tests.e2e.gateway_process import ADMIN_TOKEN
from tests.e2e.seed import Seeded
from tests.eventually import eventually
from tests.fakes.certificates import Authority

ROOT: Final = Path(__file__).parents[2]
AXE: Final = ROOT / "sdk-js" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP: Final = (1280, 900)
PHONE: Final = (360, 740)
LONGEST: Final = (1600, 1000)  # pixels of a picture's height, and of a phone's
MODES: Final = ("light", "dark", "phone")

# By the name of its picture. A screen that stands here is walked, checked and photographed.
SCREENS: Final = {
    "overview": "#/s/{shop}/overview",
    "sites": "#/sites",
    "site-new": "#/sites/new",
    "site-setup": "#/s/{shop}/settings",
    "site-general": "#/s/{shop}/settings/general",
    "site-sending": "#/s/{shop}/settings/sending",
    "site-keys": "#/s/{shop}/settings/keys",
    "site-limits": "#/s/{shop}/settings/limits",
    "tokens": "#/s/{shop}/tokens",
    "audit": "#/s/{shop}/tokens/audit",
    "messages": "#/s/{shop}/messages",
    "compose": "#/s/{shop}/messages/new",
    "message": "#/s/{shop}/messages/{everybody}",
    "message-variants": "#/s/{shop}/messages/{variants}",
    "message-paused": "#/s/{shop}/messages/{paused}",
    "message-edit": "#/s/{shop}/messages/{recurring}/edit",
    "segments": "#/s/{shop}/segments",
    "segment": "#/s/{shop}/segments/new",
    "alerts": "#/alerts",
    "system": "#/system",
}

_PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "wns2.notify.windows.com",
    "web.push.apple.com",
)
# A screen is there when its heading is, nothing is being waited for, and its curves are drawn.
_THERE = """(() => {
  const [main, busy] = [document.querySelector("main"), document.querySelector(".loading, [aria-busy=true]")];
  const drawn = [...document.querySelectorAll(".plot")].every((plot) => plot.querySelector("canvas"));
  return Boolean(main?.querySelector("h1")) && !busy && drawn && location.hash;
})()"""
_SIGN_OUT = """fetch("session").then(async (answer) => {
  if (!answer.ok) return false;
  const {csrf} = await answer.json();
  return (await fetch("session", {method: "DELETE", headers: {"X-CSRF-Token": csrf}})).ok;
})"""
_TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"
_FAULTS = """axe.run(%s, %s).then(({violations}) => violations
  .filter(({impact}) => impact == "serious" || impact == "critical")
  .map(({id, nodes}) => id + ": " + nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")))"""
_EVERYTHING = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
_CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


class Dashboard:
    """One tab with the dashboard in it."""

    def __init__(self, page: Page, url: str, seeded: Seeded) -> None:
        self.page = page
        self.seeded = seeded
        self._url = url
        self._mode = "light"

    @classmethod
    async def open(cls, browser: Browser, url: str, seeded: Seeded) -> "Dashboard":
        """At the login screen, or signed in where this browser is."""
        page = await browser.open(f"{url}/admin/")
        await page.resize(*DESKTOP)
        return cls(page, url, seeded)

    @classmethod
    async def open_signed_out(cls, browser: Browser, url: str, seeded: Seeded) -> "Dashboard":
        """At the login screen, whoever has signed this browser in before."""
        opened = await cls.open(browser, url, seeded)
        if await opened.page.evaluate(_SIGN_OUT):
            await opened.page.close()
            opened = await cls.open(browser, url, seeded)
        await eventually(lambda: opened.says("Sign in", "API token"))
        return opened

    async def sign_in(self, token: str = ADMIN_TOKEN) -> None:
        """As somebody who types it."""
        await self.fill("API token", token)
        await self.page.click(".login button[type=submit]")
        await eventually(lambda: self.page.evaluate("Boolean(document.querySelector('.shell'))"))

    async def fill(self, label: str, text: str, *, nth: int = 0, event: str = "input") -> None:
        """Put a text into the field with this label, as typing does, once it is there; `nth` of several."""
        script = f"""(() => {{
          const all = [...document.querySelectorAll("label")];
          const field = all.filter((each) => each.textContent.trim() == {json.dumps(label)})[{nth}]?.control;
          if (!field) return false;
          const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set;
          setter.call(field, {json.dumps(text)});
          return field.dispatchEvent(new Event({json.dumps(event)}, {{bubbles: true}}));
        }})()"""
        await eventually(lambda: self.page.evaluate(script))

    async def choose(self, label: str, value: str, *, nth: int = 0) -> None:
        """As `fill`, of a list."""
        await self.fill(label, value, nth=nth, event="change")

    async def press(self, text: str, within: str = "body") -> None:
        """Click the button or link that says this, once it is there and enabled."""
        find = f"""(() => {{
          document.querySelector("[data-pressed]")?.removeAttribute("data-pressed");
          const all = document.querySelectorAll({json.dumps(within)} + " :is(button, a, summary, label)");
          const says = (each) => each.textContent.trim() == {json.dumps(text)};
          const found = [...all].find((each) => says(each) && !each.disabled);
          found?.setAttribute("data-pressed", "");
          return Boolean(found);
        }})()"""
        await eventually(lambda: self.page.evaluate(find))
        await self.page.click("[data-pressed]")

    async def show(self, address: str) -> None:
        """Go there, and wait until it is there. `{shop}` and names of messages are those of the seed."""
        target = address.format(shop=self.seeded.shop, magazine=self.seeded.magazine, **self.seeded.messages)
        await self.page.evaluate(f"(location.hash = {json.dumps(target)}, 1)")
        await eventually(lambda: self._is_there(target))

    async def set_mode(self, mode: str) -> None:
        """One of MODES. Only Chromium changes its colours."""
        self._mode = mode
        if isinstance(self.page, ChromiumPage):
            scheme = {"name": "prefers-color-scheme", "value": "dark" if mode == "dark" else "light"}
            await self.page.call("Emulation.setEmulatedMedia", {"features": [scheme]})
        await self.page.resize(*(PHONE if mode == "phone" else DESKTOP))

    async def says(self, *texts: str, within: str = "main") -> bool:
        """For `eventually`: AssertionError until the page says all of these."""
        shown = await self.page.text(within)
        missing = [text for text in texts if text not in shown]
        assert not missing, (missing, shown[:600], self.page.errors)
        return True

    async def faults(self, *, whole: bool = False) -> list[str]:
        """What is wrong with the screen that is shown, in words: the console, its width, accessibility.

        `whole`: with the frame round it, which is the same round all.
        """
        found = [f"console: {error}" for error in self.page.errors]
        self.page.errors.clear()
        if await self.page.evaluate(_TOO_WIDE):
            found.append("wider than the window")
        if not isinstance(self.page, ChromiumPage) or self._mode == "phone":
            return found  # axe would look at the same document and colours again
        if not await self.page.evaluate("'axe' in window"):
            source = await asyncio.to_thread(AXE.read_text)
            await self.page.evaluate(f"(() => {{ {source}\n return 1 }})()")
        dialog = "document.querySelector('dialog[open]') ?? document.querySelector('main')"
        part = "document" if whole else dialog
        options = _EVERYTHING if self._mode == "light" else _CONTRAST
        return [*found, *await self.page.evaluate(_FAULTS % (part, json.dumps(options)))]

    async def picture(self, name: str) -> None:
        """For the documentation, if it is being made: `<name>-<mode>.png`, from one browser only."""
        folder = os.environ.get("SCREENSHOTS")
        if folder is None or not isinstance(self.page, ChromiumPage):
            return
        await self.page.evaluate("(scrollTo(0, 0), document.activeElement?.blur(), 1)")
        width, height = PHONE if self._mode == "phone" else DESKTOP
        whole = await self.page.evaluate("document.documentElement.scrollHeight")
        # As tall as the page: what sticks to the window stands where it should.
        await self.page.resize(width, max(height, min(whole, LONGEST[self._mode == "phone"])))
        image = await self.page.screenshot()
        await self.page.resize(width, height)
        directory = Path(folder, "dashboard")
        await asyncio.to_thread(_store, image, directory / f"{name}-{self._mode}.png")

    async def _is_there(self, target: str) -> bool:
        shown = await self.page.evaluate(_THERE)
        assert shown == target, (shown, await self.page.text("main"), self.page.errors)
        return True


def _store(image: bytes, file: Path) -> None:
    """With 128 colours: a third of the bytes, and nobody sees the difference."""
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(image)) as picture:
        part = picture.crop((0, 0, picture.width, min(picture.height, LONGEST[picture.width < 500])))
        reduced = part.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(file, optimize=True)


@asynccontextmanager
async def willing_push_services(authority: Authority) -> AsyncIterator[str]:
    """All of them take everything; the URL of the way there, for HTTPS_PROXY."""

    async def accept(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=201, headers={"Location": "/m/1"})

    app = web.Application()
    app.router.add_post("/{path:.*}", accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.issue(*_PUSH_HOSTS).server_context())
    await site.start()
    port = runner.addresses[0][1]
    proxy = ConnectProxy({f"{host}:443": port for host in _PUSH_HOSTS})
    await proxy.start()
    yield proxy.url
    await proxy.close()
    await runner.cleanup()
