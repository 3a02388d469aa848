"""Automations over HTTP: made, shown, changed, and what brings visitors in and out."""

import asyncio
from json import dumps
from typing import Any

import pytest

from gateway import site_events
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.walker import Walker
from storage.database import Database
from storage.queries import Query
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.clock import FakeClock

WELCOME: dict[str, Any] = {
    "name": "Welcome",
    "trigger": {"on": "subscribe"},
    "steps": [
        {"after": 60, "notification": {"title": "Welcome"}},
        {"after": 86_400, "notification": {"title": "Did you see"}, "options": {"ttl": 3_600}},
    ],
}
CART: dict[str, Any] = {
    "name": "Cart",
    "trigger": {"on": "event", "event": "cart"},
    "cancel_on": ["purchase"],
    "steps": [{"after": 3_600, "notification": {"title": "Still there"}}],
}


@pytest.fixture
def path(site: str) -> str:
    return f"/v1/sites/{site}/automations"


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def walk(context: Context) -> None:
    walker, finisher = Walker(context, Metrics()), Finisher(context, "scheduler", Metrics())
    while await walker.step():
        pass
    while await finisher.step():
        pass


async def audiences(api: Api, path: str, automation: dict[str, Any]) -> list[int]:
    shown = await api.get(f"{path}/{automation['id']}")
    return [step["message"]["progress"]["audience"] for step in shown["steps"]]


async def test_an_automation_shows_what_it_was_made_of(api: Api, path: str) -> None:
    made = await api.post(path, CART)
    shown = await api.get(f"{path}/{made['id']}")

    assert shown == made
    assert shown["id"].startswith("aut_")
    assert {name: shown[name] for name in ("name", "trigger", "cancel_on", "state")} == {
        "name": "Cart",
        "trigger": {"on": "event", "event": "cart"},
        "cancel_on": ["purchase"],
        "state": "active",
    }
    assert (shown["once_per_visitor"], shown["waiting"]) == (False, 0)
    [step] = shown["steps"]
    message = step["message"]
    assert (step["after"], message["state"], message["automation"]) == (3_600, "open", made["id"])
    assert message["audience"] == {"automation": made["id"]}
    assert (message["priority"], message["replay_of"]) == ("bulk", None)
    assert message["progress"]["audience"] == message["progress"]["remaining"] == 0
    listed = await api.get(path)
    assert [each["id"] for each in listed["items"]] == [made["id"]]
    assert "steps" not in listed["items"][0]


async def test_every_change_is_in_the_audit_log(api: Api, path: str) -> None:
    made = await api.post(path, WELCOME)
    await api.patch(f"{path}/{made['id']}", {"name": "Hello", "state": "paused"})
    await api.delete(f"{path}/{made['id']}")

    log = await api.get("/v1/audit")
    mine = [(each["action"], each["detail"]) for each in log["items"] if each["target"] == made["id"]]
    assert mine == [
        ("automation.deleted", {}),
        ("automation.changed", {"fields": ["name", "state"]}),
        ("automation.created", {}),
    ]


async def test_a_new_visitor_gets_step_after_step(
    api: Api, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    await page.subscribe()
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 1

    await walk(context)
    assert await audiences(api, path, made) == [0, 0]
    clock.advance(60)
    await walk(context)
    assert await audiences(api, path, made) == [1, 0]
    clock.advance(86_399)
    await walk(context)
    assert await audiences(api, path, made) == [1, 0]
    clock.advance(1)
    await walk(context)
    assert await audiences(api, path, made) == [1, 1]
    shown = await api.get(f"{path}/{made['id']}")
    assert shown["waiting"] == 0
    assert [step["message"]["state"] for step in shown["steps"]] == ["sending", "sending"]


async def test_who_bought_is_not_reminded_of_the_cart(
    api: Api, site: str, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, CART)
    buyer, hesitant = await page.subscribe(), await page.subscribe()
    for each in (buyer, hesitant):
        await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, each["token"])
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 2

    await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "purchase"}, buyer["token"])
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 1
    clock.advance(3_600)
    await walk(context)
    assert await audiences(api, path, made) == [1]


async def test_what_a_visitor_did_on_one_device_holds_on_all_of_them(
    api: Api, path: str, clock: FakeClock
) -> None:
    site = await api.new_site(identity="unsigned")
    path = f"/v1/sites/{site}/automations"
    page = Page(api.with_token(None), site)
    made = await api.post(path, CART)
    laptop = await page.subscribe(external_id="ann")
    phone = await page.subscribe(external_id="ann")
    await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, laptop["token"])

    await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "purchase"}, phone["token"])
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 0


