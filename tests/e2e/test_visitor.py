"""A visitor's way in a real browser: subscribe by a click, see what the owner sends, follow it, leave."""

from datetime import UTC, datetime, timedelta
from functools import partial

from tests.e2e.drivers.browser import Browser
from tests.e2e.website import Website, state_is, tab_is_open
from tests.eventually import eventually
from tests.fakes.door import Door


async def test_a_click_subscribes_and_a_message_is_shown_followed_and_counted(
    browser: Browser, website: Website
) -> None:
    page, subscription_id = await website.subscribe(browser)
    assert (await website.subscription(subscription_id))["state"] == "active"
    target = f"{website.site.origin}/sale.html"
    title = f"Sale at {website.site.origin}"
    message_id = await website.send_to(subscription_id, title=title, body="grün & billig", url=target)

    shown = await browser.notifications.wait_for(title)
    assert "grün & billig" in shown.text
    await eventually(lambda: website.progress_is(message_id, audience=1, accepted=1, remaining=0))
    browser.notifications.click(shown)
    await eventually(lambda: tab_is_open(browser, target))
    await eventually(lambda: website.results_are(message_id, displayed=1, clicked=1), within=20)
    await eventually(lambda: website.message_is(message_id, "sent"))
    assert page.errors == []


async def test_a_notification_that_is_dismissed_counts_as_closed_and_not_as_clicked(
    browser: Browser, website: Website
) -> None:
    _, subscription_id = await website.subscribe(browser)
    title = f"Unwanted at {website.site.origin}"
    message_id = await website.send_to(subscription_id, title=title)
    browser.notifications.dismiss(await browser.notifications.wait_for(title))
    await eventually(lambda: website.results_are(message_id, displayed=1, clicked=0, closed=1))


async def test_a_click_on_an_action_opens_its_own_url(browser: Browser, website: Website) -> None:
    _, subscription_id = await website.subscribe(browser)
    buy = f"{website.site.origin}/sale.html?buy"
    title = f"Offer at {website.site.origin}"
    actions = [{"action": "buy", "title": "Buy", "url": buy}]
    await website.send_to(subscription_id, title=title, url=website.url, actions=actions)
    browser.notifications.click(await browser.notifications.wait_for(title), "Buy")
    await eventually(lambda: tab_is_open(browser, buy))


async def test_a_click_focuses_the_tab_that_shows_the_url_already(browser: Browser, website: Website) -> None:
    page, subscription_id = await website.subscribe(browser)
    other = await browser.open(f"{website.site.origin}/sale.html")
    await eventually(lambda: page.evaluate("document.visibilityState === 'hidden'"))
    tabs = await browser.tabs()
    title = f"Back to {website.site.origin}"
    await website.send_to(subscription_id, title=title, url=website.url)
    browser.notifications.click(await browser.notifications.wait_for(title))
    await eventually(lambda: page.evaluate("document.visibilityState === 'visible'"))
    await eventually(lambda: other.evaluate("document.visibilityState === 'hidden'"))
    assert await browser.tabs() == tabs


async def test_a_notification_whose_time_has_passed_is_closed_by_the_next_push(
    browser: Browser, website: Website
) -> None:
    _, subscription_id = await website.subscribe(browser)
    until = datetime.now(UTC) + timedelta(seconds=8)
    passing, lasting = f"Passing at {website.site.origin}", f"Lasting at {website.site.origin}"
    body = {"notification": {"title": passing}, "audience": {"subscriptions": [subscription_id]}}
    await website.gateway.post(f"{website.path}/messages", {**body, "valid_until": until.isoformat()})
    shown = await browser.notifications.wait_for(passing)
    await eventually(lambda: datetime.now(UTC) > until)
    assert shown.id not in browser.notifications.closed
    await website.send_to(subscription_id, title=lasting)
    remains = await browser.notifications.wait_for(lasting)
    await eventually(lambda: shown.id in browser.notifications.closed)
    assert remains.id not in browser.notifications.closed


async def test_reports_refused_for_a_while_are_counted_in_the_end(
    browser: Browser, website: Website, door: Door
) -> None:
    page, subscription_id = await website.subscribe(browser)
    title = f"Outage at {website.site.origin}"
    async with door.shut():
        refused = door.refused
        message_id = await website.send_to(subscription_id, title=title)
        # A click reports at once what waits, its own and the display.
        browser.notifications.click(await browser.notifications.wait_for(title))
        await eventually(lambda: door.refused > refused)
        assert await website.results_are(message_id, displayed=0, clicked=0)
    await website.revisit(page)
    await eventually(lambda: website.results_are(message_id, displayed=1, clicked=1), within=20)


