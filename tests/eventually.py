"""Waiting in tests: for a condition, with a deadline, never for a length of time."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    check: Callable[[], Coroutine[Any, Any, T | None]], within: float = ..., every: float = ...
) -> T: ...


@overload
async def eventually(check: Callable[[], T | None], within: float = ..., every: float = ...) -> T: ...


async def eventually(check: Callable[[], Any], within: float = 10.0, every: float = 0.02) -> Any:
    """The first true value of `check()`, awaited if need be; AssertionError after `within` seconds.

    An AssertionError raised by `check` means "not yet" and is shown if the deadline passes.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = check()
            if inspect.isawaitable(value):
                value = await value
            assert value, repr(value)
        except AssertionError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"still not true after {within} s: {error}") from error
        else:
            return value
        await asyncio.sleep(every)
