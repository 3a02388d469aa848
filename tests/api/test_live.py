"""Server-sent events: what changes comes by itself, to as many as there is room for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request, StreamResponse

from gateway.access import ensure_admin_token
from gateway.api.admin.live import LIVE
from gateway.api.server import build_application
from gateway.context import Context
from gateway.live import LiveLimits
from storage import batches, messages, rollups
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.messages import MessageState
from storage.rollups import Rollup
from tests.api.conftest import ADMIN_TOKEN, Api
from tests.api.test_waiting import start
from tests.eventually import eventually
from tests.fakes.clock import FakeClock

QUICK = LiveLimits(of_site=2, in_all=3, look_every=0.05, heartbeat=0.3, stalled=1.0)


@dataclass
class Watched:
    api: Api
    app: Application

    @property
    def listening(self) -> int:
        return self.app[LIVE].listening

    @asynccontextmanager
    async def stream(self, site: str, token: str = ADMIN_TOKEN, **headers: str) -> AsyncIterator["Stream"]:
        response = await self.api.client.get(
            f"/v1/sites/{site}/live", headers={"Authorization": f"Bearer {token}", **headers}
        )
        assert response.status == 200
        try:
            yield Stream(response)
        finally:
            response.close()


@dataclass
class Stream:
    response: ClientResponse

    async def block(self) -> list[str]:
        """The lines up to the next blank one; none at the stream's end."""
        lines: list[str] = []
        async with asyncio.timeout(10):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                lines.append(line)
        return lines

    async def event(self) -> list[dict[str, Any]]:
        """The messages of the next event."""
        while True:
            lines = await self.block()
            assert lines, "the stream has ended"
            if lines[0].startswith("id: "):
                assert lines[1] == "event: messages"
                update: dict[str, Any] = json.loads(lines[2].removeprefix("data: "))
                return list(update["messages"])


@pytest.fixture
async def watched(
    context: Context, aiohttp_client: Callable[[TestServer], Awaitable[TestClient[Request, Application]]]
) -> Watched:
    await ensure_admin_token(context)
    app = build_application(context, live_limits=QUICK)
    return Watched(Api(await aiohttp_client(TestServer(app, host="127.0.0.1"))), app)


@pytest.fixture
async def site(watched: Watched) -> str:
    return await watched.api.new_site()


async def sending(watched: Watched, context: Context, site: str) -> str:
    """A message with two recipients, one batch each."""
    message: str = (await watched.api.new_message(site))["id"]
    await start(context, message, site, ("fcm", 0, 1), ("mozilla", 0, 1))
    return message


async def accept(context: Context, site: str, message: str) -> None:
    """One of its recipients."""
    site_id, message_id = decode_id(Kind.SITE, site), decode_id(Kind.MESSAGE, message)
    row = Rollup(site_id, message_id, 0, "fcm", context.clock.now(), "accepted", 1)
    await context.database.write(lambda tx: rollups.add_many(tx, [row]))


async def end(context: Context, message: str) -> None:
    message_id = decode_id(Kind.MESSAGE, message)

    async def body(tx: Transaction) -> None:
        claimed = await batches.claim_of_message(tx, message_id, "me", 1_000, 10)
        await batches.finish_many(tx, [batch.id for batch in claimed], "me")
        assert message_id in await messages.finish_done(tx, context.clock.now())

    await context.database.write(body)


async def test_the_first_event_tells_what_goes_on_even_if_that_is_nothing(
    watched: Watched, context: Context, site: str
) -> None:
    async with watched.stream(site) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"
        assert await stream.block() == ["retry: 3000"]
        assert await stream.event() == []
    await eventually(lambda: gone(watched))
    message = await sending(watched, context, site)
    async with watched.stream(site) as stream:
        [shown] = await stream.event()
    polled = await watched.api.get(f"/v1/sites/{site}/messages/{message}")
    assert shown == {name: polled[name] for name in shown}
    assert shown["id"] == message
    assert shown["progress"]["remaining"] == 2


async def test_each_change_of_a_message_is_an_event_until_it_has_ended(
    watched: Watched, context: Context, site: str
) -> None:
    async with watched.stream(site) as stream:
        assert await stream.event() == []
        message = await sending(watched, context, site)
        [shown] = await stream.event()
        assert (shown["state"], shown["progress"]["accepted"]) == ("sending", 0)
        await accept(context, site, message)
        [shown] = await stream.event()
        assert (shown["progress"]["accepted"], shown["progress"]["remaining"]) == (1, 1)
        await watched.api.post(f"/v1/sites/{site}/messages/{message}/pause", None, 200)
        [shown] = await stream.event()
        assert (shown["state"], shown["state_reason"]) == ("paused", "paused by an admin")
        await accept(context, site, message)
        await end(context, message)
        shown = (await stream.event())[0]
        while shown["state"] == "paused":
            [shown] = await stream.event()
        assert (shown["state"], shown["progress"]["accepted"]) == ("sent", 2)


async def test_what_has_just_ended_is_told_to_who_comes_and_later_not(
    watched: Watched, context: Context, site: str, clock: FakeClock
) -> None:
    message = await sending(watched, context, site)
    await end(context, message)
    async with watched.stream(site, **{"Last-Event-ID": "whatever"}) as stream:
        assert [each["id"] for each in await stream.event()] == [message]
    await eventually(lambda: gone(watched))
    clock.advance(61)
    async with watched.stream(site) as stream:
        assert await stream.event() == []


async def gone(watched: Watched) -> bool:
    return watched.listening == 0 and not watched.app[LIVE].sites


