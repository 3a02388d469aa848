"""What messages are made of, in real browsers: pictures, templates, categories, automations; and webhooks."""

from base64 import b64encode

from tests.e2e.conftest import Demo
from tests.e2e.dashboard import MODES, Dashboard
from tests.e2e.drivers.cdp import ChromiumPage
from tests.e2e.library import Library
from tests.eventually import eventually
from tests.pictures import photograph


async def test_every_screen_of_the_library_is_there_without_a_fault(
    dashboard: Dashboard, library: Library
) -> None:
    wrong = {}
    for mode in MODES if isinstance(dashboard.page, ChromiumPage) else MODES[:1]:
        await dashboard.set_mode(mode)
        for name, address in library.addresses().items():
            await dashboard.show(address)
            if faults := await dashboard.faults():
                wrong[f"{name} ({mode})"] = faults
            await dashboard.picture(name)
    assert wrong == {}


async def drop(dashboard: Dashboard, content: bytes, name: str, kind: str) -> None:
    """A file on the place for it, as from a desktop."""
    await dashboard.page.evaluate(
        f"""(() => {{
          const bytes = Uint8Array.from(atob("{b64encode(content).decode()}"), (each) => each.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "{name}", {{type: "{kind}"}}));
          const place = document.querySelector(".drop");
          return place.dispatchEvent(new DragEvent("drop", {{dataTransfer: transfer, bubbles: true}})) || 1;
        }})()"""
    )


async def test_a_picture_is_dropped_made_small_copied_and_deleted(demo: Demo, dashboard: Dashboard) -> None:
    path = f"/v1/sites/{demo.seeded.magazine}/images"
    await dashboard.show("#/s/{magazine}/images")
    await drop(dashboard, b"no picture", "notes.txt", "text/plain")
    await eventually(lambda: dashboard.says("notes.txt: It is no PNG, JPEG, WebP or GIF."))
    await drop(dashboard, photograph(900, 700), "boots.jpg", "image/jpeg")
    await eventually(lambda: dashboard.says("boots.jpg", "became", within=".toasts"))
    await eventually(lambda: dashboard.says("Large picture", "900 × 450", "Copy URL", within=".gallery"))
    [made] = (await demo.gateway.get(path))["items"]
    assert made["width"] == 900
    loaded = "document.querySelector('.gallery img').naturalWidth"
    await eventually(lambda: dashboard.page.evaluate(f"{loaded} == 900"))
    await dashboard.page.click(".gallery [aria-label='Delete this picture']")
    await dashboard.press("Delete the picture", within="dialog")
    await eventually(lambda: dashboard.says("No pictures yet."))
    assert (await demo.gateway.get(path))["items"] == []
    assert dashboard.page.errors == []


async def test_an_automation_is_written_step_by_step_paused_and_changed(
    demo: Demo, dashboard: Dashboard
) -> None:
    await dashboard.show("#/s/{magazine}/automations/new")
    await dashboard.fill("Name", "Welcome, reader")
    await dashboard.press("Write it")
    await dashboard.fill("Title", "Glad you are here")
    await dashboard.fill("Text optional", "Each week the best of our walks.")
    assert await dashboard.faults() == []
    await dashboard.picture("automation-step")
    await dashboard.press("Keep the step", within="dialog")
    await dashboard.press("Add a step")
    await dashboard.fill("It waits", "2")
    await dashboard.fill("Title", "The best of last year")
    await dashboard.press("Keep the step", within="dialog")
    await eventually(lambda: dashboard.says("1 hour later", "2 days later", within=".timeline"))
    await dashboard.press("Start the automation")
    await eventually(lambda: dashboard.says("Nobody has reached it yet.", "Waiting for a step"))
    id = (await dashboard.page.evaluate("location.hash")).split("/")[-1]
    path = f"/v1/sites/{demo.seeded.magazine}/automations/{id}"
    made = await demo.gateway.get(path)
    assert [each["after"] for each in made["steps"]] == [3_600, 172_800]

    await dashboard.press("Pause")
    await eventually(lambda: dashboard.says("It is paused", "Resume"))
    assert (await demo.gateway.get(path))["state"] == "paused"
    await dashboard.fill("Name", "Welcome to the walk")
    await dashboard.press("Save the changes")
    await eventually(lambda: dashboard.says("Saved.", within=".toasts"))
    changed = await demo.gateway.get(path)
    assert changed["name"] == "Welcome to the walk"
    assert [each["message"]["id"] for each in changed["steps"]] == [
        each["message"]["id"] for each in made["steps"]
    ]
    await dashboard.press("Delete…")
    await dashboard.press("Delete the automation", within="dialog")
    await eventually(lambda: dashboard.says("No automations yet."))
    assert dashboard.page.errors == []


