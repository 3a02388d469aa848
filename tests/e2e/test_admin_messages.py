"""An admin's messages in real browsers: whom, what, when; tried out, sent, and watched to the end."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.audience import MASTER_KEY, make_browsers, open_context
from loadtest.filling import add_site
from loadtest.sink import find_nginx, running_nginx
from storage.ids import Kind, encode_id
from tests.e2e.conftest import Demo
from tests.e2e.dashboard import Dashboard
from tests.e2e.drivers.browser import Browser
from tests.e2e.gateway_process import Gateway, free_port
from tests.e2e.seed import Seeded
from tests.e2e.website import Website
from tests.eventually import eventually

CROWD = 100_000


async def test_an_admin_makes_a_segment_tries_a_message_on_their_own_browser_and_sends_it(
    browser: Browser, website: Website
) -> None:
    tab, subscription = await website.subscribe(browser)
    own = (await website.subscription(subscription))["browser"]
    dashboard = await Dashboard.open(browser, website.gateway.url, Seeded(website.id, ""))
    if await dashboard.page.evaluate("fetch('session').then(({ok}) => !ok)"):
        await dashboard.sign_in()

    await dashboard.show("#/s/{shop}/segments/new")
    await dashboard.fill("Name", "Like me")
    await dashboard.choose("About", "browser")
    await dashboard.choose("Browser", own)
    await eventually(lambda: dashboard.says("1 subscriber now", f"Who browser is {own}."))
    await dashboard.press("Save the segment")
    await eventually(lambda: dashboard.says("Like me", f"browser is {own}"))

    await dashboard.press("Write to them")
    title, other = f"Boots at {website.site.origin}", f"Warm boots at {website.site.origin}"
    await dashboard.fill("Title", title)
    await dashboard.fill("Text optional", "For the first snow.")
    await dashboard.fill("Link optional", f"{website.site.origin}/sale.html")
    await dashboard.press("A/B test")
    await dashboard.press("Start an A/B test")
    await dashboard.fill("Title", other, nth=2)
    await eventually(lambda: dashboard.says("Send to 1", title, within=".compose"))

    await dashboard.press("Test send")
    await dashboard.fill("Add a browser", subscription)
    await dashboard.press("Add", within="dialog")
    await eventually(lambda: dashboard.says(subscription, within="dialog"))
    await dashboard.press("Send the test", within="dialog")
    await browser.notifications.wait_for(title)
    await browser.notifications.wait_for(other)
    await eventually(lambda: dashboard.says("1 of 1 taken by push services", within="dialog"))
    await dashboard.press("Done", within="dialog")
    await eventually(lambda: dashboard.says("Edit message"))  # the draft that was made for the test

    await dashboard.press("Send to 1")
    await eventually(lambda: dashboard.says("goes to 1 subscriber, now", "2 variants", within="dialog"))
    await dashboard.press("Send it", within="dialog")
    await eventually(lambda: dashboard.says("Sent", "Accepted 1", "Variants"), within=20)
    message = (await dashboard.page.evaluate("location.hash")).rsplit("/", 1)[1]
    await eventually(lambda: website.progress_is(message, audience=1, accepted=1))
    await eventually(lambda: website.results_are(message, displayed=1), within=20)
    await eventually(lambda: dashboard.says("100% of accepted"), within=20)
    assert dashboard.page.errors == []
    await dashboard.page.close()
    await tab.close()


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(tmp_path: Path) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway with a site of 100,000 subscribers, whose push service is nginx; and the site's id."""
    if find_nginx() is None:
        pytest.skip("the push service for a crowd is nginx: apt-get install nginx-light")
    folder = tmp_path / "data"
    folder.mkdir()
    with running_nginx(tmp_path) as sink:
        hosts = f"localhost:{sink.port}"
        async with open_context(folder, hosts) as context:
            site = await add_site(context, "crowd", sink.url, CROWD, make_browsers(200))
        settings = {
            "GATEWAY_MASTER_KEY": b64encode(MASTER_KEY).decode(),
            "GATEWAY_PUSH_HOSTS": hosts,
            "GATEWAY_PUSH_CA_FILE": str(sink.ca_file),
        }
        gateway = Gateway(tmp_path, free_port(), settings)
        await gateway.start()
        yield gateway, encode_id(Kind.SITE, site.id)
        await gateway.stop()


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)
async def test_a_blast_to_a_hundred_thousand_is_watched_to_its_end_and_paused_on_the_way(
    browser: Browser, crowd: tuple[Gateway, str]
) -> None:
    gateway, site = crowd
    dashboard = await Dashboard.open(browser, gateway.url, Seeded(site, ""))
    await dashboard.sign_in()
    await dashboard.show("#/s/{shop}/messages/new")
    await dashboard.fill("Title", "To everybody")
    await dashboard.press("Send to 100,000")
    await eventually(lambda: dashboard.says("goes to 100,000 subscribers, now", within="dialog"))
    await dashboard.press("Send it", within="dialog")

    async def done() -> int:
        """Of how many the page says that they have an outcome."""
        bar = "document.querySelector('main [role=progressbar]')?.getAttribute('aria-valuetext')"
        said = re.match("[0-9,]+", str(await dashboard.page.evaluate(bar)))
        return int(said.group().replace(",", "")) if said else 0

    async def moves() -> bool:
        return 0 < await done() < CROWD

    await eventually(moves, within=20)
    await dashboard.press("Pause")
    await eventually(lambda: dashboard.says("Paused by an admin", "Resume"))
    path = f"/v1/sites/{site}/messages/{(await dashboard.page.evaluate('location.hash')).rsplit('/', 1)[1]}"

    async def stands() -> bool:
        """What was in flight is counted, and the page says what the gateway says."""
        progress = (await gateway.get(path))["progress"]
        return bool(await done() == progress["audience"] - progress["remaining"] - progress["retrying"])

    await eventually(stands)
    await dashboard.picture("message-blast")
    paused_at = await done()
    assert 0 < paused_at < CROWD
    await dashboard.press("Resume")
    await eventually(lambda: dashboard.says("Sent", "Accepted 100,000"), within=180)
    assert await done() == CROWD
    message = await gateway.get(path)
    assert message["progress"]["accepted"] == CROWD
    assert dashboard.page.errors == []
    await dashboard.page.close()


