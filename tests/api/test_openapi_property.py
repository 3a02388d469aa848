"""Whatever the document allows, and much that it does not, is answered as the document says: never with 500.

Hypothesis makes the same requests in every run; `--hypothesis-seed=random` makes others.
"""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.access import ensure_admin_token
from gateway.api.openapi import build_document
from gateway.api.server import ALL_ROUTES, build_application
from gateway.clock import SystemClock
from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.settings import Settings
from gateway.webpush import PushHosts
from storage.ids import IdSource
from storage.opening import open_database
from tests.api.conftest import ADMIN_TOKEN, NEW_MESSAGE, NEW_SITE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def serve(directory: Path, started: "asyncio.Queue[Any]", stopping: asyncio.Event) -> None:
    """A whole gateway's API until `stopping`; puts its port."""
    clock = SystemClock()
    made = Settings(data_dir=directory, admin_token=ADMIN_TOKEN, senders=0)
    database = await open_database(made.database_url, migrate=True, write_pause=0)
    ids = IdSource(clock.now, secrets.randbits)
    context = Context(database, clock, ids, MasterKey(bytes(32)), made, PushHosts())
    await ensure_admin_token(context)
    runner = web.AppRunner(build_application(context))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await started.put(runner.addresses[0][1])
        await stopping.wait()
    finally:
        await runner.cleanup()
        await database.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a gateway in a thread: schemathesis calls it from this one."""
    loop = asyncio.new_event_loop()
    started: asyncio.Queue[int] = asyncio.Queue()
    stopping = asyncio.Event()
    directory = tmp_path_factory.mktemp("gateway")

    def run() -> None:
        loop.run_until_complete(serve(directory, started, stopping))

    thread = threading.Thread(target=run, name="gateway")
    thread.start()
    yield asyncio.run_coroutine_threadsafe(asyncio.wait_for(started.get(), 20), loop).result()
    loop.call_soon_threadsafe(stopping.set)
    thread.join(20)
    loop.close()


def post(port: int, path: str, body: object) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, dumps(body), {**HEADERS, "Content-Type": "application/json"})
    answer = loads(connection.getresponse().read())
    connection.close()
    return answer


@pytest.fixture(scope="module")
def known(port: int) -> dict[str, str]:
    """Ids of things that exist, so that requests get past `not_found`."""
    site = post(port, "/v1/sites", NEW_SITE)["id"]
    message = post(port, f"/v1/sites/{site}/messages", {**NEW_MESSAGE, "send_at": "2099-01-01T00:00:00Z"})[
        "id"
    ]
    return {"site": site, "message": message}


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def write_lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def flat_document() -> dict[str, Any]:
    """Expressions hold none here: schemathesis would draw whole trees of them, for minutes, at the start."""
    document = build_document(ALL_ROUTES, "0")
    fields = document["components"]["schemas"]["Expression"]["properties"]
    leaf = {name: fields[name] for name in ("tag", "language", "country", "provider", "seen", "received")}
    flat = {"type": "object", "properties": leaf, "additionalProperties": False}
    for name in ("all", "any"):
        fields[name] = {**fields[name], "items": flat, "maxItems": 3}
    fields["not"] = flat
    # A step of an automation is a message, too, and messages have tests of their own.
    step = document["components"]["schemas"]["Step"]["properties"]
    for name in step.keys() - {"after", "notification", "options", "priority", "quiet_hours"}:
        del step[name]
    # What a new message may be is tried there with every value, and not once more in a change and a preview.
    for again in ("MessageChange", "UnsavedPreview"):
        fields = document["components"]["schemas"][again]["properties"]
        fields["audience"] = {"type": "object", "properties": {"all": {"type": "boolean"}}}
        for name in ("translations", "fallback", "variants", "recurrence", "utm", "rollout"):
            del fields[name]
    return document


# A live stream has no end: test_live.py reads some.
schema = schemathesis.openapi.from_dict(flat_document()).exclude(operation_id="watch_live")


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_that_the_document_allows_is_a_500(
    case: schemathesis.Case[Any], port: int, known: dict[str, str]
) -> None:
    if case.operation.definition.raw["operationId"] != "delete_site":
        case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
    case.call_and_validate(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, checks=CHECKS, timeout=10)
