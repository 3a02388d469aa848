"""`send-test`: the operator's question "does it arrive?", answered by a push service."""

from dataclasses import dataclass

import aiohttp
import pytest

from tests.e2e.gateway_process import ADMIN_TOKEN, Gateway, free_port
from tests.fakes.certificates import Authority
from tests.fakes.push_service import PushService, Subscription
from tests.fakes.rules import Reply
from tests.process.conftest import CommandLine

ORIGIN = "https://shop.example.com"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription at the fake push service, known to a gateway that has stopped again."""

    command_line: CommandLine
    site_id: str
    id: str
    browser: Subscription

    async def send_test(self, *more: str) -> tuple[int, str]:
        done = await self.command_line.run(
            "send-test", "--site", self.site_id, "--subscription", self.id, *more
        )
        return done.code, done.out + done.err


@pytest.fixture
async def subscribed(
    command_line: CommandLine, push_service: PushService, authority: Authority
) -> Subscribed:
    settings = {
        "GATEWAY_DATA_DIR": str(command_line.data_dir),
        "GATEWAY_PUSH_HOSTS": f"localhost:{push_service.port}",
        "GATEWAY_PUSH_CA_FILE": str(authority.ca_file),
    }
    command_line.settings |= settings
    gateway = Gateway(command_line.data_dir.parent, free_port(), settings)
    await gateway.start()
    site = await gateway.post(
        "/v1/sites", {"name": "Shop", "origins": [ORIGIN], "contact": "mailto:ops@example.com"}
    )
    browser = push_service.subscribe(application_server_key=site["application_server_key"])
    public = f"{gateway.url}/v1/public/{site['id']}/subscriptions"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            public, json={"subscription": browser.to_json()}, headers={"Origin": ORIGIN}
        ) as response,
    ):
        assert response.status == 201
        subscription_id = (await response.json())["id"]
    await gateway.stop()
    assert ADMIN_TOKEN not in gateway.log
    return Subscribed(command_line, site["id"], subscription_id, browser)


async def test_send_test_shows_the_push_services_answer(subscribed: Subscribed) -> None:
    code, shown = await subscribed.send_test()
    assert code == 0, shown
    assert "gateway: accepted (201)" in shown
    assert subscribed.browser.endpoint not in shown
    (plaintext,) = subscribed.browser.plaintexts
    assert plaintext is not None
    assert b"Sent by send-test." in plaintext


async def test_send_test_compares_our_answer_with_that_of_pywebpush(subscribed: Subscribed) -> None:
    code, shown = await subscribed.send_test("--with", "pywebpush")
    assert code == 0, shown
    assert "pywebpush: accepted (201)" in shown
    assert "The answers agree." in shown
    ours, theirs = subscribed.browser.plaintexts
    assert ours == theirs


async def test_send_test_fails_with_the_reason_that_the_push_service_gave(subscribed: Subscribed) -> None:
    subscribed.browser.answer(Reply(410, body=b"push subscription has unsubscribed or expired"))
    code, shown = await subscribed.send_test()
    assert code == 1
    assert "gateway: gone (410)" in shown
    assert "has unsubscribed or expired" in shown