async def test_one_that_is_scheduled_again_is_told_once_more(watched: Watched, site: str) -> None:
    message = (await watched.api.new_message(site, send_at="2026-12-01T09:00:00Z"))["id"]
    await watched.api.post(f"/v1/sites/{site}/messages/{message}/pause", None, 200)
    async with watched.stream(site) as stream:
        assert [each["state"] for each in await stream.event()] == ["paused"]
        await watched.api.post(f"/v1/sites/{site}/messages/{message}/resume", None, 200)
        assert [each["state"] for each in await stream.event()] == ["scheduled"]


async def test_other_sites_are_none_of_its_business(watched: Watched, context: Context, site: str) -> None:
    other = await watched.api.new_site(name="Other")
    await sending(watched, context, other)
    async with watched.stream(site) as stream:
        assert await stream.event() == []
    token = await watched.api.new_token(other, "read")
    await watched.api.with_token(token).get(f"/v1/sites/{site}/live", 404)
    await watched.api.get("/v1/sites/site_0000000000001/live", 404)


async def test_when_nothing_changes_a_comment_says_that_all_is_well(watched: Watched, site: str) -> None:
    async with watched.stream(site) as stream:
        await stream.event()
        assert await stream.block() == [":"]
        assert await stream.block() == [":"]


async def test_all_who_listen_to_a_site_share_one_look(
    watched: Watched, context: Context, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    live = messages.live

    async def counted(tx: Transaction, *args: Any) -> Any:
        nonlocal looks
        looks += 1
        return await live(tx, *args)

    monkeypatch.setattr(messages, "live", counted)
    async with watched.stream(site) as one, watched.stream(site) as two:
        for stream in (one, two):
            await stream.event()
        looks = 0
        message = await sending(watched, context, site)
        for stream in (one, two):
            assert [each["id"] for each in await stream.event()] == [message]
        assert len(watched.app[LIVE].sites) == 1
        before, started = looks, asyncio.get_running_loop().time()
        await asyncio.sleep(0.5)
        passed = asyncio.get_running_loop().time() - started
        assert 1 <= looks - before <= passed / QUICK.look_every + 1


async def test_a_site_has_only_so_many_streams_and_so_has_the_gateway(watched: Watched, site: str) -> None:
    second, third = [await watched.api.new_site() for _ in range(2)]
    async with watched.stream(site), watched.stream(site):
        refused = await watched.api.call("GET", f"/v1/sites/{site}/live", 429)
        assert (await refused.json(content_type=None))["code"] == "too_many_streams"
        assert refused.headers["Retry-After"] == "30"
        async with watched.stream(second):
            problem = await watched.api.get(f"/v1/sites/{third}/live", 503)
            assert problem["code"] == "no_stream_to_spare"
    await eventually(lambda: gone(watched))
    async with watched.stream(third) as stream:
        assert await stream.event() == []


async def test_a_question_about_the_head_takes_no_stream(watched: Watched, site: str) -> None:
    for _ in range(5):
        head = await watched.api.call("HEAD", f"/v1/sites/{site}/live", 200)
        assert head.headers["Content-Type"] == "text/event-stream"
    assert watched.listening == 0


async def test_who_does_not_read_for_too_long_is_disconnected(
    watched: Watched, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched.stream(site) as stream:
        await stream.event()
        assert watched.listening == 1

        async def never(_: StreamResponse, __: bytes) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(StreamResponse, "write", never)
        await eventually(lambda: gone(watched))
        with pytest.raises(ClientPayloadError):
            await stream.block()


async def test_streams_end_cleanly_when_the_gateway_stops(watched: Watched, site: str) -> None:
    async with watched.stream(site) as stream:
        await stream.event()
        await watched.app.shutdown()
        while await stream.block():
            pass
        assert stream.response.content.at_eof()
        assert stream.response.content.exception() is None
        await watched.api.get(f"/v1/sites/{site}/live", 503)


async def test_a_revoked_token_ends_its_stream(watched: Watched, site: str, clock: FakeClock) -> None:
    made = await watched.api.post(f"/v1/sites/{site}/tokens", {"name": "screen", "scopes": ["read"]})
    async with watched.stream(site, made["token"]) as stream:
        await stream.event()
        await watched.api.delete(f"/v1/sites/{site}/tokens/{made['id']}")
        clock.advance(3)
        while await stream.block():
            pass
        assert stream.response.content.at_eof()


async def test_a_stream_ends_with_its_site(watched: Watched, site: str) -> None:
    async with watched.stream(site) as stream:
        await stream.event()
        await watched.api.delete(f"/v1/sites/{site}", 204)
        while await stream.block():
            pass
        assert stream.response.content.at_eof()


async def test_the_rate_is_that_of_late_and_the_rest_takes_as_long_as_that_says(
    watched: Watched, context: Context, site: str, clock: FakeClock
) -> None:
    message = await sending(watched, context, site)
    path = f"/v1/sites/{site}/messages/{message}"
    clock.advance(1_000)
    await accept(context, site, message)
    progress = (await watched.api.get(path))["progress"]
    assert (progress["rate"], progress["eta_seconds"]) == (0.001, 1_000)
    clock.advance(10)
    assert (await watched.api.get(path))["progress"]["rate"] == 0
    await watched.api.post(f"{path}/cancel", None, 200)
    ended = await watched.api.get(path)
    assert ended["state"] == MessageState.CANCELLED
    assert ended["progress"]["eta_seconds"] is None