async def test_a_browser_that_was_closed_shows_neither_what_a_topic_replaced_nor_what_was_withdrawn(
    browser: Browser, website: Website
) -> None:
    _, subscription_id = await website.subscribe(browser)
    older, newer, wrong, fallback = (
        f"{what} at {website.site.origin}" for what in ("Older", "Newer", "Wrong", "Instead")
    )
    async with browser.closed():
        message_id = await website.send_withdrawable(subscription_id, wrong, fallback)
        await eventually(partial(website.progress_is, message_id, accepted=1))
        await website.withdraw(message_id)
        until = datetime.now(UTC) + timedelta(seconds=1.5)  # a push in its place has a TTL of one
        for title in (older, newer):
            message_id = await website.send_to(subscription_id, {"topic": "sale"}, title=title)
            await eventually(partial(website.progress_is, message_id, accepted=1))
        await eventually(lambda: datetime.now(UTC) > until)
    await browser.notifications.wait_for(newer)
    assert not {older, wrong, fallback}.intersection(shown.title for shown in browser.notifications.shown)


async def test_what_is_withdrawn_from_the_screen_gives_way_to_its_fallback(
    browser: Browser, website: Website, door: Door
) -> None:
    _, subscription_id = await website.subscribe(browser)
    wrong, fallback = f"Wrong at {website.site.origin}", f"Instead at {website.site.origin}"
    async with door.shut():  # so that nobody knows that it is shown
        message_id = await website.send_withdrawable(subscription_id, wrong, fallback)
        shown = await browser.notifications.wait_for(wrong)
        withdrawal_id = await website.withdraw(message_id)
        if browser.name == "firefox":  # Mozilla keeps it no longer, and says nothing to the browser
            return
        instead = await browser.notifications.wait_for(fallback)
    assert shown.id == instead.id or shown.id in browser.notifications.closed
    browser.notifications.click(instead)
    await eventually(lambda: website.results_are(withdrawal_id, displayed=1, clicked=1), within=20)


async def test_unsubscribing_on_the_page_ends_the_subscription_at_the_gateway(
    browser: Browser, website: Website
) -> None:
    page, subscription_id = await website.subscribe(browser)
    await page.evaluate("pushGateway.unsubscribe()")
    await eventually(lambda: state_is(page, "unsubscribed"))
    assert (await website.subscription(subscription_id))["state"] == "unsubscribed"
    await website.revisit(page)
    assert await page.evaluate("pushGateway.state()") == "unsubscribed"


async def test_a_subscription_that_the_browser_dropped_is_marked_gone_by_the_next_message(
    browser: Browser, website: Website
) -> None:
    page, subscription_id = await website.subscribe(browser)
    await website.gateway.let_a_day_pass()  # the first 410 of one who has just subscribed is looked at twice
    await page.evaluate(
        "navigator.serviceWorker.getRegistrations()"
        ".then(([only]) => only.pushManager.getSubscription()).then((found) => found.unsubscribe())"
    )
    message_id = await website.send_to(subscription_id, title="to nobody")
    await eventually(lambda: website.progress_is(message_id, gone=1, remaining=0, retrying=0))
    assert (await website.subscription(subscription_id))["state"] == "gone"


async def test_a_visitor_who_says_no_is_denied_and_asked_no_more(browser: Browser, website: Website) -> None:
    await browser.set_permission(website.site.origin, "denied")
    page = await website.visit(browser)
    await page.click("#subscribe")
    assert await page.evaluate("pushGateway.subscribe()", user_activation=True) == "denied"
    assert await page.evaluate("pushGateway.state()") == "denied"
    assert (await website.gateway.get(f"{website.path}/subscriptions"))["items"] == []


async def test_a_browser_without_push_is_told_unsupported(browser: Browser, website: Website) -> None:
    website.serve_page("<script>delete window.PushManager;</script>")
    page = await website.visit(browser)
    assert await page.evaluate("pushGateway.state()") == "unsupported"
    assert await page.evaluate("pushGateway.subscribe()", user_activation=True) == "unsupported"
    assert page.errors == []
