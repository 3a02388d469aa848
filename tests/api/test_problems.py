import asyncio
import gzip
import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from prometheus_client import Gauge

from gateway.api.server import make_runner
from gateway.context import Context
from storage.database import Body, Database, T
from storage.errors import StorageUnavailable
from tests.api.conftest import ADMIN_TOKEN, NEW_MESSAGE, NEW_SITE, Api

JSON = {"Content-Type": "application/json"}


async def test_a_problem_is_as_rfc_9457_says_and_names_the_request(api: Api) -> None:
    response = await api.call("GET", "/v1/sites/site_0000000000000", 404)
    problem = await response.json(content_type="application/problem+json")
    assert problem == {
        "type": "/docs#not_found",
        "title": "There is no such resource",
        "status": 404,
        "code": "not_found",
        "detail": "There is no such resource.",
        "request_id": response.headers["X-Request-Id"],
    }


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/sites/", "/v1/%2e%2e/sites", "/%00"])
async def test_a_path_that_no_route_has_is_a_problem_too(api: Api, path: str) -> None:
    assert (await api.get(path, 404))["code"] == "not_found"


async def test_a_method_that_the_resource_does_not_know_is_told_which_it_knows(api: Api) -> None:
    response = await api.call("PUT", "/v1/sites", 405)
    assert (await response.json(content_type=None))["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


async def test_head_answers_like_get_without_a_body(api: Api, site: str) -> None:
    get = await api.call("GET", f"/v1/sites/{site}", 200)
    head = await api.call("HEAD", f"/v1/sites/{site}", 200)
    assert await head.read() == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    await api.call("HEAD", "/v1/sites/nothing", 404)


async def test_head_of_a_stream_leaves_the_connection_usable(api: Api, site: str) -> None:
    for _ in range(2):
        head = await api.call("HEAD", f"/v1/sites/{site}/subscriptions/export", 200)
        assert await head.read() == b""


async def test_options_names_the_methods_without_a_token(api: Api) -> None:
    response = await api.with_token(None).call("OPTIONS", "/v1/sites", 204)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_admin_routes_are_not_for_pages(api: Api) -> None:
    response = await api.call("GET", "/v1/sites", 200, headers={"Origin": "https://example.com"})
    assert "Access-Control-Allow-Origin" not in response.headers


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 60_000,
        b'{"name":' * 8_000,
        b'{"name": NaN}',
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_no_such_object_is_refused(api: Api, body: bytes) -> None:
    problem = await (await api.call("POST", "/v1/sites", 400, data=body, headers=JSON)).json(
        content_type=None
    )
    assert problem["code"] == "invalid_request"


async def test_deep_json_in_a_free_field_is_refused(api: Api, site: str) -> None:
    deep = (
        b'{"notification":{"title":"x","data":{"a":'
        + b"[" * 50_000
        + b"]" * 50_000
        + b'}},"audience":{"all":true}}'
    )
    await api.call("POST", f"/v1/sites/{site}/messages", 400, data=deep, headers=JSON)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=latin-1",
        "x",
    ],
)
async def test_another_content_type_is_refused(api: Api, content_type: str) -> None:
    response = await api.call("POST", "/v1/sites", 415, data=b"{}", headers={"Content-Type": content_type})
    assert (await response.json(content_type=None))["code"] == "unsupported_media_type"


async def test_utf_8_may_be_named(api: Api) -> None:
    await api.call(
        "POST", "/v1/sites", 201, json=NEW_SITE, headers={"Content-Type": "application/json; charset=UTF-8"}
    )


@pytest.mark.parametrize("path", ["/v1/sites", "/v1/sites/{site}", "/v1/sites/{site}/messages"])
async def test_a_body_over_the_limit_is_refused(api: Api, site: str, path: str) -> None:
    method = "PATCH" if path.endswith("}") else "POST"
    big = io.BytesIO(b'{"name": "' + b"x" * 1_100_000 + b'"}')
    response = await api.call(method, path.format(site=site), 413, data=big, headers=JSON)
    assert (await response.json(content_type=None))["code"] == "too_large"


async def test_a_body_that_announces_too_much_is_refused_unread(api: Api) -> None:
    server = api.client.server
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /v1/sites HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + ADMIN_TOKEN.encode() + b"\r\nContent-Length: 1000000000\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    await writer.wait_closed()


async def test_a_chunked_body_is_refused_when_it_grows_too_large(api: Api) -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 1024

    await api.call("POST", "/v1/sites", 413, data=chunks(), headers=JSON)


async def test_a_compressed_body_is_refused_unread(api: Api, site: str) -> None:
    bomb = gzip.compress(b"\n" * 5_000_000)
    zipped = {**JSON, "Content-Encoding": "gzip"}
    await api.call("POST", "/v1/sites", 415, data=bomb, headers=zipped)
    await api.call("POST", f"/v1/sites/{site}/subscriptions/import", 415, data=bomb, headers=zipped)
    await api.call("POST", "/v1/public/events", 415, data=bomb, headers=zipped)
    await api.call("POST", "/v1/sites", 201, json=NEW_SITE, headers={"Content-Encoding": "identity"})


