"""The desktop that browsers show notifications on: a private D-Bus with org.freedesktop.Notifications.

A click here takes the whole way that a user's click takes through the browser to the service worker.
"""

import asyncio
import contextlib
import html
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.drivers.dbus import METHOD_CALL, Bus, Message
from tests.e2e.drivers.process import Process
from tests.eventually import eventually

_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_DISMISSED = 2
_CONFIG = """<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
  </policy>
</busconfig>"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A notification as the desktop got it."""

    id: int
    title: str
    body: str
    actions: dict[str, str]  # key → title; "default" is a click on the notification itself

    @property
    def text(self) -> str:
        """The body as it was sent: Firefox escapes it, Chromium puts the host before it."""
        return html.unescape(self.body).rpartition("\n\n")[2]


class NotificationSink:
    """`shown` holds what was shown, in order; a replacement is one more entry of the same id.

    `closed` holds the ids of those that the browser took away.
    """

    def __init__(self, directory: Path) -> None:
        self.shown: list[Shown] = []
        self.closed: set[int] = set()
        self._directory = directory
        self._socket = directory / "bus"
        self._daemon: Process | None = None
        self._bus: Bus | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """For DBUS_SESSION_BUS_ADDRESS."""
        return f"unix:path={self._socket}"

    async def start(self) -> None:
        program = shutil.which("dbus-daemon")
        assert program is not None
        config = self._directory / "bus.conf"
        config.write_text(_CONFIG.format(path=self._socket))
        self._daemon = await Process.start(
            program, f"--config-file={config}", "--nofork", env={}, log_file=self._directory / "bus.log"
        )
        self._bus = await eventually(self._connect)
        await self._bus.own(_NAME)
        self._serving = asyncio.get_running_loop().create_task(self._serve(self._bus), name="notifications")

    async def close(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._bus is not None:
            await self._bus.close()
        if self._daemon is not None:
            await self._daemon.stop()

    async def wait_for(self, title: str, within: float = 15.0) -> Shown:
        """The last notification shown with this title."""

        def find() -> Shown:
            found = [shown for shown in self.shown if shown.title == title]
            assert found, f"shown so far: {[shown.title for shown in self.shown]}"
            return found[-1]

        return await eventually(find, within)

    def click(self, shown: Shown, action: str = "default") -> None:
        """As a user clicks the notification, or the button whose title is `action`."""
        keys = [key for key, title in shown.actions.items() if action in (key, title)]
        assert keys, shown
        self._signal("ActionInvoked", "us", shown.id, keys[0])

    def dismiss(self, shown: Shown) -> None:
        """As a user closes the notification."""
        self._signal("NotificationClosed", "uu", shown.id, _DISMISSED)

    def _signal(self, member: str, signature: str, *values: object) -> None:
        assert self._bus is not None
        self._bus.signal(_PATH, _NAME, member, signature, *values)

    async def _connect(self) -> Bus | None:
        assert self._daemon is not None
        self._daemon.check_running()
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return await Bus.connect(self._socket)
        return None

    async def _serve(self, bus: Bus) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                message = await bus.receive()
                if message.kind == METHOD_CALL:
                    self._answer(bus, message)

    def _answer(self, bus: Bus, call: Message) -> None:
        match call.member:
            case "Notify":
                bus.reply(call, "u", self._show(call))
            case "GetCapabilities":
                bus.reply(call, "as", ["body", "actions", "persistence"])
            case "GetServerInformation":
                bus.reply(call, "ssss", "test desktop", "tests", "1", "1.2")
            case "CloseNotification":
                self.closed.update(call.body)
                bus.reply(call, "")
            case _ if call.wants_reply:
                bus.refuse(call)

    def _show(self, call: Message) -> int:
        _, replaces, _, title, body, actions, *_ = call.body
        shown_id = replaces or len(self.shown) + 1
        keys = dict(zip(actions[::2], actions[1::2], strict=True))
        self.shown.append(Shown(shown_id, title, body, keys))
        return int(shown_id)
