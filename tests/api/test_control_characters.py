"""PostgreSQL cannot store NUL in a text. Wherever somebody may write one the answer says so: never a 500."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from storage.ids import Kind, encode_id
from tests.api.conftest import CONTACT, Api
from tests.api.page import Page, push_subscription

NUL = "a\u0000b"
FIELDS = {
    "tags": ["vip"],
    "attributes": {"plan": "gold"},
    "external_id": "u1",
    "language": "de",
    "timezone": "Europe/Berlin",
}
SITE = {"name": "Shop", "origins": ["https://shop.example"], "contact": CONTACT, "identity": "signed"}
MESSAGE = {
    "notification": {"title": "Sale", "url": "https://example.com/", "icon": "https://example.com/i.png"},
    "options": {"urgency": "normal", "topic": "sale"},
    "audience": {"recipients": [{"external_id": "u1"}]},
    "priority": "bulk",
    "send_at": "2026-12-01T09:00:00Z",
}


def poisoned(value: Any) -> Iterator[Any]:
    """The same value with NUL in one of its strings, for each of them in turn; names of fields too."""
    if isinstance(value, str):
        yield NUL
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], each, *value[index + 1 :]] for each in poisoned(item))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from ({**value, name: each} for each in poisoned(item))
            yield {**{key: kept for key, kept in value.items() if key != name}, NUL: item}


def test_every_string_is_poisoned_once() -> None:
    assert list(poisoned({"a": ["x", {"b": "y"}]})) == [
        {"a": [NUL, {"b": "y"}]},
        {"a": ["x", {"b": NUL}]},
        {"a": ["x", {NUL: "y"}]},
        {NUL: ["x", {"b": "y"}]},
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/sites", SITE),
        ("PATCH", "/v1/sites/{site}", SITE),
        ("POST", "/v1/sites/{site}/tokens", {"name": "ci", "scopes": ["read"]}),
        ("POST", "/v1/sites/{site}/keys", {"private_key": "x"}),
        ("POST", "/v1/sites/{site}/messages", MESSAGE),
        ("POST", "/v1/sites/{site}/messages", {**MESSAGE, "audience": {"external_ids": ["u1"]}}),
        ("POST", "/v1/sites/{site}/messages", {**MESSAGE, "audience": {"subscriptions": ["sub_x"]}}),
        ("PATCH", "/v1/sites/{site}/messages/{message}", MESSAGE),
        ("PATCH", "/v1/sites/{site}/subscriptions/{subscription}", FIELDS),
        ("POST", "/v1/providers/fcm/resume", {"gone": "keep"}),
    ],
)
async def test_an_admin_who_writes_nul_is_told_so(
    api: Api, site: str, method: str, path: str, body: dict[str, Any]
) -> None:
    message = (await api.new_message(site, send_at="2026-12-01T09:00:00Z"))["id"]
    subscription = (await Page(api.with_token(None), site).subscribe())["id"]
    path = path.format(site=site, message=message, subscription=subscription)
    for each in poisoned(body):
        if each.get("notification", {}).get("title") == NUL:  # free text
            continue
        problem = await (await api.call(method, path, 400, json=each)).json(content_type=None)
        assert problem["code"] == "invalid_request"


async def test_nul_in_a_notifications_text_is_kept(api: Api, site: str) -> None:
    """It is stored as JSON, where NUL is an escape like any other."""
    actions = [{"action": NUL, "title": NUL}]
    notification = {"title": NUL, "body": NUL, "tag": NUL, "actions": actions, "data": {NUL: NUL}}
    made = await api.new_message(site, notification=notification)
    shown = await api.get(f"/v1/sites/{site}/messages/{made['id']}")
    assert shown["notification"] == notification


@pytest.mark.parametrize(
    "query", ["subscriptions?external_id=", "subscriptions?tag=", "subscriptions?state=", "messages?cursor="]
)
async def test_nul_in_a_query_is_refused(api: Api, site: str, query: str) -> None:
    await api.get(f"/v1/sites/{site}/{query}{quote(NUL)}", 400)


async def test_nul_in_a_path_is_not_found(api: Api, site: str) -> None:
    await api.get(f"/v1/sites/{site[:-1]}%00", 404)
    await api.call("PUT", "/v1/providers/fcm%00/rate", 404, json={"rate": 1})


async def test_a_page_that_writes_nul_is_told_so(api: Api, site: str) -> None:
    page = Page(api.with_token(None), site)
    enrolment = {"subscription": push_subscription(), **FIELDS, "application_server_key": "x"}
    enrolment["replaces"] = {"id": encode_id(Kind.SUBSCRIPTION, 1), "token": "x"}
    own = await page.subscribe()
    for each in poisoned(enrolment):
        if NUL not in each and NUL not in each["subscription"]:  # fields that browsers add are left alone
            await page.call("POST", page.subscriptions, 400, each)
    for each in poisoned(FIELDS):
        if NUL not in each:
            await page.call("PATCH", f"{page.subscriptions}/{own['id']}", 400, each, own["token"])
    await page.call("POST", f"/v1/public/{site}/track", 400, {"name": NUL}, own["token"])
    data = {"name": "bought", "data": {NUL: NUL}}
    await page.call("POST", f"/v1/public/{site}/track", 204, data, own["token"])


async def test_lines_with_nul_are_reported_and_the_others_are_kept(api: Api, site: str) -> None:
    line = {**push_subscription(), **FIELDS}
    del line["expirationTime"]
    lines = [*poisoned(line), line]
    response = await api.call(
        "POST",
        f"/v1/sites/{site}/subscriptions/import",
        200,
        data="\n".join(json.dumps(each) for each in lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (await response.json())["added"] == 1


async def test_an_event_with_nul_is_refused(api: Api, site: str) -> None:
    page = Page(api.with_token(None), site)
    await page.report({"token": NUL, "kind": NUL, "action": NUL}, 400)
