"""Waiting in tests: for a condition, with a deadline, never for a length of time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], T | Awaitable[T]], within: float = 10.0, every: float = 0.02) -> T:
    """The first true value of `check()`, awaited if need be; AssertionError after `within` seconds.

    An AssertionError raised by `check` means "not yet" and is shown if the deadline passes.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = check()
            result: T = await value if inspect.isawaitable(value) else value
        except AssertionError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"still not true after {within} s: {error}") from error
        else:
            if result:
                return result
            if time.monotonic() > deadline:
                raise AssertionError(f"still {result!r} after {within} s")
        await asyncio.sleep(every)