async def test_nothing_is_decompressed_before_a_route_can_refuse_it() -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", echo)
    runner = make_runner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}/".format(*runner.addresses[0])
        zipped = gzip.compress(b"x" * 1_000)
        async with (
            ClientSession() as session,
            session.post(url, data=zipped, headers={"Content-Encoding": "gzip"}) as answer,
        ):
            assert await answer.read() == zipped
    finally:
        await runner.cleanup()


# --- faults


class Switch:
    """A database that fails with `error` from when a test sets it; only in writes when `reads` is set."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.error: Exception | None = None
        self.reads = False

    async def read(self, body: Body[T]) -> T:
        if self.error is not None and not self.reads:
            raise self.error
        return await self._database.read(body)

    async def write(self, body: Body[T]) -> T:
        if self.error is not None:
            raise self.error
        return await self._database.write(body)


@pytest.fixture
def switch(database: Database) -> Switch:
    return Switch(database)


@pytest.fixture
async def failing(switch: Switch, context: Context, serve: Callable[[Context], Awaitable[Api]]) -> Api:
    return await serve(replace(context, database=switch))  # type: ignore[arg-type]


GONE = StorageUnavailable("The disk is full: free some space.")


@pytest.mark.parametrize("reads", [True, False], ids=["read-only", "gone"])
async def test_a_database_that_is_away_is_503_and_the_log_says_what_to_do(
    failing: Api, switch: Switch, reads: bool, caplog: pytest.LogCaptureFixture
) -> None:
    site = await failing.new_site()
    switch.error, switch.reads = GONE, reads
    response = await failing.call("POST", f"/v1/sites/{site}/messages", 503, json=NEW_MESSAGE)
    problem = await response.json(content_type=None)
    assert problem["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert "disk" not in str(problem)
    (line,) = [each for each in caplog.records if each.message == "storage.unavailable"]
    assert line.fields["hint"] == GONE.hint  # type: ignore[attr-defined]
    assert line.fields["request_id"] == problem["request_id"]  # type: ignore[attr-defined]

    switch.error = None
    assert (await failing.get(f"/v1/sites/{site}/messages"))["items"] == []


async def test_a_database_that_was_closed_is_503(api: Api, context: Context) -> None:
    await api.get("/v1/sites")
    await context.database.close()
    await api.get("/v1/sites", 503)
    await api.post("/v1/sites", NEW_SITE, 503)


async def test_a_fault_is_500_with_a_request_id_and_nothing_else(
    failing: Api, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    switch.error = RuntimeError("secret detail")
    response = await failing.call("POST", "/v1/sites", 500, json=NEW_SITE, headers={"X": "y"})
    text = await response.text()
    assert "secret detail" not in text
    assert "Traceback" not in text
    (line,) = [each for each in caplog.records if each.message == "request.failed"]
    assert line.exc_info is not None
    assert line.fields == {  # type: ignore[attr-defined]
        "route": "POST /v1/sites",
        "request_id": response.headers["X-Request-Id"],
    }
    assert ADMIN_TOKEN not in caplog.text


# --- health


async def test_it_is_alive_and_ready_without_a_token(api: Api) -> None:
    nobody = api.with_token(None)
    assert await nobody.get("/healthz") == {"status": "ok"}
    assert await nobody.get("/readyz") == {"ready": True, "reasons": []}


@pytest.mark.parametrize("reads", [True, False], ids=["read-only", "gone"])
async def test_it_is_not_ready_without_a_database_and_says_why_but_it_is_alive(
    failing: Api, switch: Switch, reads: bool
) -> None:
    switch.error, switch.reads = GONE, reads
    response = await failing.call("GET", "/readyz", 503)
    assert await response.json() == {
        "ready": False,
        "reasons": ["The database cannot be used; the log says what to do."],
    }
    assert response.headers["Retry-After"] == "5"
    await failing.get("/healthz")


async def test_it_is_not_ready_while_a_part_of_it_says_so(
    context: Context, serve: Callable[[Context], Awaitable[Api]]
) -> None:
    api = await serve(replace(context, readiness=(lambda: None, lambda: "No sender runs.")))
    assert (await api.get("/readyz", 503))["reasons"] == ["No sender runs."]


async def test_metrics_need_a_token_for_all_sites(api: Api, site: str, context: Context) -> None:
    Gauge("gateway_test", "A gauge.", registry=context.registry).set(7)
    response = await api.call("GET", "/metrics", 200)
    assert "gateway_test 7.0" in await response.text()
    assert response.content_type == "text/plain"
    await api.with_token(None).get("/metrics", 401)
    await api.with_token(await api.new_token(site, "read")).get("/metrics", 403)
