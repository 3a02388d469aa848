"""The dashboard in real browsers: signing in, every screen without a fault, watching what is sent."""

import re
from typing import Any

from tests.e2e.conftest import Demo
from tests.e2e.dashboard import MODES, SCREENS, Dashboard
from tests.e2e.drivers.browser import Browser
from tests.e2e.drivers.cdp import ChromiumPage
from tests.e2e.gateway_process import ADMIN_TOKEN
from tests.eventually import eventually

FIRST_LOAD = 150_000  # bytes
_WIRE = """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .filter(({name}) => name.includes("/admin/")).map(({encodedBodySize}) => encodedBodySize)"""


async def slow_message(demo: Demo, title: str, audience: dict[str, Any], rate: int) -> str:
    """The path of one that is being sent for a while."""
    body = {
        "notification": {"title": title},
        "audience": audience,
        "rate": rate,
        "quiet_hours": "override",
    }
    messages = f"/v1/sites/{demo.seeded.shop}/messages"
    return f"{messages}/{(await demo.gateway.post(messages, body))['id']}"


async def test_an_admin_signs_in_looks_round_and_signs_out(browser: Browser, demo: Demo) -> None:
    opened = await Dashboard.open_signed_out(browser, demo.gateway.url, demo.seeded)
    page = opened.page
    await opened.fill("API token", "wpg_nobody knows this one")
    await opened.press("Sign in")
    await eventually(lambda: opened.says("The token is unknown."))
    assert await opened.faults() == []
    await opened.picture("login")
    await opened.sign_in()
    await opened.show("#/s/{shop}/overview")
    assert await page.evaluate("document.cookie") == ""  # out of reach of scripts
    await opened.press("Sign out")
    await eventually(lambda: opened.says("API token"))
    assert await page.evaluate("fetch('session').then(({status}) => status)") == 401
    await page.close()


async def test_a_token_that_may_only_send_cannot_sign_in_and_is_told_why(
    browser: Browser, demo: Demo
) -> None:
    tokens = f"/v1/sites/{demo.seeded.shop}/tokens"
    made = await demo.gateway.post(tokens, {"name": "Back end", "scopes": ["send"]})
    opened = await Dashboard.open_signed_out(browser, demo.gateway.url, demo.seeded)
    await opened.fill("API token", made["token"])
    await opened.press("Sign in")
    await eventually(lambda: opened.says("This token may not look at anything."))
    assert await opened.page.evaluate("fetch('session').then(({status}) => status)") == 401
    await opened.page.close()
    await demo.gateway.call("DELETE", f"{tokens}/{made['id']}")


async def test_a_session_that_has_ended_leads_back_to_the_login_and_to_where_one_was(
    dashboard: Dashboard,
) -> None:
    await dashboard.show("#/s/{shop}/settings/keys")
    await dashboard.page.evaluate(
        "fetch('session').then((r) => r.json()).then(({csrf}) => fetch('session', "
        "{method: 'DELETE', headers: {'X-CSRF-Token': csrf}})).then(() => 1)"
    )
    await dashboard.page.evaluate("(location.hash = '#/sites', 1)")
    await dashboard.sign_in()
    await eventually(lambda: dashboard.says("Northwind", "The Long Walk"))


async def test_who_signs_in_anew_in_another_tab_goes_on_in_the_first(dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{magazine}/settings/general")
    await dashboard.page.evaluate(
        "fetch('session', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        f" body: JSON.stringify({{token: '{ADMIN_TOKEN}'}})}}).then(() => 1)"
    )
    await dashboard.press("Save")
    await eventually(lambda: dashboard.says("Saved.", within=".toasts"))


async def test_a_browser_that_keeps_no_cookie_is_told_so(browser: Browser, demo: Demo) -> None:
    """As over plain http where the public URL is https."""
    opened = await Dashboard.open_signed_out(browser, demo.gateway.url, demo.seeded)
    await opened.page.evaluate(
        "(window.fetch = ((real) => (url, options) => options.method == 'POST'"
        " ? Promise.resolve(new Response(null, {status: 204})) : real(url, options))(window.fetch), 1)"
    )
    await opened.fill("API token", "wpg_any that is right")
    await opened.press("Sign in")
    await eventually(lambda: opened.says("your browser keeps the session's cookie over https only"))
    await opened.page.close()


async def test_on_a_phone_the_menu_opens_and_closes(dashboard: Dashboard) -> None:
    await dashboard.set_mode("phone")
    await dashboard.show("#/s/{shop}/overview")
    shown = "getComputedStyle(document.querySelector('.side')).visibility"
    still = "document.querySelector('.side').getAnimations().length == 0"
    await eventually(lambda: dashboard.page.evaluate(f"{shown} == 'hidden'"))
    await dashboard.page.click('[aria-label="Open the menu"]')
    await eventually(lambda: dashboard.page.evaluate(f"{shown} == 'visible' && {still}"))
    await dashboard.press("Sites", within=".side")
    await eventually(lambda: dashboard.says("The Long Walk"))
    await eventually(lambda: dashboard.page.evaluate(f"{shown} == 'hidden'"))
    heading = "document.activeElement.textContent == 'Sites'"
    await eventually(lambda: dashboard.page.evaluate(heading))
    await dashboard.set_mode("light")