async def test_what_is_wrong_is_said_at_its_field_and_what_was_written_is_not_lost(
    dashboard: Dashboard,
) -> None:
    await dashboard.show("#/s/{shop}/messages/new")
    await dashboard.press("Save draft")
    await eventually(lambda: dashboard.says("Say what the notification is called."))
    await dashboard.fill("Title", "Half a thought")
    await dashboard.fill("Link optional", "not a link")
    await eventually(lambda: dashboard.says("Before it can be sent: Link:"))
    await dashboard.press("Save draft")
    await eventually(lambda: dashboard.says("This is no http or https URL", within=".field.wrong"))
    focused = "document.activeElement.labels?.[0]?.textContent ?? ''"
    await eventually(lambda: dashboard.page.evaluate(f"({focused}).startsWith('Link')"))

    await dashboard.show("#/s/{shop}/segments")
    await dashboard.show("#/s/{shop}/messages/new")
    await eventually(lambda: dashboard.says("did not send is here again"))
    assert await value_of(dashboard, "Title") == "Half a thought"
    await dashboard.press("Start afresh")
    await eventually(lambda: has_value(dashboard, "Title", ""))
    # The gateway refused what was wrong, which the console mentions.
    assert [error for error in dashboard.page.errors if "400" not in error] == []


async def test_a_draft_is_saved_scheduled_into_the_night_edited_and_duplicated(
    demo: Demo, dashboard: Dashboard
) -> None:
    await dashboard.show("#/s/{shop}/messages/new")
    await dashboard.fill("Title", "Winter boots are here")
    await dashboard.fill("Text optional", "Waterproof, and warm to minus twenty.")
    await dashboard.fill("Link optional", "https://shop.example.com/boots")
    await dashboard.press("Save draft")
    await eventually(lambda: dashboard.says("Edit message"))
    message = (await dashboard.page.evaluate("location.hash")).split("/")[-2]
    path = f"/v1/sites/{demo.seeded.shop}/messages"
    assert (await demo.gateway.get(f"{path}/{message}"))["state"] == "draft"

    await dashboard.press("At a timethe same moment for all")
    await dashboard.fill("Time", "2036-12-01T23:30")
    await eventually(lambda: dashboard.says("That is within quiet hours for visitors in Berlin", "08:00"))
    await dashboard.picture("compose-at-night")
    await dashboard.press("Schedule")
    await eventually(lambda: dashboard.says("goes to", "(Europe/Berlin)", within="dialog"))
    await dashboard.press("Schedule it", within="dialog")
    await eventually(lambda: dashboard.says("Scheduled", "Winter boots are here", "Everybody"))
    shown = await demo.gateway.get(f"{path}/{message}")
    assert (shown["state"], shown["send_at"]) == ("scheduled", "2036-12-01T22:30:00Z")

    await dashboard.press("Edit")
    await dashboard.fill("Title", "Winter boots, from today")
    await dashboard.press("Send in quiet hours, too")
    await dashboard.press("Save changes")
    await eventually(lambda: dashboard.says("Winter boots, from today", "passed over"))
    await dashboard.press("Duplicate")
    await eventually(lambda: dashboard.says("Edit message"))
    await eventually(lambda: dashboard.page.evaluate("Boolean(document.querySelector('.compose'))"))
    assert await value_of(dashboard, "Title") == "Winter boots, from today"
    copy = (await dashboard.page.evaluate("location.hash")).split("/")[-2]
    assert copy != message
    for each in (message, copy):
        await dashboard.show(f"#/s/{{shop}}/messages/{each}")
        await dashboard.press("Cancel")
        await dashboard.press("Cancel the message", within="dialog")
        await eventually(lambda: dashboard.says("Cancelled"))
    assert dashboard.page.errors == []


