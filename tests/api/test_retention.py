"""What the API says when nobody knows any more what became of each recipient."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.context import Context
from gateway.ingest import MAX_TOKEN_AGE
from gateway.retention import DAY, MARGIN
from gateway.scheduler.housekeeper import Housekeeper
from gateway.tokens import HOUR
from storage import messages
from storage.deliveries import Outcome
from storage.messages import MessageState
from tests.api.conftest import Api
from tests.api.page import Page
from tests.api.test_stats import Sent, send
from tests.fakes.clock import FakeClock

OLD = 90 * DAY + MARGIN + 1


@pytest.fixture
def page(api: Api, site: str) -> Page:
    return Page(api.with_token(None), site)


async def end(sent: Sent) -> None:
    now = sent.context.clock.now()
    going_on = {MessageState.SENDING}
    await sent.context.database.write(
        lambda tx: messages.transition(tx, sent.message_id, going_on, MessageState.SENT, None, now)
    )


@pytest.fixture
async def failed(api: Api, context: Context, page: Page) -> Sent:
    """A message that has ended and did not reach one of three."""
    sent = await send(api, context, page, withdrawable=True)
    await sent.ends(0)
    await sent.ends(1, Outcome.REJECTED, code=400)
    await sent.ends(2)
    await end(sent)
    return sent


async def test_a_list_of_failures_that_was_removed_is_not_an_empty_one(
    api: Api, context: Context, clock: FakeClock, failed: Sent
) -> None:
    path = f"/v1/sites/{failed.page.site}/messages/{failed.id}"
    before = await api.get(f"{path}/stats")
    assert len((await api.get(f"{path}/failures"))["items"]) == 1
    clock.advance(OLD / 1_000)
    await Housekeeper(context).step()

    problem = await api.get(f"{path}/failures", 410)
    assert problem["code"] == "rows_removed"
    assert "90 days after its end (GATEWAY_KEEP_DELIVERIES)" in problem["detail"]
    await api.get(f"{path}/failures/export", 410)
    assert (await api.post(f"{path}/replay", status=410))["code"] == "rows_removed"
    assert (await api.post(f"{path}/withdraw", status=410))["code"] == "rows_removed"

    shown = await api.get(path)
    assert (shown["progress"]["accepted"], shown["progress"]["failed"]) == (2, 1)
    assert shown["progress"]["audience"] == 3
    assert await api.get(f"{path}/stats") == before
    history = f"/v1/sites/{failed.page.site}/subscriptions/{failed.browsers[0]['id']}/history"
    assert [each["kind"] for each in (await api.get(history))["items"]] == ["subscribed"]


async def test_an_event_counts_once_also_after_the_first_one_was_removed(
    api: Api, context: Context, clock: FakeClock, page: Page, serve: Callable[[Context], Awaitable[Api]]
) -> None:
    kept = dataclasses.replace(context, settings=dataclasses.replace(context.settings, keep_events=10))
    short = Page((await serve(kept)).with_token(None), page.site)
    sent = await send(api, kept, short)
    await end(sent)
    event: dict[str, Any] = {"token": sent.token(0), "kind": "displayed"}
    await short.report(event)
    clock.advance((10 * DAY - HOUR) / 1_000)
    for status in (204, 204, 400, 400, 400):  # up to ten days, and some hours more
        await Housekeeper(kept).step()
        await short.report(event, status)
        clock.advance(HOUR / 1_000)
    stats = await api.get(f"/v1/sites/{page.site}/messages/{sent.id}/stats")
    assert stats["funnel"]["displayed"] == 1


async def test_an_event_whose_row_was_removed_does_not_count_again_when_rows_are_kept_for_longer(
    api: Api, context: Context, clock: FakeClock, page: Page, serve: Callable[[Context], Awaitable[Api]]
) -> None:
    briefly = dataclasses.replace(context, settings=dataclasses.replace(context.settings, keep_events=10))
    sent = await send(api, context, page)
    await end(sent)
    event = {"token": sent.token(0), "kind": "displayed"}
    await page.report(event)
    clock.advance((10 * DAY + 2 * MARGIN) / 1_000)
    await Housekeeper(briefly).step()

    later = Page((await serve(context)).with_token(None), page.site)  # started anew, with 90 days
    await later.report(event, 400)
    stats = await api.get(f"/v1/sites/{page.site}/messages/{sent.id}/stats")
    assert stats["funnel"]["displayed"] == 1


async def test_events_of_older_pushes_do_not_count_however_long_rows_are_kept(
    api: Api, context: Context, clock: FakeClock, page: Page, serve: Callable[[Context], Awaitable[Api]]
) -> None:
    for_ever = dataclasses.replace(context, settings=dataclasses.replace(context.settings, keep_events=0))
    visitor = Page((await serve(for_ever)).with_token(None), page.site)
    sent = await send(api, for_ever, visitor)
    event = {"token": sent.token(0), "kind": "displayed"}
    clock.advance((MAX_TOKEN_AGE + 1) / 1_000)
    answer = await visitor.report(event, 400)
    assert (await answer.json())["errors"] == [{"path": "[0].token", "message": "The token is too old."}]
