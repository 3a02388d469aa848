"""The demo page, as somebody meets it who has just typed `make run`.

With SCREENSHOTS=docs set, the pictures of the documentation are taken on the way (`make screenshots`).
"""

import asyncio
import os
from pathlib import Path

from tests.e2e.drivers.browser import Browser, Page
from tests.e2e.gateway_process import Gateway
from tests.eventually import eventually

DESKTOP = (1280, 900)
PHONE = (390, 844)


async def picture(page: Page, browser: Browser, name: str) -> None:
    """Kept from one browser only, so that the same file comes out each time."""
    folder = os.environ.get("SCREENSHOTS")
    if folder is not None and browser.name == "chromium":
        await page.evaluate(
            "Promise.all(document.getAnimations().map(({finished}) => finished)).then(() => 1)"
        )
        image = await page.screenshot()
        await asyncio.to_thread(Path(folder, name).write_bytes, image)


async def counted(page: Page, **steps: str) -> bool:
    """For `eventually`: AssertionError until the page shows these numbers."""
    shown = {name: await page.text(f'#track [data-step="{name}"] b') for name in steps}
    assert shown == steps, (shown, await page.text("#trouble"), page.errors)
    return True


async def test_a_visitor_of_the_demo_subscribes_sends_sees_and_clicks(
    browser: Browser, gateway: Gateway, public_url: str
) -> None:
    await gateway.command("demo")
    await browser.set_permission(public_url, "granted")
    page = await browser.open(f"{public_url}/demo/")
    await page.resize(*DESKTOP)
    await page.click("#main")
    await eventually(lambda: said(page, "#main", "Send"))
    await page.click("#main")

    shown = await browser.notifications.wait_for("It works")
    await eventually(lambda: counted(page, sent="1", accepted="1", displayed="1", clicked="0"), within=20)
    assert await page.text("#arrived li") != ""
    browser.notifications.click(shown)
    await eventually(lambda: counted(page, sent="1", accepted="1", displayed="1", clicked="1"), within=20)
    assert page.errors == []
    await picture(page, browser, "demo.png")
    await page.resize(*PHONE)
    await picture(page, browser, "demo-phone.png")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    await page.click("#off")
    await eventually(lambda: said(page, "#chip", "ff"))


async def said(page: Page, selector: str, part: str) -> bool:
    """For `eventually`: AssertionError until the element's text holds the part."""
    text = await page.text(selector)
    assert part in text, (text, await page.text("#trouble"), page.errors)
    return True