async def test_what_begins_anew_on_one_device_ends_on_the_others(
    api: Api, context: Context, clock: FakeClock
) -> None:
    site = await api.new_site(identity="unsigned")
    path = f"/v1/sites/{site}/automations"
    page = Page(api.with_token(None), site)
    made = await api.post(path, changed(cancel_on=["cart"]))
    for _ in range(2):
        await page.subscribe(external_id="ann")
    await api.post(f"/v1/sites/{site}/events", {"external_id": "ann", "name": "cart"}, 200)
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 2

    phone = await page.subscribe(external_id="ann")
    await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, phone["token"])
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 1


async def test_of_an_external_id_that_very_many_share_an_event_is_for_the_newest(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_events, "MOST_OF_VISITOR", 2)
    site = await api.new_site(identity="unsigned")
    path = f"/v1/sites/{site}/automations"
    page = Page(api.with_token(None), site)
    made = await api.post(path, CART)
    guests = [await page.subscribe(external_id="guest") for _ in range(4)]
    for guest in guests:
        await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, guest["token"])

    events = f"/v1/sites/{site}/events"
    assert await api.post(events, {"external_id": "guest", "name": "left"}, 200) == {"subscriptions": 2}
    await api.post(events, {"external_id": "guest", "name": "purchase"}, 200)
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 2
    # Whoever tells of it is among those who leave, also when they are not among the newest.
    await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "purchase"}, guests[0]["token"])
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 1


async def test_a_second_cart_months_later_is_reminded_of_too(
    api: Api, site: str, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, CART)
    ann, bob = [await page.subscribe() for _ in range(2)]
    for visitors in ((ann, bob), (ann,)):
        for visitor in visitors:
            await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, visitor["token"])
        clock.advance(3_600)
        await walk(context)
        clock.advance(90 * 86_400)

    [step] = (await api.get(f"{path}/{made['id']}"))["steps"]
    assert (step["rounds"], step["progress"]["audience"], step["results"]["displayed"]) == (2, 3, 0)
    assert step["message"]["progress"]["audience"] == 2
    again, first = (await api.get(f"/v1/sites/{site}/messages"))["items"]
    assert first["id"] == step["message"]["id"]
    assert (again["automation"], again["progress"]["audience"]) == (made["id"], 1)
    assert again["notification"] == first["notification"]
    shown = await api.get(f"/v1/sites/{site}/messages/{again['id']}")
    assert shown["audience"] == {"automation": made["id"], "round": 2}


async def test_an_automation_that_is_asked_for_twice_with_its_key_is_made_once(api: Api, path: str) -> None:
    headers = {"Idempotency-Key": "welcome-1"}
    first = await api.call("POST", path, 201, json=WELCOME, headers=headers)
    again = await api.call("POST", path, 201, json=WELCOME, headers=headers)
    assert (await again.json(), again.headers["Idempotency-Replayed"]) == (await first.json(), "true")
    assert "Idempotency-Replayed" not in first.headers
    assert len((await api.get(path))["items"]) == 1
    other = await api.call("POST", path, 409, json=CART, headers=headers)
    assert (await other.json(content_type=None))["code"] == "idempotency_key_reused"
    await api.call("POST", path, 400, json=CART, headers={"Idempotency-Key": "two words"})


async def test_of_requests_with_one_key_at_the_same_moment_one_makes_the_automation(
    api: Api, path: str
) -> None:
    headers = {"Idempotency-Key": "welcome-1"}
    answers = await asyncio.gather(
        *(api.call("POST", path, 201, json=WELCOME, headers=headers) for _ in range(4))
    )
    assert len({(await answer.json())["id"] for answer in answers}) == 1
    assert len((await api.get(path))["items"]) == 1


async def test_the_key_of_an_automation_that_was_deleted_makes_no_other(api: Api, path: str) -> None:
    headers = {"Idempotency-Key": "welcome-1"}
    made = await (await api.call("POST", path, 201, json=WELCOME, headers=headers)).json()
    await api.delete(f"{path}/{made['id']}")
    await api.call("POST", path, 404, json=WELCOME, headers=headers)


async def test_a_back_end_tells_of_events_by_external_id_and_by_subscription(api: Api) -> None:
    site = await api.new_site(identity="unsigned")
    page = Page(api.with_token(None), site)
    made = await api.post(f"/v1/sites/{site}/automations", CART)
    one, _ = [await page.subscribe(external_id="ann") for _ in range(2)]
    events = f"/v1/sites/{site}/events"

    assert await api.post(events, {"external_id": "ann", "name": "cart"}, 200) == {"subscriptions": 2}
    assert (await api.get(f"/v1/sites/{site}/automations/{made['id']}"))["waiting"] == 2
    body = {"subscription": one["id"], "name": "purchase", "data": {"total": 12.5}}
    assert await api.post(events, body, 200) == {"subscriptions": 1}
    assert (await api.get(f"/v1/sites/{site}/automations/{made['id']}"))["waiting"] == 1
    assert await api.post(events, {"external_id": "zoe", "name": "cart"}, 200) == {"subscriptions": 0}