async def test_what_else_a_step_says_stays_when_a_word_of_it_changes(
    demo: Demo, dashboard: Dashboard
) -> None:
    path = f"/v1/sites/{demo.seeded.shop}/automations"
    rich = {
        "notification": {"title": "First", "actions": [{"action": "buy", "title": "Buy"}], "data": {"a": 1}},
        "translations": {"de": {"title": "Erstens"}},
        "fallback": {"title": "Plainly"},
        "options": {"ttl": 600, "urgency": "high"},
        "utm": {"campaign": "welcome"},
        "category": "offers",
        "quiet_hours": "override",
        "rate": 50,
        "variants": {"options": [{"name": "A", "weight": 60}, {"name": "B", "weight": 40}], "holdout": 10},
    }
    steps = [{"after": 60, **rich}, {"after": 7_200, **rich}]
    made = await demo.gateway.post(path, {"name": "Rich", "trigger": {"on": "subscribe"}, "steps": steps})
    await dashboard.show(f"#/s/{{shop}}/automations/{made['id']}")
    await eventually(lambda: dashboard.says("1 minute later", "2 variants · category offers · 2 languages"))
    await dashboard.press("Edit", within=".timeline li:last-child")
    await dashboard.fill("Title", "Second")
    await dashboard.press("Keep the step", within="dialog")
    await dashboard.press("Save the changes")
    await eventually(lambda: dashboard.says("Saved.", within=".toasts"))
    first, second = (await demo.gateway.get(f"{path}/{made['id']}"))["steps"]
    assert first["message"]["id"] == made["steps"][0]["message"]["id"]
    before, after = made["steps"][1]["message"], second["message"]
    assert after["notification"] == {**before["notification"], "title": "Second"}
    for name in ("translations", "fallback", "options", "utm", "category", "quiet_hours", "rate", "variants"):
        assert after[name] == before[name], name
    await demo.gateway.call("DELETE", f"{path}/{made['id']}")
    assert dashboard.page.errors == []


async def test_what_is_wrong_with_a_step_is_said_at_the_step(dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{magazine}/automations/new")
    await dashboard.fill("Name", "Broken")
    await dashboard.press("Write it")
    await dashboard.fill("Title", "{{ nobody")
    await dashboard.press("Keep the step", within="dialog")
    await dashboard.press("Start the automation")
    await eventually(
        lambda: dashboard.page.evaluate("Boolean(document.querySelector('.timeline-step.wrong .error'))")
    )
    assert all("400" in error for error in dashboard.page.errors)
    dashboard.page.errors.clear()


async def test_a_template_is_written_with_gaps_and_shown_filled(demo: Demo, dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{magazine}/templates/new")
    await dashboard.fill("Name", "New issue")
    await dashboard.fill("Title", "Issue {{ variables.number }} is out")
    await eventually(lambda: dashboard.says("[number]", within=".devices"))
    await dashboard.fill("number optional", "12")
    await eventually(lambda: dashboard.says("Issue 12 is out", within=".devices"))
    await dashboard.press("Save the template")
    await eventually(lambda: dashboard.says("The template is saved.", within=".toasts"))
    path = f"/v1/sites/{demo.seeded.magazine}/templates"
    [made] = (await demo.gateway.get(path))["items"]
    assert (made["variables"], made["notification"]["title"]) == (
        {"number": "12"},
        "Issue {{ variables.number }} is out",
    )
    await eventually(lambda: dashboard.says("Delete…"))
    await dashboard.press("Delete…")
    await dashboard.press("Delete the template", within="dialog")
    await eventually(lambda: dashboard.says("No templates yet."))
    assert dashboard.page.errors == []


async def test_a_category_is_made_renamed_and_deleted(demo: Demo, dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{magazine}/categories")
    await dashboard.press("New category")
    await dashboard.fill("What visitors read", "Long reads, weekly")
    await dashboard.press("Save", within="dialog")
    await eventually(lambda: dashboard.says("Long reads, weekly", "long-reads-weekly"))
    await dashboard.page.click("[aria-label='Change Long reads, weekly']")
    await dashboard.fill("What visitors read", "Long reads")
    await dashboard.press("Save", within="dialog")
    path = f"/v1/sites/{demo.seeded.magazine}/categories"

    async def is_renamed() -> bool:
        items = (await demo.gateway.get(path))["items"]
        return [(each["name"], each["title"]) for each in items] == [("long-reads-weekly", "Long reads")]

    await eventually(is_renamed)
    await eventually(lambda: dashboard.page.evaluate("!document.querySelector('dialog')"))
    await dashboard.page.click("[aria-label='Delete Long reads']")
    await dashboard.press("Delete the category", within="dialog")
    await eventually(lambda: dashboard.says("There are no categories yet."))
    assert dashboard.page.errors == []


async def test_a_webhook_is_added_tested_replayed_and_given_another_secret(
    demo: Demo, dashboard: Dashboard, library: Library
) -> None:
    receiver = library.receiver
    await dashboard.show("#/s/{magazine}/webhooks")
    await dashboard.press("New webhook")
    assert await dashboard.faults() == []
    await dashboard.fill("Address", receiver.url)
    await dashboard.fill("Name optional", "Magazine")
    await dashboard.press("Add the webhook", within="dialog")
    await eventually(lambda: dashboard.says("whsec_", "shown this once", within="dialog"))
    await dashboard.picture("webhook-secret")
    await dashboard.press("I have it")
    assert "whsec_" not in await dashboard.page.text("body")
    await dashboard.press("Magazine", within="main")

    receiver.status = 500
    await dashboard.press("Send a test")
    await eventually(lambda: dashboard.says("It was not taken"))
    receiver.status = 204
    await dashboard.press("Send a test")
    await eventually(lambda: dashboard.says("It was taken: 204.", "Delivered"))
    assert receiver.received[-1]["data"]["events"][0]["type"] == "webhook.test"

    told = len(receiver.received)
    await dashboard.page.click("tbody tr:first-child [aria-label^='Send whd_']")
    await eventually(lambda: dashboard.says("It is sent again.", within=".toasts"))
    await eventually(lambda: len(receiver.received) > told)
    await dashboard.press("Make a new one…")
    await dashboard.press("Make a new secret", within="dialog")
    await eventually(lambda: dashboard.says("whsec_", within="dialog"))
    await dashboard.press("I have it")
    await dashboard.press("Pause")
    await eventually(lambda: dashboard.says("It is paused"))
    await dashboard.press("Delete…")
    await dashboard.press("Delete the webhook", within="dialog")
    await eventually(lambda: dashboard.says("Nobody is told yet."))
    assert dashboard.page.errors == []
