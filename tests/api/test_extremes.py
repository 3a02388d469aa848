"""Values at the edge of what the types allow: whatever is taken can be shown again, and read by a sender."""

from typing import Any

import pytest

from gateway.nesting import MAX_NESTING
from tests.api.conftest import NEW_MESSAGE, Api
from tests.api.page import Page, push_subscription

# In UTC these are in the years 10000 and 0: Python has no dates for them.
TOO_LATE = "9999-12-31T23:59:59-12:00"
TOO_EARLY = "0001-01-01T00:00:00+12:00"


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize("moment", [TOO_LATE, TOO_EARLY])
@pytest.mark.parametrize("field", ["send_at", "expires_at"])
async def test_a_message_outside_the_calendar_is_refused(
    api: Api, site: str, field: str, moment: str
) -> None:
    body = {**NEW_MESSAGE, field: moment}
    problem = await api.post(f"/v1/sites/{site}/messages", body, 400)
    assert [error["path"] for error in problem["errors"]] == [field]
    message = await api.new_message(site)
    problem = await api.patch(f"/v1/sites/{site}/messages/{message['id']}", {field: moment}, 400)
    assert [error["path"] for error in problem["errors"]] == [field]


async def test_the_last_second_of_the_calendar_is_shown_as_it_was_given(api: Api, site: str) -> None:
    await api.new_message(site, send_at="9999-12-31T23:59:59Z")
    (message,) = (await api.get(f"/v1/sites/{site}/messages"))["items"]
    assert message["send_at"] == "9999-12-31T23:59:59Z"


async def test_a_token_outside_the_calendar_is_refused(api: Api, site: str) -> None:
    body = {"name": "for ever", "scopes": ["read"], "expires_at": TOO_LATE}
    problem = await api.post(f"/v1/sites/{site}/tokens", body, 400)
    assert [error["path"] for error in problem["errors"]] == ["expires_at"]


async def test_a_subscription_that_ends_after_all_calendars_never_ends(api: Api, site: str) -> None:
    page = Page(api.with_token(None), site)
    await page.subscribe(push_subscription() | {"expirationTime": 2**53})
    (shown,) = (await api.get(f"/v1/sites/{site}/subscriptions"))["items"]
    assert shown["expires_at"] is None


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 500, 980, 981, 982, 983, 984, 5_000])
async def test_data_that_is_nested_too_deeply_is_refused(api: Api, site: str, levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    bodies = (
        f'{{"notification": {{"title": "x", "data": {deep}}}, "audience": {{"all": true}}}}',
        f'{{"notification": {{"title": "x"}}, '
        f'"audience": {{"recipients": [{{"external_id": "a", "data": {deep}}}]}}}}',
    )
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        await api.post(f"/v1/sites/{site}/messages", status=400, data=body, headers=headers)
    page = Page(api.with_token(None), site)
    own = await page.subscribe()
    event = f'{{"name": "x", "data": {deep}}}'
    refused = 413 if len(event) > 8_192 else 400
    await page.call("POST", f"/v1/public/{site}/track", refused, event, token=own["token"])


async def test_data_may_be_nested_up_to_the_limit(api: Api, site: str) -> None:
    data = nested(MAX_NESTING)
    made = await api.new_message(site, notification={"title": "x", "data": data})
    shown = await api.get(f"/v1/sites/{site}/messages/{made['id']}")
    assert shown["notification"]["data"] == data
