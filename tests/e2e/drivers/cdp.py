"""Chromium by its DevTools protocol, with a persistent profile: push does not work in incognito contexts."""

import base64
import os
from pathlib import Path
from typing import Any

from tests.e2e.drivers.browser import Browser, Page, Permission, ScriptError
from tests.e2e.drivers.notifications import NotificationSink
from tests.e2e.drivers.process import Process
from tests.e2e.drivers.remote import Remote
from tests.eventually import eventually

_SWITCHES = [
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--password-store=basic",
    # Nothing but loopback: a test must neither need nor reach the internet.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
]


class Chromium(Browser):
    """`switches` come from the fake of its push service."""

    name = "chromium"

    def __init__(
        self, program: str, directory: Path, notifications: NotificationSink, switches: list[str]
    ) -> None:
        self.notifications = notifications
        self._program = program
        self._directory = directory
        self._switches = switches
        self._process: Process | None = None
        self._remote: Remote | None = None
        self._pages: dict[str, ChromiumPage] = {}
        self._permissions: dict[str, Permission] = {}

    @property
    def directory(self) -> Path:
        return self._directory

    async def start(self) -> None:
        profile = self._directory / "profile"
        port_file = profile / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._directory),
            "DBUS_SESSION_BUS_ADDRESS": self.notifications.address,
        }
        self._process = await Process.start(
            self._program,
            *_SWITCHES,
            *self._switches,
            f"--user-data-dir={profile}",
            "about:blank",
            env=environment,
            log_file=self._directory / "chromium.log",
        )
        address = await eventually(lambda: self._read_address(port_file), within=30)
        self._remote = await Remote.connect(address)
        self._remote.on("Runtime.exceptionThrown", self._on_exception)
        self._remote.on("Runtime.consoleAPICalled", self._on_console)
        for origin, permission in self._permissions.items():
            await self.set_permission(origin, permission)

    async def close(self) -> None:
        await self.remote.call("Browser.close")
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

    async def open(self, url: str) -> "ChromiumPage":
        remote = self.remote
        target = (await remote.call("Target.createTarget", {"url": "about:blank"}))["targetId"]
        attached = await remote.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = ChromiumPage(remote, target, attached["sessionId"])
        self._pages[page.session] = page
        await page.call("Runtime.enable")
        await page.call("Page.enable")
        await page.goto(url)
        return page

    async def tabs(self) -> list[str]:
        targets = (await self.remote.call("Target.getTargets"))["targetInfos"]
        return [target["url"] for target in targets if target["type"] == "page"]

    async def set_permission(self, origin: str, permission: Permission) -> None:
        self._permissions[origin] = permission  # what DevTools sets does not outlive the process
        params = {"permission": {"name": "notifications"}, "setting": permission, "origin": origin}
        await self.remote.call("Browser.setPermission", params)

    @property
    def remote(self) -> Remote:
        assert self._remote is not None, "not started"
        return self._remote

    def _read_address(self, port_file: Path) -> str:
        assert self._process is not None
        self._process.check_running()
        if not port_file.exists():
            return ""
        port, _, path = port_file.read_text().partition("\n")
        return f"ws://127.0.0.1:{port}{path}" if path else ""

    def _on_exception(self, event: dict[str, Any], session: str) -> None:
        if session in self._pages:
            self._pages[session].errors.append(_words(event["exceptionDetails"]))

    def _on_console(self, event: dict[str, Any], session: str) -> None:
        if session in self._pages and event["type"] == "error":
            said = " ".join(str(item.get("value", item.get("description"))) for item in event["args"])
            self._pages[session].errors.append(said)


class ChromiumPage(Page):
    def __init__(self, remote: Remote, target: str, session: str) -> None:
        super().__init__()
        self.session = session
        self._remote = remote
        self._target = target
        self._loads = 0
        remote.on("Page.loadEventFired", self._on_load)

    async def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._remote.call(method, params, session=self.session)

    async def goto(self, url: str) -> None:
        before = self._loads
        result = await self.call("Page.navigate", {"url": url})
        assert "errorText" not in result, f"{url}: {result['errorText']}"
        await eventually(lambda: self._loads > before)

    async def close(self) -> None:
        if not self._remote.closed:
            await self._remote.call("Target.closeTarget", {"targetId": self._target})

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", size)

    async def screenshot(self) -> bytes:
        answer = await self.call("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(answer["data"])

    async def _run(self, expression: str, user_activation: bool) -> str:
        params = {"expression": expression, "awaitPromise": True, "userGesture": user_activation}
        answer = await self.call("Runtime.evaluate", {**params, "returnByValue": True})
        if "exceptionDetails" in answer:
            raise ScriptError(_words(answer["exceptionDetails"]))
        return str(answer["result"]["value"])

    async def _press(self, x: int, y: int) -> None:
        await self.call("Page.bringToFront")
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", {"type": "mousePressed", **at})
        await self.call("Input.dispatchMouseEvent", {"type": "mouseReleased", **at})

    def _on_load(self, _event: dict[str, Any], session: str) -> None:
        self._loads += session == self.session


def _words(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])
