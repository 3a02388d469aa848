"""What happens to a visitor and a message, with everything that can go wrong, and what the log says of it."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway.context import Context
from gateway.delivery.sender import Sender
from gateway.logs import configure_logging, redact_endpoint
from gateway.metrics import Metrics
from gateway.outgoing import Outgoing
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from gateway.webpush import PushRequest, Reply
from storage.errors import StorageUnavailable
from tests.api.conftest import ADMIN_TOKEN, Api
from tests.api.page import Page, push_subscription
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.fakes.user_agent import UserAgent
from tests.unit.sending import POLICY, QUICK


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All lines of the process, as JSON."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def refused(request: PushRequest) -> Reply:
    """As a push service, or a proxy, that shows everybody what it was sent."""
    said = f"{request.url} {request.headers}"
    return Reply(403, [f"Location: {request.url}\r\n".encode()], said.encode())


async def send(context: Context, log: io.StringIO, until: str) -> None:
    """Start what is due, and let a sender try it until the log has that event."""
    await Starter(context, Metrics()).step()
    while await Freezer(context, Metrics()).step():
        pass
    stop = asyncio.Event()
    transport = FakeTransport(refused)
    sender = Sender(context, transport, "sender-a", Metrics(), QUICK, POLICY, lambda: 0.5)
    task = asyncio.create_task(sender.run(stop))
    await eventually(lambda: until in log.getvalue())
    await eventually(lambda: not sender.pump.flights)
    stop.set()
    await asyncio.wait_for(task, 10)
    while await Finisher(context, "scheduler", Metrics()).step():
        pass


async def test_no_secret_of_a_visitor_or_an_admin_reaches_the_log(
    api: Api, site: str, context: Context, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, page = UserAgent(), Page(api.with_token(None), site)
    visitors = [push_subscription(agent) for _ in range(25)]  # as many as pause a key
    own_tokens = [(await page.subscribe(each))["token"] for each in visitors]
    secret = await api.new_token(site, "send")
    accepted = await api.call(
        "POST",
        f"/v1/sites/{site}/messages",
        202,
        json={"notification": {"title": "Sale"}, "audience": {"all": True}},
    )
    message = (await accepted.json())["id"]
    await send(context, log, "key.paused")
    await api.with_token(secret + "x").get(f"/v1/sites/{site}", 401)
    await page.report({"token": own_tokens[0], "kind": "displayed"}, 400)

    def broken(*_: object) -> bytes:
        raise ValueError(f"cannot send {visitors[0]} with {ADMIN_TOKEN}")

    monkeypatch.setattr(Outgoing, "render", broken)
    (key,) = (await api.get(f"/v1/sites/{site}/keys"))["items"]
    await api.post(f"/v1/sites/{site}/keys/{key['id']}/resume", status=200)
    await api.new_message(site)
    await send(context, log, "push.render_failed")

    async def broken_too(*_: object) -> None:
        raise StorageUnavailable(f"Authorization: Bearer {secret}") from ValueError(visitors[1]["endpoint"])

    monkeypatch.setattr(context.database, "read", broken_too)
    await api.get(f"/v1/sites/{site}", 503)

    text = log.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    told = {line["event"] for line in lines}
    assert {"message.accepted", "message.started", "message.sent", "push.render_failed"} <= told
    assert {"key.paused", "storage.unavailable"} <= told
    request_id = accepted.headers["X-Request-Id"]
    assert [line["message_id"] for line in lines if line.get("request_id") == request_id] == [message]

    secrets = [ADMIN_TOKEN, secret, agent.auth, agent.p256dh, *own_tokens]
    secrets += [each["endpoint"].rpartition("/")[2] for each in visitors]
    assert not [each for each in secrets if each in text]
    assert "vapid t=ey" not in text
    assert redact_endpoint(visitors[1]["endpoint"]) in text