async def test_an_event_that_is_repeated_with_its_key_is_stored_once(
    api: Api, site: str, page: Page, database: Database
) -> None:
    visitor = await page.subscribe()
    body = {"subscription": visitor["id"], "name": "cart"}
    path, headers = f"/v1/sites/{site}/events", {"Idempotency-Key": "order-1"}

    first = await api.call("POST", path, 200, json=body, headers=headers)
    again = await api.call("POST", path, 200, json=body, headers=headers)
    assert (await first.json(), "Idempotency-Replayed" in first.headers) == ({"subscriptions": 1}, False)
    assert (await again.json(), again.headers["Idempotency-Replayed"]) == ({"subscriptions": 1}, "true")
    other = await api.call("POST", path, 409, json={**body, "name": "purchase"}, headers=headers)
    assert (await other.json(content_type=None))["code"] == "idempotency_key_reused"
    text = "select name from custom_events"
    stored = await database.read(lambda tx: tx.fetch(Query("stored", text, text)))
    assert [tuple(row) for row in stored] == [("cart",)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "cart"}, "external_id"),
        ({"name": "cart", "external_id": "a", "subscription": "sub_0000000000001"}, "external_id"),
        ({"name": "cart", "subscription": "ann"}, "subscription"),
        ({"name": "", "external_id": "a"}, "name"),
        ({"name": "cart", "external_id": "a", "value": 1}, "value"),
    ],
)
async def test_an_event_of_nobody_is_refused(api: Api, site: str, body: dict[str, Any], field: str) -> None:
    problem = await api.post(f"/v1/sites/{site}/events", body, 400)
    assert [error["path"] for error in problem["errors"]] == [field]


async def test_an_event_of_a_subscription_that_is_not_there_is_not_found(api: Api, site: str) -> None:
    await api.post(f"/v1/sites/{site}/events", {"subscription": "sub_0000000000001", "name": "x"}, 404)


async def test_events_need_the_scope_send(api: Api, site: str) -> None:
    reader = api.with_token(await api.new_token(site, "read", "manage"))
    await reader.post(f"/v1/sites/{site}/events", {"external_id": "a", "name": "x"}, 403)


async def test_a_step_says_what_any_message_may_say(api: Api, site: str, path: str) -> None:
    template = await api.post(
        f"/v1/sites/{site}/templates",
        {"name": "Hello", "notification": {"title": "Hello {{ variables.who }}"}, "options": {"ttl": 60}},
    )
    rich = {
        "after": 0,
        "notification": {"title": "{{ attributes.first_name | default: 'You' }}, welcome"},
        "translations": {"de": {"title": "Willkommen"}},
        "fallback": {"title": "Welcome"},
        "utm": {"source": "push"},
        "quiet_hours": "override",
        "best_hour": {"within_hours": 24},
        "variants": {"options": [{"name": "A", "weight": 50}, {"name": "B", "weight": 50}], "holdout": 10},
        "dry_run": True,
        "rate": 5,
    }
    saved = {"after": 60, "template": template["id"], "variables": {"who": "Ann"}}
    made = await api.post(path, changed(steps=[rich, saved]))

    first, second = (step["message"] for step in made["steps"])
    for name in ("notification", "translations", "utm", "quiet_hours", "best_hour", "dry_run", "rate"):
        assert first[name] == rich[name]
    assert [option["name"] for option in first["variants"]["options"]] == ["A", "B"]
    assert (second["template"], second["options"]["ttl"]) == (template["id"], 60)
    assert second["notification"]["title"] == "Hello Ann"


async def test_what_is_not_named_stays_as_it_is(api: Api, path: str) -> None:
    made = await api.post(path, CART)
    first = await api.patch(f"{path}/{made['id']}", {"cancel_on": ["purchase", "left"]})
    welcome = {"trigger": {"on": "subscribe"}, "once_per_visitor": True}
    second = await api.patch(f"{path}/{made['id']}", welcome)
    assert first == {**made, "cancel_on": ["purchase", "left"], "changed_at": first["changed_at"]}
    assert second == {**first, **welcome}


def changed(**changes: Any) -> dict[str, Any]:
    return {**CART, **changes}


