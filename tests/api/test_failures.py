import json
from typing import Any

import pytest

from gateway.context import Context
from storage.deliveries import Outcome
from tests.api.conftest import Api
from tests.api.failing import OUTCOMES, send

FAILED = [Outcome.UNAUTHORIZED, Outcome.GONE, Outcome.UNAUTHORIZED, Outcome.TOO_LARGE, Outcome.EXPIRED]


async def test_failures_say_whom_the_message_did_not_reach_and_why(
    api: Api, site: str, context: Context
) -> None:
    message, ids = await send(api, context, site)
    found = await api.get(f"/v1/sites/{site}/messages/{message}/failures")
    assert [each["outcome"] for each in found["items"]] == FAILED
    assert found["items"][0] == {
        "subscription": ids[1],
        "external_id": "visitor-1",
        "outcome": "unauthorized",
        "attempt": 1,
        "code": 403,
        "reason": "as it was",
        "at": "2026-01-01T00:00:00Z",
    }
    assert found["next"] is None


async def test_failures_are_paged(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, site)
    path = f"/v1/sites/{site}/messages/{message}/failures"
    paged: list[Any] = []
    cursor = ""
    for _ in range(3):
        page = await api.get(f"{path}?limit=2{cursor}")
        paged += page["items"]
        cursor = f"&cursor={page['next']}"
    assert page["next"] is None
    assert paged == (await api.get(path))["items"]


async def test_failures_of_one_outcome(api: Api, site: str, context: Context) -> None:
    message, ids = await send(api, context, site)
    path = f"/v1/sites/{site}/messages/{message}/failures"
    found = (await api.get(f"{path}?outcome=unauthorized"))["items"]
    assert [each["subscription"] for each in found] == [ids[1], ids[5]]
    assert (await api.get(f"{path}?outcome=rejected"))["items"] == []


@pytest.mark.parametrize(
    "query", ["outcome=accepted", "outcome=skipped", "outcome=x", "limit=0", "colour=red"]
)
async def test_a_wrong_query_is_refused(api: Api, site: str, query: str) -> None:
    message = (await api.new_message(site))["id"]
    await api.get(f"/v1/sites/{site}/messages/{message}/failures?{query}", 400)


async def test_all_failures_are_exported_as_lines(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, site, OUTCOMES * 210)  # more than two pages
    path = f"/v1/sites/{site}/messages/{message}/failures"
    reader = api.with_token(await api.new_token(site, "read"))
    response = await reader.call("GET", f"{path}/export", 200)
    assert response.content_type == "application/x-ndjson"
    text = await response.text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == len({each["subscription"] for each in lines}) == 210 * len(FAILED)
    assert lines[:50] == (await reader.get(path))["items"]
    assert "googleapis" not in text
    of_one = await (await reader.call("GET", f"{path}/export?outcome=gone", 200)).text()
    assert {json.loads(line)["outcome"] for line in of_one.splitlines()} == {"gone"}


async def test_all_failures_are_exported_as_a_table_in_which_no_id_is_a_formula(
    api: Api, site: str, context: Context
) -> None:
    message, ids = await send(api, context, site)
    await api.patch(f"/v1/sites/{site}/subscriptions/{ids[1]}", {"external_id": '=1+1,"'})
    path = f"/v1/sites/{site}/messages/{message}/failures/export"
    response = await api.call("GET", f"{path}?format=csv&outcome=unauthorized", 200)
    assert response.content_type == "text/csv"
    head, first, *rest = (await response.text()).split("\r\n")
    assert head == "subscription,external_id,outcome,attempt,code,reason,at"
    assert first == f'{ids[1]},"\'=1+1,""",unauthorized,1,403,as it was,2026-01-01T00:00:00Z'
    assert len(rest) == 2


async def test_a_message_without_failures_exports_nothing(api: Api, site: str) -> None:
    message = (await api.new_message(site))["id"]
    path = f"/v1/sites/{site}/messages/{message}/failures"
    assert await (await api.call("GET", f"{path}/export", 200)).text() == ""
    assert await api.get(path) == {"items": [], "next": None}


async def test_an_erased_visitor_has_no_name_in_the_list(api: Api, site: str, context: Context) -> None:
    message, ids = await send(api, context, site)
    await api.delete(f"/v1/sites/{site}/subscriptions/{ids[1]}")
    found = (await api.get(f"/v1/sites/{site}/messages/{message}/failures"))["items"]
    assert (found[0]["subscription"], found[0]["external_id"]) == (ids[1], None)


async def test_another_sites_failures_are_not_found(api: Api, site: str, context: Context) -> None:
    message, _ = await send(api, context, await api.new_site())
    await api.get(f"/v1/sites/{site}/messages/{message}/failures", 404)
    await api.get(f"/v1/sites/{site}/messages/{message}/failures/export", 404)
    sender = api.with_token(await api.new_token(site, "send", "manage"))
    await sender.get(f"/v1/sites/{site}/messages/{message}/failures", 403)