async def test_a_segment_of_groups_within_groups_is_counted_while_it_is_built(
    demo: Demo, dashboard: Dashboard
) -> None:
    await dashboard.show("#/s/{shop}/segments/new")
    await dashboard.choose("About", "country")
    await dashboard.fill("Country", "de")
    await dashboard.press("Group")
    await dashboard.choose("About", "platform", nth=1)
    await dashboard.choose("About", "clicked", nth=2)
    await dashboard.choose("Whether it holds", "not", nth=2)
    where = {
        "all": [
            {"country": "DE"},
            {"any": [{"platform": "android"}, {"not": {"clicked": {"within": "30d"}}}]},
        ]
    }
    path = f"/v1/sites/{demo.seeded.shop}"
    counted = await demo.gateway.post(f"{path}/audience/estimate", {"audience": {"where": where}})
    assert counted["count"] > 0
    await eventually(lambda: dashboard.says(f"{counted['count']:,} subscribers now"))
    await eventually(lambda: dashboard.says("did not click a message in the last 30 days"))
    await dashboard.picture("segment-groups")
    await dashboard.press("Edit as JSON")
    assert await dashboard.page.evaluate(
        f"JSON.stringify(JSON.parse(document.querySelector('.code-text').value)) == JSON.stringify({where})"
    )
    await dashboard.press("Save the segment")
    await eventually(lambda: dashboard.says("Give it a name.", within=".wrong"))
    await dashboard.fill("Name", "Germans to wake")
    await dashboard.press("Save the segment")
    await eventually(lambda: dashboard.says("Segments", "Germans to wake", within=".page"))
    await eventually(lambda: dashboard.page.evaluate("location.hash.endsWith('/segments')"))
    [made] = [
        each
        for each in (await demo.gateway.get(f"{path}/segments"))["items"]
        if each["name"] == "Germans to wake"
    ]
    assert made["where"] == where
    await demo.gateway.call("DELETE", f"{path}/segments/{made['id']}")
    assert [error for error in dashboard.page.errors if "400" not in error] == []


async def test_messages_are_found_by_state_and_title(dashboard: Dashboard) -> None:
    await dashboard.show("#/s/{shop}/messages")
    await dashboard.press("Drafts")
    await eventually(lambda: dashboard.says("Black Friday: early access"))
    await eventually(lambda: shows_only_one(dashboard))
    await dashboard.press("All")
    await eventually(lambda: dashboard.says("Sent", within="main tbody"))
    await dashboard.fill("Search by title", "opening")
    await eventually(lambda: dashboard.says("New opening hours", "Paused"))
    await eventually(lambda: shows_only_one(dashboard))
    assert dashboard.page.errors == []


async def shows_only_one(dashboard: Dashboard) -> bool:
    return bool(await dashboard.page.evaluate("document.querySelectorAll('main tbody tr').length == 1"))


async def asked(dashboard: Dashboard, button: str, question: str) -> bool:
    """Press it until it asks: what comes in live may move it away from under a click."""
    if not await dashboard.page.evaluate("Boolean(document.querySelector('dialog[open]'))"):
        await dashboard.press(button, within="main")
    return await dashboard.says(question, within="dialog")


async def has_value(dashboard: Dashboard, label: str, value: str) -> bool:
    return await value_of(dashboard, label) == value


async def value_of(dashboard: Dashboard, label: str) -> str:
    find = f"[...document.querySelectorAll('label')].find((each) => each.textContent == '{label}')"
    return str(await dashboard.page.evaluate(f"({find}).control.value"))


