"""What the gateway learns of a visitor by itself: from the request that subscribes, and from events."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.context import Context
from gateway.scheduler.learner import Learner
from gateway.settings import Settings
from gateway.tokens import EVENT_TOKENS, issue_event_token
from storage.ids import Kind, decode_id
from tests.api.conftest import NEW_MESSAGE, Api
from tests.api.page import Page, push_subscription
from tests.api.test_import_export import exported, imported, line, text_of
from tests.fakes.clock import FakeClock

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
LEARNT = ("country", "browser", "platform")


def a_page(api: Api, site: str, **headers: str) -> Page:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Page(api.with_token(None), site, sent=sent)


async def learnt(api: Api, site: str, id: str) -> list[Any]:
    found = await api.get(f"/v1/sites/{site}/subscriptions/{id}")
    return [found[name] for name in LEARNT]


async def test_who_subscribes_is_known_by_browser_and_platform_and_by_no_country(api: Api, site: str) -> None:
    made = await a_page(api, site, User_Agent=FIREFOX, CF_IPCountry="DE").subscribe()
    assert await learnt(api, site, made["id"]) == [None, "firefox", "linux"]


async def test_the_country_is_what_a_trusted_proxy_says(
    serve: Callable[[Context], Awaitable[Api]], context: Context, settings: Settings
) -> None:
    proxied = replace(settings, country_header="CF-IPCountry", trusted_proxies=(ip_network("127.0.0.0/8"),))
    api = await serve(replace(context, settings=proxied))
    site = await api.new_site()
    subscription = push_subscription()
    made = await a_page(api, site, User_Agent=IPHONE, CF_IPCountry="de").subscribe(subscription)
    assert await learnt(api, site, made["id"]) == ["DE", "safari", "ios"]
    # Back from a journey; then behind a proxy that does not know: what was known stays.
    await a_page(api, site, User_Agent=IPHONE, CF_IPCountry="FR").subscribe(subscription, 200)
    await a_page(api, site, User_Agent=IPHONE, CF_IPCountry="XX").subscribe(subscription, 200)
    assert await learnt(api, site, made["id"]) == ["FR", "safari", "ios"]


async def test_an_export_has_what_was_learnt_and_an_import_takes_it(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/subscriptions"
    said = {"country": "AT", "browser": "edge", "platform": "windows", "language": "de", "timezone": "UTC"}
    result = await imported(api, path, text_of([line(**said), line()]))
    assert (result["added"], result["refused"]) == (2, 0)
    lines = await exported(api, path)
    assert {name: lines[0].get(name) for name in said} == said
    assert not set(LEARNT) & set(lines[1])
    [first, _] = (await api.get(path))["items"]
    assert [first[name] for name in LEARNT] == ["AT", "edge", "windows"]
    assert (await imported(api, path, text_of(lines)))["known"] == 2


@pytest.mark.parametrize(
    "wrong", [{"country": "de"}, {"country": "DEU"}, {"browser": "lynx"}, {"platform": "amiga"}]
)
async def test_an_import_takes_only_what_the_gateway_could_have_learnt(
    api: Api, site: str, wrong: dict[str, str]
) -> None:
    result = await imported(api, f"/v1/sites/{site}/subscriptions", text_of([line(**wrong)]))
    assert (result["added"], result["refused"]) == (0, 1)
    [name] = wrong
    assert result["errors"][0]["path"] == name


async def test_what_browsers_report_says_when_a_message_was_last_displayed_and_clicked(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    page = a_page(api, site, User_Agent=FIREFOX)
    made = await page.subscribe(timezone="Europe/Berlin")
    site_id = decode_id(Kind.SITE, site)
    token = issue_event_token(
        context.master_key.derive(EVENT_TOKENS, site_id),
        site_id,
        message_id=7,
        subscription_id=decode_id(Kind.SUBSCRIPTION, made["id"]),
        variant=0,
        issued_at=clock.now(),
    )
    clock.advance(3_600)
    await page.report({"token": token, "kind": "displayed", "age": 60})
    await page.report({"token": token, "kind": "clicked"})
    assert await Learner(context).step() is False
    found = await api.get(f"/v1/sites/{site}/subscriptions/{made['id']}")
    assert (found["displayed_at"], found["clicked_at"]) == ("2026-01-01T00:59:00Z", "2026-01-01T01:00:00Z")


async def test_a_message_says_that_it_goes_out_at_the_best_hour(api: Api, site: str) -> None:
    message = await api.new_message(site, best_hour={"within_hours": 24})
    assert message["best_hour"] == {"within_hours": 24}
    path = f"/v1/sites/{site}/messages/{message['id']}"
    changed = await api.patch(path, {"best_hour": {"within_hours": 48}})
    assert changed["best_hour"] == {"within_hours": 48}
    assert (await api.patch(path, {"best_hour": None}))["best_hour"] is None


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({"best_hour": {"within_hours": 0}}, "best_hour.within_hours"),
        ({"best_hour": {"within_hours": 169}}, "best_hour.within_hours"),
        ({"best_hour": {"hours": 24}}, "best_hour.hours"),
        ({"best_hour": {"within_hours": 24}, "local_time": {"at": "2026-06-01T09:00"}}, "best_hour"),
        ({"best_hour": {"within_hours": 24}, "rollout": {"first": 10, "then": "manual"}}, "best_hour"),
        (
            {"best_hour": {"within_hours": 24}, "expires_at": "2026-01-01T23:00:00Z"},
            "best_hour.within_hours",
        ),
    ],
)
async def test_a_best_hour_that_makes_no_sense_is_a_clear_error(
    api: Api, site: str, rules: dict[str, Any], path: str
) -> None:
    problem = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **rules}, 400)
    assert path in [error["path"] for error in problem["errors"]], problem