def with_step(**changes: Any) -> dict[str, Any]:
    return changed(steps=[{"after": 0, "notification": {"title": "Hello"}, **changes}])


MANIFOLD: dict[str, Any] = {  # a hundred notifications
    "after": 60,
    "notification": {"title": "Hello"},
    "translations": {f"a{letter}": {} for letter in "abcdefghi"},
    "variants": {"options": [{"name": str(number), "weight": 10} for number in range(10)]},
}


async def test_steps_may_have_many_languages_and_variants(api: Api, path: str) -> None:
    made = await api.post(path, changed(steps=[MANIFOLD] * 4))
    assert len(made["steps"]) == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (changed(steps=[MANIFOLD] * 5), "steps"),
        (changed(trigger={"on": "event"}), "trigger.event"),
        (changed(trigger={"on": "subscribe", "event": "x"}), "trigger.event"),
        (changed(trigger={"on": "purchase"}), "trigger.on"),
        (changed(steps=[]), "steps"),
        (changed(steps=[CART["steps"][0]] * 21), "steps"),
        (changed(cancel_on=[""]), "cancel_on[0]"),
        (changed(state="deleted"), "state"),
        (with_step(after=-1), "steps[0].after"),
        (with_step(audience={"all": True}), "steps[0].audience"),
        (with_step(send_at="2026-12-01T09:00:00Z"), "steps[0].send_at"),
        (with_step(expires_at="2026-12-01T09:00:00Z"), "steps[0].expires_at"),
        (with_step(valid_until="2026-12-01T09:00:00Z"), "steps[0].valid_until"),
        (with_step(draft=True), "steps[0].draft"),
        (with_step(local_time={"at": "2026-12-01T09:00"}), "steps[0].local_time"),
        (with_step(recurrence={"cron": "0 9 * * 1", "timezone": "UTC"}), "steps[0].recurrence"),
        (with_step(options={"topic": "abcde"}), "steps[0].options.topic"),
        (with_step(rollout={"first": 10}), "steps[0].rollout"),
        (with_step(auto_pause={"failure_rate": 0.2, "least": 200}), "steps[0].auto_pause"),
        (with_step(template="tpl_0000000000001"), "steps[0].template"),
        (with_step(notification={"title": "{% if %}"}), "steps[0].notification.title"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(
    api: Api, path: str, body: dict[str, Any], field: str
) -> None:
    problem = await api.post(path, body, 400)
    assert field in [error["path"] for error in problem["errors"]], problem


async def test_a_step_that_is_too_large_says_which(api: Api, path: str) -> None:
    body = changed(
        steps=[CART["steps"][0], {"after": 1, "notification": {"title": "x", "data": {"x": "y" * 4_000}}}]
    )
    problem = await api.post(path, body, 413)
    assert problem["detail"].startswith("steps[1]: ")


async def test_a_step_is_not_paused_changed_or_cancelled_on_its_own(api: Api, site: str, path: str) -> None:
    made = await api.post(path, WELCOME)
    message = f"/v1/sites/{site}/messages/{made['steps'][0]['message']['id']}"
    for verb in ("pause", "cancel", "resume"):
        problem = await api.post(f"{message}/{verb}", status=409)
        assert problem["code"] == "wrong_state"
    await api.patch(message, {"notification": {"title": "Other"}}, 409)


async def test_while_it_is_paused_nobody_comes_in_and_who_is_in_it_waits(
    api: Api, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    await page.subscribe()
    paused = await api.patch(f"{path}/{made['id']}", {"state": "paused"})
    assert paused["state"] == "paused"
    await page.subscribe()
    clock.advance(1_000)
    await walk(context)
    assert await audiences(api, path, made) == [0, 0]

    await api.patch(f"{path}/{made['id']}", {"state": "active"})
    await walk(context)
    assert await audiences(api, path, made) == [1, 0]
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 1


async def test_pausing_stops_what_a_step_has_not_sent_yet(
    api: Api, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    await page.subscribe()
    clock.advance(60)
    await walk(context)

    paused = await api.patch(f"{path}/{made['id']}", {"state": "paused"})
    assert [step["message"]["state"] for step in paused["steps"]] == ["paused", "open"]
    assert paused["steps"][0]["message"]["state_reason"] == "its automation is paused"
    await walk(context)
    resumed = await api.patch(f"{path}/{made['id']}", {"state": "active"})
    assert [step["message"]["state"] for step in resumed["steps"]] == ["sending", "open"]


async def test_a_step_that_says_the_same_keeps_its_message(api: Api, path: str) -> None:
    made = await api.post(path, WELCOME)
    first, second = made["steps"]
    steps = [
        {"after": 120, "notification": {"title": "Welcome"}},
        {"after": 60, "notification": {"title": "New text"}},
        {"after": 60, "notification": {"title": "Third"}},
    ]
    changed = await api.patch(f"{path}/{made['id']}", {"steps": steps})

    assert [step["after"] for step in changed["steps"]] == [120, 60, 60]
    assert changed["steps"][0]["message"] == first["message"]
    assert changed["steps"][1]["message"]["id"] != second["message"]["id"]
    site = path.split("/")[3]
    old = await api.get(f"/v1/sites/{site}/messages/{second['message']['id']}")
    assert old["state"] == "sent"


async def test_who_waits_for_a_step_that_is_no_more_leaves(
    api: Api, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    await page.subscribe()
    clock.advance(60)
    await walk(context)
    await api.patch(f"{path}/{made['id']}", {"steps": WELCOME["steps"][:1]})
    clock.advance(86_400)
    await walk(context)
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 0
    assert await audiences(api, path, made) == [1]


async def test_a_deleted_automation_sends_nothing_more_and_its_messages_stay(
    api: Api, site: str, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    await page.subscribe()
    await api.delete(f"{path}/{made['id']}")
    await api.get(f"{path}/{made['id']}", 404)
    await api.delete(f"{path}/{made['id']}", 404)
    assert (await api.get(path))["items"] == []
    clock.advance(1_000)
    await walk(context)

    for step in made["steps"]:
        message = await api.get(f"/v1/sites/{site}/messages/{step['message']['id']}")
        assert (message["state"], message["progress"]["audience"]) == ("sent", 0)


async def test_who_unsubscribes_or_is_erased_leaves_every_automation(
    api: Api, site: str, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, WELCOME)
    leaving, erased = await page.subscribe(), await page.subscribe()
    await page.call("DELETE", f"{page.subscriptions}/{leaving['id']}", 204, token=leaving["token"])
    await api.delete(f"/v1/sites/{site}/subscriptions/{erased['id']}")

    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 0


async def test_who_comes_back_is_welcomed_again_unless_told_otherwise(
    api: Api, path: str, page: Page
) -> None:
    once = await api.post(path, {**WELCOME, "once_per_visitor": True})
    often = await api.post(path, WELCOME)
    browser = push_subscription()
    first = await page.subscribe(browser)
    await page.call("DELETE", f"{page.subscriptions}/{first['id']}", 204, token=first["token"])

    await page.subscribe(browser, 200)
    assert (await api.get(f"{path}/{once['id']}"))["waiting"] == 0
    assert (await api.get(f"{path}/{often['id']}"))["waiting"] == 1
    await page.subscribe(browser, 200)  # a refresh is no return
    assert (await api.get(f"{path}/{often['id']}"))["waiting"] == 1


async def test_an_event_that_begins_and_cancels_makes_the_visitor_begin_anew(
    api: Api, site: str, path: str, page: Page, context: Context, clock: FakeClock
) -> None:
    made = await api.post(path, changed(cancel_on=["purchase", "cart"]))
    visitor = await page.subscribe()
    for _ in range(3):
        await page.call("POST", f"/v1/public/{site}/track", 204, {"name": "cart"}, visitor["token"])
        clock.advance(3_000)
        await walk(context)
    assert await audiences(api, path, made) == [0]
    clock.advance(600)
    await walk(context)
    assert await audiences(api, path, made) == [1]


async def test_imported_subscriptions_enter_nothing(api: Api, site: str, path: str) -> None:
    made = await api.post(path, WELCOME)
    line = push_subscription()
    body = dumps({"endpoint": line["endpoint"], "keys": line["keys"]}).encode()
    result = await api.post(
        f"/v1/sites/{site}/subscriptions/import",
        status=200,
        data=body,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert result["added"] == 1
    assert (await api.get(f"{path}/{made['id']}"))["waiting"] == 0


async def test_a_site_has_at_most_a_hundred_automations(api: Api, path: str) -> None:
    for number in range(100):
        await api.post(path, {**CART, "name": f"Cart {number}"})
    problem = await api.post(path, CART, 409)
    assert problem["code"] == "conflict"


async def test_automations_of_another_site_are_not_found(api: Api, path: str) -> None:
    made = await api.post(path, CART)
    other = await api.new_site()
    for method in ("get", "delete"):
        await getattr(api, method)(f"/v1/sites/{other}/automations/{made['id']}", 404)
    await api.patch(f"/v1/sites/{other}/automations/{made['id']}", {"name": "x"}, 404)