RICH: list[dict[str, Any]] = [
    {
        "notification": {
            "title": '{{ attributes.first_name | default: "You" }}',
            "body": "b",
            "url": "https://shop.example.com/x",
            "icon": "https://shop.example.com/i.png",
            "tag": "t",
            "actions": [{"action": "buy", "title": "Buy", "url": "https://shop.example.com/buy"}],
            "require_interaction": True,
            "data": {"a": [1]},
        },
        "translations": {"de": {"title": "Du"}},
        "fallback": {"title": "Fallback"},
        "utm": {"campaign": "sale"},
        "audience": {"where": {"all": [{"tag": "reader"}, {"not": {"clicked": {"within": "7d"}}}]}},
        "variants": {
            "options": [
                {"name": "A", "weight": 40},
                {
                    "name": "B",
                    "weight": 60,
                    "notification": {"title": "B"},
                    "translations": {"de": {"body": "d"}},
                },
            ],
            "holdout": 5,
            "winner": {"sample": 20, "after": 3600, "displays": 5000, "default": "B"},
        },
        "options": {"ttl": 3600, "urgency": "high", "topic": "abc"},
        "send_at": "2036-12-01T08:00:00Z",
        "expires_at": "2036-12-02T08:00:00Z",
        "misfire": {"then": "expire", "after": 600},
        "category": "offers",
        "rate": 50,
        "auto_pause": {"failure_rate": 0.3, "least": 100},
    },
    {
        "notification": {"title": "By the clock"},
        "audience": {"all": True},
        "local_time": {"at": "2036-12-01T09:00", "late": "next_day"},
        "quiet_hours": "override",
        "valid_until": "2036-12-04T09:00:00Z",
        "withdrawable": True,
    },
    {
        "notification": {"title": "Series"},
        "audience": {"external_ids": ["customer-1", "customer-2"]},
        "priority": "bulk",
        "recurrence": {"cron": "30 7 * * 1-5", "timezone": "Asia/Tokyo", "until": "2037-01-01T00:00:00Z"},
    },
    {
        "notification": {"title": "In parts"},
        "audience": {"recipients": [{"external_id": "customer-1", "data": {"sku": 1}}]},
        "rollout": {"first": 50, "then": "manual"},
    },
    {"notification": {"title": "Hour"}, "audience": {"all": True}, "best_hour": {"within_hours": 48}},
]


async def test_a_message_with_every_rule_goes_through_the_form_and_comes_back_as_it_was(
    demo: Demo, dashboard: Dashboard
) -> None:
    path = f"/v1/sites/{demo.seeded.shop}/messages"
    await dashboard.show("#/s/{shop}/messages")
    for rich in RICH:
        made = await demo.gateway.post(path, {**rich, "draft": True})
        through = f"""import("./screens/compose/form.js").then(({{fromMessage, toBody}}) => {{
          const form = fromMessage({json.dumps(made)}, "Europe/Berlin");
          return [toBody(form, "Europe/Berlin", {{change: true}}), toBody(form, "Europe/Berlin")];
        }})"""
        change, anew = await dashboard.page.evaluate(through)
        changed = await demo.gateway.call("PATCH", f"{path}/{made['id']}", json=change)
        # A draft that is to be sent at once is to be sent at the moment when it was last changed.
        now = {} if "send_at" in rich else {"send_at": made["send_at"]}
        assert {**changed, **now} == made
        copy = await demo.gateway.post(path, {**anew, "draft": True})
        assert {**copy, **now, "id": made["id"], "created_at": made["created_at"]} == made
        for each in (made, copy):
            await demo.gateway.call("POST", f"{path}/{each['id']}/cancel")


async def test_a_dry_run_and_a_message_that_is_withdrawn_released_and_sent_once_more(
    demo: Demo, dashboard: Dashboard
) -> None:
    path = f"/v1/sites/{demo.seeded.shop}/messages"
    await dashboard.show("#/s/{shop}/messages/new")
    await dashboard.fill("Title", "Rehearsal")
    await dashboard.press("Send in quiet hours, too")
    await dashboard.press("Dry run")
    await dashboard.press("Run it", within="dialog")
    await eventually(lambda: dashboard.says("Sent", "dry run: everything but the push"), within=20)
    await dashboard.show("#/s/{shop}/messages/new")
    await dashboard.press("Start afresh")

    body = {
        "notification": {"title": "In two parts"},
        "audience": {"where": {"tag": "reader"}},
        "quiet_hours": "override",
        "priority": "transactional",
        "withdrawable": True,
        "rollout": {"first": 50, "then": "manual"},
    }
    made = await demo.gateway.post(path, body)
    await dashboard.show(f"#/s/{{shop}}/messages/{made['id']}")
    await eventually(lambda: asked(dashboard, "Release the rest", "still wait"))
    await dashboard.press("Send it to the rest", within="dialog")
    await eventually(lambda: dashboard.says("Sent", "Withdraw"), within=20)
    await eventually(lambda: asked(dashboard, "Withdraw", "Whoever has seen it has seen it."))
    await dashboard.press("Withdraw it", within="dialog")
    await eventually(lambda: dashboard.says("takes back a message"))

    await dashboard.show("#/s/{shop}/messages/{everybody}")
    await dashboard.choose("Outcome", "too_large")
    await dashboard.press("Send once more")
    await dashboard.press("Send it once more", within="dialog")
    await eventually(lambda: dashboard.says("sends a message once more", "Accepted"), within=20)
    assert dashboard.page.errors == []
