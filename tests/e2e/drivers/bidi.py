"""Firefox by WebDriver BiDi, which the stock binary speaks itself: no geckodriver."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from tests.e2e.drivers.browser import Browser, Page, Permission, ScriptError
from tests.e2e.drivers.notifications import NotificationSink
from tests.e2e.drivers.process import Process
from tests.e2e.drivers.remote import Remote
from tests.eventually import eventually

_PREFERENCES: dict[str, bool | int | str] = {
    # The remote agent's recommended preferences switch push off, and a preference set to its default cannot
    # override them.
    "remote.prefs.recommended": False,
    "dom.push.testing.allowInsecureServerURL": True,  # ws:// instead of wss://
    "dom.push.retryBaseInterval": 200,  # milliseconds; 5000 by default
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.disabledForTesting": True,
    "browser.warnOnQuit": False,
    # Nothing but loopback: everything else goes to a proxy that does not exist, without falling back.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.failover_direct": False,
}


class Firefox(Browser):
    """`push_url` is the WebSocket of the fake of its push service."""

    name = "firefox"

    def __init__(self, program: str, directory: Path, notifications: NotificationSink, push_url: str) -> None:
        self.notifications = notifications
        self._program = program
        self._directory = directory
        self._push_url = push_url
        self._process: Process | None = None
        self._remote: Remote | None = None
        self._pages: dict[str, FirefoxPage] = {}

    @property
    def directory(self) -> Path:
        return self._directory

    async def start(self) -> None:
        profile = self._directory / "profile"
        profile.mkdir(exist_ok=True)
        preferences = _PREFERENCES | {"dom.push.serverURL": self._push_url}
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()
        ]
        (profile / "user.js").write_text("\n".join(lines))
        address_file = profile / "WebDriverBiDiServer.json"
        address_file.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._directory),
            "DBUS_SESSION_BUS_ADDRESS": self.notifications.address,
        }
        self._process = await Process.start(
            self._program,
            "--no-remote",
            "--headless",
            "--remote-debugging-port=0",
            "--profile",
            str(profile),
            "about:blank",
            env=environment,
            log_file=self._directory / "firefox.log",
        )
        address = await eventually(lambda: self._read_address(address_file), within=30)
        self._remote = await Remote.connect(f"{address}/session")
        self._remote.on("log.entryAdded", self._on_log)
        await self._remote.call("session.new", {"capabilities": {}})
        await self._remote.call("session.subscribe", {"events": ["log.entryAdded"]})

    async def close(self) -> None:
        await self.remote.call("browser.close")
        await self._disconnect()
        assert self._process is not None
        status = await self._process.stop(None)
        assert status == 0, f"exit status {status}:\n{self._process.log_tail()}"

    async def kill(self) -> None:
        await self._disconnect()
        if self._process is not None:
            await self._process.stop(None, within=0)

    async def _disconnect(self) -> None:
        if self._remote is not None:
            await self._remote.close()
            self._remote = None

    async def open(self, url: str) -> "FirefoxPage":
        context = (await self.remote.call("browsingContext.create", {"type": "tab"}))["context"]
        page = FirefoxPage(self.remote, context)
        self._pages[context] = page
        await page.goto(url)
        return page

    async def tabs(self) -> list[str]:
        return [tab["url"] for tab in (await self.remote.call("browsingContext.getTree"))["contexts"]]

    async def set_permission(self, origin: str, permission: Permission) -> None:
        params = {"descriptor": {"name": "notifications"}, "state": permission, "origin": origin}
        await self.remote.call("permissions.setPermission", params)

    @property
    def remote(self) -> Remote:
        assert self._remote is not None, "not started"
        return self._remote

    def _read_address(self, address_file: Path) -> str:
        assert self._process is not None
        self._process.check_running()
        try:
            server = json.loads(address_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return ""  # not there, or half-written
        return f"ws://{server['ws_host']}:{server['ws_port']}"

    def _on_log(self, event: dict[str, Any], _session: str) -> None:
        page = self._pages.get(event["source"].get("context", ""))
        if page is not None and event["level"] == "error":
            page.errors.append(str(event["text"]))


class FirefoxPage(Page):
    def __init__(self, remote: Remote, context: str) -> None:
        super().__init__()
        self._remote = remote
        self._context = context

    async def goto(self, url: str) -> None:
        params = {"context": self._context, "url": url, "wait": "complete"}
        await self._remote.call("browsingContext.navigate", params)

    async def close(self) -> None:
        if not self._remote.closed:
            await self._remote.call("browsingContext.close", {"context": self._context})

    async def resize(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        params = {"context": self._context, "viewport": viewport}
        await self._remote.call("browsingContext.setViewport", params)

    async def screenshot(self) -> bytes:
        params = {"context": self._context, "origin": "document"}
        answer = await self._remote.call("browsingContext.captureScreenshot", params)
        return base64.b64decode(answer["data"])

    async def _run(self, expression: str, user_activation: bool) -> str:
        params = {"expression": expression, "awaitPromise": True, "userActivation": user_activation}
        answer = await self._remote.call("script.evaluate", {**params, "target": {"context": self._context}})
        if answer["type"] == "exception":
            raise ScriptError(answer["exceptionDetails"]["text"])
        return str(answer["result"]["value"])

    async def _press(self, x: int, y: int) -> None:
        await self._remote.call("browsingContext.activate", {"context": self._context})
        steps = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": steps}
        await self._remote.call("input.performActions", {"context": self._context, "actions": [mouse]})
