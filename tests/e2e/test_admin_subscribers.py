"""Visitors in the dashboard, in real browsers: found, looked at, changed, erased; imported and exported."""

import json

from tests.e2e.conftest import Demo
from tests.e2e.dashboard import Dashboard
from tests.e2e.library import Library
from tests.e2e.test_admin_library import drop
from tests.eventually import eventually
from tests.fakes.user_agent import UserAgent


async def test_a_visitor_is_found_by_tag_by_external_id_and_by_subscription(
    demo: Demo, dashboard: Dashboard, library: Library
) -> None:
    visitor = await demo.gateway.get(f"/v1/sites/{demo.seeded.shop}/subscriptions/{library.visitor}")
    await dashboard.show("#/s/{shop}/subscribers")
    await dashboard.fill("Tag", "vip")
    await dashboard.press("Search")
    await eventually(lambda: dashboard.says(visitor["external_id"], "trail running"))
    rows = "document.querySelectorAll('main tbody tr').length"
    await eventually(lambda: dashboard.page.evaluate(f"{rows} == 1"))
    await dashboard.show("#/s/{shop}/subscribers")
    await dashboard.fill("External id", "nobody-has-this")
    await dashboard.press("Search")
    await eventually(lambda: dashboard.says("Nobody is like this."))
    await dashboard.fill("External id", library.visitor)
    await dashboard.press("Search")
    await eventually(lambda: dashboard.says("What is known", visitor["external_id"], "History"))
    assert dashboard.page.errors == []


async def test_one_visitors_page_tells_their_history_and_takes_changes(
    demo: Demo, dashboard: Dashboard, library: Library
) -> None:
    path = f"/v1/sites/{demo.seeded.shop}/subscriptions/{library.visitor}"
    await dashboard.show(f"#/s/{{shop}}/subscribers/{library.visitor}")
    await eventually(lambda: dashboard.says("Still interested?", "cart", "Displayed", within=".history"))
    await dashboard.fill("Add a tag", "winter")
    await dashboard.press("Add", within="form")
    await eventually(lambda: dashboard.says("winter"))
    await dashboard.page.click("[aria-label='Remove the tag winter']")
    await eventually(
        lambda: dashboard.page.evaluate("!document.querySelector(\"[aria-label='Remove the tag winter']\")")
    )
    await dashboard.page.click("[aria-label='Change orders']")
    await dashboard.fill("Value", "many")
    await eventually(lambda: dashboard.says("This is not a number.", within="dialog"))
    await dashboard.fill("Value", "8")
    await dashboard.press("Save", within="dialog")
    await eventually(lambda: dashboard.says("Saved.", within=".toasts"))
    changed = await demo.gateway.get(path)
    assert (changed["attributes"]["orders"], "winter" in changed["tags"]) == (8, False)

    await dashboard.press("Send a test")
    await dashboard.press("Send it now", within="dialog")
    await eventually(lambda: dashboard.says("The push service took it.", within="dialog"), within=20)
    assert dashboard.page.errors == []


async def test_a_visitor_is_erased_after_a_question(demo: Demo, dashboard: Dashboard) -> None:
    path = f"/v1/sites/{demo.seeded.magazine}/subscriptions"
    [visitor, *_] = (await demo.gateway.get(f"{path}?state=active&limit=1"))["items"]
    await dashboard.show(f"#/s/{{magazine}}/subscribers/{visitor['id']}")
    await dashboard.press("Erase…")
    await eventually(lambda: dashboard.says("There is no way back", within="dialog"))
    await dashboard.press("Erase", within="dialog")
    await eventually(lambda: dashboard.says("The subscriber is erased.", within=".toasts"))
    erased = await demo.gateway.get(f"{path}?state=erased")
    assert visitor["id"] in [each["id"] for each in erased["items"]] or erased["items"] == []
    assert dashboard.page.errors == []


async def test_a_file_is_imported_line_by_line_and_can_be_exported(demo: Demo, dashboard: Dashboard) -> None:
    browser = UserAgent()
    keys = {"p256dh": browser.p256dh, "auth": browser.auth}
    name = dashboard.page.__class__.__name__
    lines = [
        {"endpoint": f"https://fcm.googleapis.com/fcm/send/{name}-{n}", "keys": keys, "external_id": f"i-{n}"}
        for n in range(40)
    ]
    content = "\n".join([*map(json.dumps, lines), '{"endpoint": "nowhere"}']).encode()
    await dashboard.show("#/s/{magazine}/transfer")
    await drop(dashboard, content, "old-vendor.ndjson", "application/x-ndjson")
    await eventually(lambda: dashboard.says("Imported, but for some lines.", "Refused lines", "41"))
    found = await demo.gateway.get(f"/v1/sites/{demo.seeded.magazine}/subscriptions?external_id=i-7")
    assert found["items"]
    href = await dashboard.page.evaluate("document.querySelector('a[download]').href")
    assert href.endswith(f"/v1/sites/{demo.seeded.magazine}/subscriptions/export")
    exported = await dashboard.page.evaluate(f"fetch({json.dumps(href)}).then((r) => r.text())")
    assert f"{name}-39" in exported
    assert dashboard.page.errors == []
