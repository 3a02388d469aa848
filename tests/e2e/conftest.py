"""Real browsers, started once, and the world around them: push services, egress proxy, websites.

Everything here lives on the session's event loop, and so do the tests.
"""

import ctypes
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.connect_proxy import ConnectProxy
from tests.e2e.dashboard import Dashboard, willing_push_services
from tests.e2e.drivers.bidi import Firefox
from tests.e2e.drivers.browser import Browser
from tests.e2e.drivers.cdp import Chromium
from tests.e2e.drivers.notifications import NotificationSink
from tests.e2e.gateway_process import ADMIN_TOKEN, Gateway, free_port
from tests.e2e.library import Library, lay_up, receiver
from tests.e2e.seed import Seeded, seed, settings_of
from tests.e2e.website import Website
from tests.fakes.autopush import Autopush
from tests.fakes.certificates import Authority
from tests.fakes.door import Door
from tests.fakes.fcm import Fcm
from tests.fakes.push_service import HOSTS, PushService
from tests.fakes.reference_sender import ReferenceSender
from tests.fakes.site_server import Site, SiteServer

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers outlive a test, so their tests share one loop; first, so that async fixtures follow."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def find_program(*names: str) -> str:
    """The first of these programs; skips the test, saying what to install, when there is none."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{names[0]} is missing: apt-get install {names[0]}")


def _need_libnotify() -> None:
    try:
        ctypes.CDLL("libnotify.so.4")
    except OSError:
        pytest.skip(
            "libnotify4 is missing, through which Firefox shows notifications: apt-get install libnotify4"
        )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def push_service(authority: Authority) -> AsyncIterator[PushService]:
    service = PushService(authority)
    await service.start()
    yield service
    await service.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def connect_proxy(push_service: PushService) -> AsyncIterator[ConnectProxy]:
    """The gateway's way to the push services: HTTPS_PROXY."""
    proxy = ConnectProxy({f"{host}:443": push_service.port for host in HOSTS})
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def autopush(push_service: PushService) -> AsyncIterator[Autopush]:
    autopush = Autopush(push_service)
    await autopush.start()
    yield autopush
    await autopush.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fcm(push_service: PushService, authority: Authority) -> AsyncIterator[Fcm]:
    fcm = Fcm(push_service, authority)
    await fcm.start()
    yield fcm
    await fcm.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["firefox", "chromium"])
async def browser(
    request: pytest.FixtureRequest, autopush: Autopush, fcm: Fcm, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """Firefox, then Chromium, each with a desktop of its own."""
    find_program("dbus-daemon")
    directory = tmp_path_factory.mktemp(request.param)
    notifications = NotificationSink(directory)
    browser: Browser
    if request.param == "firefox":
        _need_libnotify()
        browser = Firefox(find_program("firefox-esr", "firefox"), directory, notifications, autopush.url)
    else:
        browser = Chromium(find_program("chromium"), directory, notifications, fcm.switches)
    await notifications.start()
    try:
        await browser.start()
        yield browser
        await browser.close()
    finally:
        await browser.kill()
        await notifications.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site_server() -> AsyncIterator[SiteServer]:
    server = SiteServer()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def site(site_server: SiteServer) -> Site:
    """A website that no browser has seen before."""
    return site_server.new_site()


@pytest.fixture
def reference_sender(authority: Authority, connect_proxy: ConnectProxy) -> Iterator[ReferenceSender]:
    """pywebpush with a key of its own, on the same way as the gateway."""
    sender = ReferenceSender(authority.ca_file, connect_proxy.url)
    yield sender
    sender.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway_port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(gateway_port: int) -> AsyncIterator[Door]:
    """The gateway as browsers reach it; `async with door.shut()` is an outage for them alone."""
    door = Door(gateway_port)
    await door.start()
    yield door
    await door.close()


@pytest.fixture(scope="session")
def public_url(door: Door) -> str:
    return f"http://push.localhost:{door.port}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(
    gateway_port: int,
    public_url: str,
    connect_proxy: ConnectProxy,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    """The real gateway; it must survive all tests, stop cleanly, and have kept its secrets out of its log."""
    settings = {
        "GATEWAY_PUBLIC_URL": public_url,
        "GATEWAY_PUSH_CA_FILE": str(authority.ca_file),
        "HTTPS_PROXY": connect_proxy.url,
    }
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), gateway_port, settings)
    await gateway.start()
    yield gateway
    await gateway.stop()
    for secret in (ADMIN_TOKEN, "/fcm/send/", "/wpush/v2/", "Traceback"):
        assert secret not in gateway.log


@pytest_asyncio.fixture(loop_scope="session")
async def website(gateway: Gateway, public_url: str, site: Site) -> Website:
    """A website registered at the gateway, which no browser has seen before."""
    return await Website.register(gateway, public_url, site)


@dataclass(frozen=True, slots=True)
class Demo:
    """A gateway with a month behind it."""

    gateway: Gateway
    seeded: Seeded
    hook_port: int  # of loopback, where its webhooks may go


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """For tests of the dashboard: seeded once, used by all of them; its push services take everything."""
    directory = tmp_path_factory.mktemp("demo")
    seeded = await seed(settings_of(directory / "data", ADMIN_TOKEN), round(time.time() * 1_000))
    hook_port = free_port()
    async with willing_push_services(authority) as proxy:
        settings = {
            "GATEWAY_PUSH_CA_FILE": str(authority.ca_file),
            "GATEWAY_OUTBOUND_PRIVATE": f"127.0.0.1:{hook_port}",
            "HTTPS_PROXY": proxy,
        }
        gateway = Gateway(directory, free_port(), settings)
        await gateway.start()
        yield Demo(gateway, seeded, hook_port)
        await gateway.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def library(demo: Demo) -> AsyncIterator[Library]:
    """What the screens of visitors and of what messages are made of show."""
    async with receiver(demo.hook_port) as told:
        yield await lay_up(demo.gateway, demo.seeded, told)


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(browser: Browser, demo: Demo) -> AsyncIterator[Dashboard]:
    """Signed in."""
    opened = await Dashboard.open(browser, demo.gateway.url, demo.seeded)
    if await opened.page.evaluate("fetch('session').then(({ok}) => !ok)"):
        await opened.sign_in()
    yield opened
    await opened.page.close()
