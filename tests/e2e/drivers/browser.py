"""What a test may ask of a browser, whichever it is."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from tests.e2e.drivers.notifications import NotificationSink
from tests.eventually import eventually

Permission = Literal["granted", "denied", "prompt"]

_CENTRE = """(() => {
  const element = document.querySelector(%s);
  if (!element) return null;
  element.scrollIntoView({block: "center"});
  const box = element.getBoundingClientRect();
  return box.width && !element.disabled ? [box.x + box.width / 2, box.y + box.height / 2] : null;
})()"""


class ScriptError(Exception):
    """The page's script threw; carries the browser's words."""


class Page(ABC):
    """One tab. `errors` collects uncaught exceptions and console.error of the page."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    async def evaluate(self, expression: str, *, user_activation: bool = False) -> Any:
        """The JSON value of an expression, awaited if it is a promise; ScriptError when it throws.

        `user_activation` makes the browser treat it as done by a user's gesture.
        """
        text = await self._run(
            f"(async () => JSON.stringify({{value: await ({expression})}}))()", user_activation
        )
        return json.loads(text).get("value")

    async def click(self, selector: str) -> None:
        """Press and release the mouse on the middle of an element, once it is there and enabled."""
        x, y = await eventually(lambda: self.evaluate(_CENTRE % json.dumps(selector)))
        await self._press(round(x), round(y))

    async def text(self, selector: str) -> str:
        """The text of an element; empty when there is none."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    @abstractmethod
    async def goto(self, url: str) -> None:
        """Load a URL; returns after its load event."""

    @abstractmethod
    async def close(self) -> None:
        """Close the tab, unless it went with its browser."""

    @abstractmethod
    async def resize(self, width: int, height: int) -> None:
        """The size of what the page sees, in CSS pixels."""

    @abstractmethod
    async def screenshot(self) -> bytes:
        """A PNG of the whole page."""

    @abstractmethod
    async def _run(self, expression: str, user_activation: bool) -> str: ...

    @abstractmethod
    async def _press(self, x: int, y: int) -> None: ...


class Browser(ABC):
    """A real browser with a profile of its own below `directory`; `close` and `start` again keep the profile.

    `notifications` is the desktop that it shows notifications on.
    """

    name: str
    notifications: NotificationSink

    @property
    @abstractmethod
    def directory(self) -> Path: ...

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """As a user quits it; AssertionError when it does not exit with status 0."""

    @abstractmethod
    async def kill(self) -> None:
        """Whatever state it is in; nothing is left of it."""

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """The browser is closed for as long as the block runs; its tabs do not come back."""
        await self.close()
        try:
            yield
        finally:
            await self.start()

    @abstractmethod
    async def open(self, url: str) -> Page:
        """A new tab in front, loaded."""

    @abstractmethod
    async def tabs(self) -> list[str]:
        """The URLs of all tabs."""

    @abstractmethod
    async def set_permission(self, origin: str, permission: Permission) -> None:
        """Whether `origin` may show notifications."""