async def test_every_screen_is_there_without_a_fault(demo: Demo, dashboard: Dashboard) -> None:
    """In light and dark, and on a phone, where the browser can be told; the pictures are of these."""
    wrong = {}
    title = "Winter collection: a first look"
    going = await slow_message(demo, title, {"all": True}, rate=8)
    await dashboard.show("#/s/{shop}/overview")
    await eventually(lambda: dashboard.says(title, "Sending", " left", within=".going"))
    for mode in MODES if isinstance(dashboard.page, ChromiumPage) else MODES[:1]:
        await dashboard.set_mode(mode)
        for name, address in SCREENS.items():
            await dashboard.show(address)
            if faults := await dashboard.faults(whole=name == "overview"):
                wrong[f"{name} ({mode})"] = faults
            await dashboard.picture(name)
    await demo.gateway.post(f"{going}/cancel", {})
    assert wrong == {}


async def test_the_first_load_is_small_and_soon_there(
    browser: Browser, demo: Demo, dashboard: Dashboard
) -> None:
    opened = await Dashboard.open(browser, demo.gateway.url, demo.seeded)
    await opened.show("#/s/{shop}/overview")
    sizes = await opened.page.evaluate(_WIRE)
    assert len(sizes) > 15
    assert sum(sizes) <= FIRST_LOAD
    assert await opened.page.evaluate("performance.getEntriesByName('screen')[0].startTime") < 3_000
    await opened.page.close()


async def test_what_is_sent_is_watched_live_paused_resumed_and_cancelled(
    demo: Demo, dashboard: Dashboard
) -> None:
    path = await slow_message(demo, "Slowly, for all to see", {"where": {"tag": "reader"}}, rate=10)
    await dashboard.show("#/s/{shop}/overview")
    await eventually(lambda: dashboard.says("Slowly, for all to see", "Pause", within=".going"))

    async def progress_moves() -> bool:
        said = await dashboard.page.evaluate(
            "document.querySelector('.going [role=progressbar]').getAttribute('aria-valuetext')"
        )
        return bool(re.match("[1-9][0-9] of", said))

    await eventually(progress_moves)
    await dashboard.press("Pause", within=".going > li:first-child")
    await eventually(lambda: dashboard.says("Paused", "Resume", within=".going > li:first-child"))
    assert (await demo.gateway.get(path))["state"] == "paused"
    await dashboard.press("Resume", within=".going > li:first-child")
    await eventually(lambda: dashboard.says("Sending", within=".going > li:first-child"))
    await dashboard.press("Cancel", within=".going > li:first-child")
    await eventually(lambda: dashboard.says("There is no way back", within="dialog"))
    await dashboard.press("Cancel the message", within="dialog")
    await eventually(lambda: dashboard.says("The message is cancelled.", within=".toasts"))
    assert (await demo.gateway.get(path))["state"] == "cancelled"
    assert dashboard.page.errors == []


async def test_an_alert_stands_above_every_page_until_somebody_knows(dashboard: Dashboard) -> None:
    count = "document.querySelectorAll('.alert-card .button').length"
    await dashboard.show("#/s/{shop}/settings/keys")
    await eventually(lambda: dashboard.says("See ", within=".alert-banner"))
    await dashboard.show("#/alerts")
    await eventually(lambda: dashboard.says("What to look at first", "push service"))
    raised = await dashboard.page.evaluate(count)
    await dashboard.press("I know")
    await eventually(lambda: dashboard.page.evaluate(f"{count} == {raised - 1}"))
    await dashboard.show("#/alerts?state=ended")
    await eventually(lambda: dashboard.says("Google's push service refuses more."))
    assert dashboard.page.errors == []


async def test_a_site_is_made_set_up_and_deleted(demo: Demo, dashboard: Dashboard) -> None:
    await dashboard.show("#/sites/new")
    await dashboard.press("Make the site")
    await eventually(lambda: dashboard.says("Some fields need another look."))
    await dashboard.fill("Name", "Harbour Books")
    await dashboard.fill("Origins", "https://books.example.com\nhttps://www.books.example.com")
    await dashboard.fill("Contact", "ops@books.example")
    await dashboard.press("Make the site")
    await eventually(lambda: dashboard.says("Put it on your website", "importScripts", "push-sw.js"))
    site = (await dashboard.page.evaluate("location.hash")).split("/")[2]
    assert (await demo.gateway.get(f"/v1/sites/{site}"))["contact"] == "mailto:ops@books.example"

    await dashboard.press("Sending")
    await eventually(lambda: dashboard.says("Keep quiet hours"))
    await dashboard.press("Keep quiet hours")
    await dashboard.press("Save")
    await eventually(lambda: dashboard.says("Saved.", within=".toasts"))
    shown = await demo.gateway.get(f"/v1/sites/{site}")
    assert shown["settings"]["quiet_hours"] == {"from": "22:00", "to": "08:00", "zone": "visitor"}

    await dashboard.press("General")
    await dashboard.press("Delete this site…")
    await dashboard.fill("Type Harbour Books to go on", "Harbour Books")
    await dashboard.press("Delete the site")
    await eventually(lambda: dashboard.page.evaluate("location.hash == '#/sites'"))
    await eventually(lambda: dashboard.says("Northwind"))
    assert "Harbour Books" not in await dashboard.page.text("main")
    # The gateway refused the first attempt, which the console mentions.
    assert [error for error in dashboard.page.errors if "400" not in error] == []


async def test_a_token_is_shown_once_and_its_making_is_in_the_audit_log(dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{shop}/tokens")
    await dashboard.press("New token")
    assert await dashboard.faults() == []
    await dashboard.fill("Name", "The till")
    await dashboard.press("Make the token")
    await eventually(lambda: dashboard.says("It is shown this once", "wpg_", within="dialog"))
    await dashboard.press("I have it")
    await eventually(lambda: dashboard.says("The till"))
    assert "wpg_" not in await dashboard.page.text("body")
    await dashboard.show("#/s/{shop}/tokens/audit")
    await eventually(lambda: dashboard.says("token.created", "The till"))
    assert dashboard.page.errors == []
