"""Requests that are answered without aiohttp: what a blast comes back as, thousands a second."""

import asyncio
import re
from typing import Protocol

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n")


class Answering(Protocol):
    """A connection whose request was taken. One of the two is called, once, and never at once."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """None when the caller has hung up."""

    def answer(self, data: bytes) -> None:
        """The whole answer; the connection is kept."""

    def hand_back(self, data: bytes) -> None:
        """The request after all goes to aiohttp, which answers it."""


class Direct(Protocol):
    def take(self, connection: Answering, data: bytes) -> bool:
        """Whether `data`, all that came, is a whole request that is answered here; else nothing is done."""


def is_whole(data: bytes) -> bool:
    """Whether a head of which aiohttp made a request has its whole body with it, and nothing more."""
    head, end, body = data.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    if not end or b"transfer-encoding" in head or b"upgrade" in head or head.startswith(b"connect "):
        return False
    length = _LENGTH.search(head)
    return len(body) == (0 if length is None else int(length[1]))
