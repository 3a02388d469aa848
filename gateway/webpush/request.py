"""What a push request carries: the header fields of RFC 8030 and what the push services demand beyond it."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from gateway.webpush.endpoint import Origin, Provider
from gateway.webpush.errors import InvalidTopic
from gateway.webpush.keys import ApplicationServerKey
from gateway.webpush.vapid import Authorization, VapidTokens

MAX_TTL: Final = 2_419_200  # seconds: FCM refuses more than four weeks, the others shorten it
MAX_TOPIC: Final = 32
MAX_CACHED: Final = 4096

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Urgency(StrEnum):
    """How much of a device's battery the message is worth (RFC 8030, section 5.3)."""

    VERY_LOW = "very-low"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def parse_topic(text: str) -> str:
    """A Topic that every push service takes; raises InvalidTopic.

    At most 32 base64url characters (RFC 8030, section 5.4). Apple decodes them as well and refuses a length
    that no base64 text can have: one more than a multiple of four.
    """
    if not _TOPIC.fullmatch(text):
        raise InvalidTopic(f"a topic is 1 to {MAX_TOPIC} letters, digits, - and _")
    if len(text) % 4 == 1:
        raise InvalidTopic(f"a topic of {len(text)} characters is not base64url: add or remove one")
    return text


class PushRequest(msgspec.Struct, frozen=True):
    """One POST to one subscription, or the DELETE of what was posted. `headers` may be shared by many;
    `context` is the caller's own and not looked at.
    """

    url: str
    origin: Origin
    headers: list[str]
    body: bytes
    context: object = None
    method: str = "POST"


class RequestHeaders:
    """One prepared list of header lines per (key, contact, origin, TTL, urgency, topic), shared by its
    messages.

    A list is never changed once it was handed out: the transport recognises the list of the previous message
    by identity and saves itself from passing it to libcurl again.
    """

    def __init__(self, clock: Callable[[], int], limit: int = MAX_CACHED) -> None:
        """`clock` gives milliseconds since the epoch; the oldest of more than `limit` lists is forgotten."""
        self._clock = clock
        self._limit = limit
        self._tokens = VapidTokens(clock, limit)
        self._cached: dict[tuple[object, ...], tuple[Authorization, list[str]]] = {}

    def get(
        self,
        key: ApplicationServerKey,
        contact: str,
        origin: Origin,
        ttl: int,
        urgency: Urgency = Urgency.NORMAL,
        topic: str | None = None,
    ) -> list[str]:
        """Header lines for a push with `ttl` in seconds; `contact` and `topic` are as their parsers returned
        them.

        ValueError when `ttl` is not between 1 and MAX_TTL: Apple and WNS refuse 0, which elsewhere means
        "drop it unless the browser is connected this very moment".
        """
        name = (key.public, contact, origin.text, ttl, urgency, topic)
        cached = self._cached.get(name)
        if cached is not None and cached[0].is_fresh(self._clock()):
            return cached[1]
        if not 1 <= ttl <= MAX_TTL:
            raise ValueError(f"the TTL is {ttl}, it must be between 1 and {MAX_TTL} seconds")
        authorization = self._tokens.get(key, contact, origin.text)
        lines = _lines(authorization.value, origin.provider, ttl, urgency, topic)
        self._cached.pop(name, None)
        while len(self._cached) >= self._limit:
            del self._cached[next(iter(self._cached))]
        self._cached[name] = (authorization, lines)
        return lines


def _lines(
    authorization: str, provider: Provider, ttl: int, urgency: Urgency, topic: str | None
) -> list[str]:
    # Content-Length comes from libcurl, which knows the body: WNS refuses chunked requests.
    lines = [
        f"TTL: {ttl}",
        f"Urgency: {urgency}",
        "Content-Type: application/octet-stream",
        "Content-Encoding: aes128gcm",
        f"Authorization: {authorization}",
    ]
    if topic is not None:
        lines.append(f"Topic: {topic}")
    if provider is Provider.WNS:
        lines.append("X-WNS-Cache-Policy: cache")  # must agree with the TTL, which is never 0
    return lines
