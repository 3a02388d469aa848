"""The database is away, slow or read-only: browsers are told when to come back, operators what to do."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError

from gateway.context import Context
from gateway.errors import Unavailable
from gateway.ingest import EventIngest
from gateway.site_cache import SiteCache
from gateway.tokens import EVENT_TOKENS, issue_event_token
from storage import rollups, subscriptions
from storage.database import Body, Database, T, Transaction
from storage.errors import StorageUnavailable
from storage.events import Event, EventKind
from storage.ids import Kind, decode_id
from storage.sqlite import SqliteDatabase
from storage.subscriptions import SubscriptionState
from tests.api.conftest import ADMIN_TOKEN, Api
from tests.api.page import Page, push_subscription
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase

Serve = Callable[[Context], Awaitable[Api]]


class FlakyReads(FlakyDatabase):
    """Also able to answer a number of reads, and no more."""

    fail_read_after: int | None = None

    async def read(self, body: Body[T]) -> T:
        if self.fail_read_after is not None:
            if not self.fail_read_after:
                raise StorageUnavailable("The database is switched off.")
            self.fail_read_after -= 1
        return await super().read(body)


@pytest.fixture
def flaky(database: Database) -> FlakyReads:
    return FlakyReads(database)


@pytest.fixture
async def page(context: Context, flaky: FlakyReads, serve: Serve) -> Page:
    api = await serve(replace(context, database=flaky))
    return Page(api.with_token(None), await api.new_site())


def event_of(context: Context, page: Page, subscription: str = "sub_0000000000001") -> dict[str, Any]:
    site_id = decode_id(Kind.SITE, page.site)
    key = context.master_key.derive(EVENT_TOKENS, site_id)
    id = decode_id(Kind.SUBSCRIPTION, subscription)
    return {"token": issue_event_token(key, site_id, 7, id, 0, context.clock.now()), "kind": "displayed"}


async def test_without_a_database_every_public_route_says_when_to_come_back(
    context: Context, page: Page, flaky: FlakyReads, caplog: pytest.LogCaptureFixture
) -> None:
    made = await page.subscribe()
    await page.report(event_of(context, page))
    flaky.down = True
    path = f"{page.subscriptions}/{made['id']}"
    answers = [
        await page.call("GET", f"/v1/public/{page.site}", 503),
        await page.call("POST", page.subscriptions, 503, {"subscription": push_subscription()}),
        await page.call("PATCH", path, 503, {"add_tags": ["x"]}, made["token"]),
        await page.call("DELETE", path, 503, token=made["token"]),
        await page.call("POST", f"/v1/public/{page.site}/track", 503, {"name": "x"}, made["token"]),
        await page.report(event_of(context, page), 503),
    ]
    for answer in answers:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", page.origin)
        assert (await answer.json(content_type=None))["code"] == "unavailable"
    told = [each.getMessage() + str(vars(each)) for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(told) >= len(answers)
    assert all("The database is switched off." in each for each in told)


async def test_scripts_of_known_sites_need_no_database(page: Page, flaky: FlakyReads) -> None:
    await page.call("GET", f"/sdk/{page.site}.js", 200)
    flaky.down = True
    await page.call("GET", f"/sdk/{page.site}.js", 200)
    await page.call("GET", "/sdk/sw.js", 200)


async def test_an_event_that_was_refused_counts_when_it_is_sent_again(
    context: Context, page: Page, flaky: FlakyReads, database: Database
) -> None:
    event = event_of(context, page)
    flaky.down = True
    await page.report(event, 503)
    flaky.down = False
    await page.report(event)
    flaky.lose_commits = True
    other = event_of(context, page, "sub_0000000000002")
    await page.report(other, 503)
    flaky.lose_commits = False
    await page.report(other)

    async def body(tx: Transaction) -> int:
        found = await rollups.of_message(tx, decode_id(Kind.SITE, page.site), 7)
        return sum(each.n for each in found)

    assert await database.read(body) == 2


async def test_a_read_only_database_stores_nothing_and_tells_the_operator(
    api: Api, site: str, database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    page = Page(api.with_token(None), site)
    writer = database._writer._connection
    await writer.execute("pragma query_only = on")
    answer = await page.call("POST", page.subscriptions, 503, {"subscription": push_subscription()})
    assert answer.headers["Retry-After"]
    assert (await api.get(f"/v1/sites/{site}/subscriptions"))["items"] == []
    assert any("check the owner and mode of the file" in str(vars(each)) for each in caplog.records)
    await writer.execute("pragma query_only = off")
    await page.subscribe()


async def test_an_import_that_breaks_off_keeps_what_it_stored(
    page: Page, flaky: FlakyReads, database: Database
) -> None:
    admin = page.api.with_token(ADMIN_TOKEN)
    path = f"/v1/sites/{page.site}/subscriptions"

    def lines(number: int) -> bytes:
        return b"".join(json.dumps(push_subscription()).encode() + b"\n" for _ in range(number))

    async def stored() -> int:
        site_id = decode_id(Kind.SITE, page.site)

        async def body(tx: Transaction) -> int:
            return (await subscriptions.count_by_state(tx, site_id)).get(SubscriptionState.ACTIVE, 0)

        return await database.read(body)

    async def all_stored() -> bool:
        return await stored() == 1_000

    async def chunks() -> AsyncIterator[bytes]:
        yield lines(1_000)
        await eventually(all_stored)
        flaky.down = True
        yield lines(1)

    headers = {"Content-Type": "application/x-ndjson"}
    answer = await admin.call("POST", f"{path}/import", 503, data=chunks(), headers=headers)
    assert answer.headers["Retry-After"]
    assert await stored() == 1_000


async def test_an_export_that_breaks_off_does_not_look_complete(page: Page, flaky: FlakyReads) -> None:
    admin = page.api.with_token(ADMIN_TOKEN)
    path = f"/v1/sites/{page.site}/subscriptions"
    body = b"".join(json.dumps(push_subscription()).encode() + b"\n" for _ in range(1_500))
    headers = {"Content-Type": "application/x-ndjson"}
    await admin.call("POST", f"{path}/import", 200, data=body, headers=headers)
    flaky.fail_read_after = 2
    with pytest.raises((ClientPayloadError, ServerDisconnectedError)):
        await admin.call("GET", f"{path}/export", 200)


async def test_too_many_waiting_events_are_refused_and_the_rest_is_written_at_the_end(
    context: Context, database: Database
) -> None:
    sites = SiteCache(database, context.clock)
    ingest = EventIngest(database, sites, context.master_key, context.clock, capacity=3)
    event = Event(1, 7, 1, 0, EventKind.DISPLAYED, None, 0)
    first = asyncio.create_task(ingest.record([event, event._replace(subscription_id=2)]))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await ingest.record([event, event])
    assert refused.value.retry_after > 0
    ingest.close()
    with pytest.raises(Unavailable):
        await ingest.record([event])
    await ingest.run()
    await first

    async def body(tx: Transaction) -> int:
        return sum(each.n for each in await rollups.of_message(tx, 1, 7))

    assert await database.read(body) == 2


async def test_nobody_waits_for_an_ingest_that_was_stopped(context: Context, database: Database) -> None:
    sites = SiteCache(database, context.clock)
    ingest = EventIngest(database, sites, context.master_key, context.clock)
    running = asyncio.create_task(ingest.run())
    waiting = asyncio.create_task(ingest.record([Event(1, 7, 1, 0, EventKind.DISPLAYED, None, 0)]))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(Unavailable):
        await waiting
