"""The three kinds of token that the gateway hands out. None of them is stored in clear.

- API token: `wpg_…`, random, for back ends; the database keeps its SHA-256.
- Subscription token: lets one browser change its own subscription, nothing else; a MAC, recomputed to verify.
- Event token: travels in a push payload, proves which delivery a browser reports about, carries its facts.

Keys come from `MasterKey.derive(EVENT_TOKENS, site_id)` and `MasterKey.derive(SUBSCRIPTION_TOKENS, site_id)`.
"""

import binascii
import hmac
import secrets
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

# Recognisable, so that secret scanners and our own logs find a leaked one.
API_TOKEN_PREFIX = "wpg_"  # noqa: S105
EVENT_TOKENS = "event tokens"
SUBSCRIPTION_TOKENS = "subscription tokens"

HOUR = 3_600_000  # milliseconds

_MAC_LENGTH = 16
_EVENT_VERSION = 1
# version, site, message, subscription, variant (8 bits) with the hour since the epoch (24 bits): 29 bytes,
# and with the MAC 45, which base64 writes in exactly 60 characters.
_EVENT = Struct(">BqqqI")
_EVENT_TOKEN_LENGTH = 60
_TWO_IDS = Struct(">qq")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/", b"+/**")  # what base64url does not have is an error


def new_api_token() -> str:
    """A fresh token with 256 random bits. Shown once; store `hash_api_token` of it."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_api_token(token: str) -> bytes:
    """32 bytes. A plain hash is enough: there is nothing to guess in 256 random bits."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def issue_subscription_token(key: bytes, site_id: int, subscription_id: int) -> str:
    """32 characters that name the subscription and prove it; the same for the life of the subscription."""
    message = b"subscription" + _TWO_IDS.pack(site_id, subscription_id)
    mac = hmac.digest(key, message, "sha256")[:_MAC_LENGTH]
    return _base64url(subscription_id.to_bytes(8, "big", signed=True) + mac)


def read_subscription_token(key: bytes, site_id: int, token: str) -> int | None:
    """The id of the subscription that a genuine token names; None for anything else."""
    try:
        raw = binascii.a2b_base64(token.encode("ascii").translate(_FROM_URL), strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both ValueErrors
        return None
    subscription_id = int.from_bytes(raw[:8], "big", signed=True)
    expected = issue_subscription_token(key, site_id, subscription_id)
    return subscription_id if hmac.compare_digest(expected.encode(), token.encode()) else None


class EventToken(NamedTuple):
    """What an event token says. `issued_at` in milliseconds, rounded down to the hour."""

    site_id: int
    message_id: int
    subscription_id: int
    variant: int
    issued_at: int


class EventTokenRefusal(StrEnum):
    MALFORMED = "malformed"  # not a token of ours at all, or of a version this release does not know
    FORGED = "forged"  # the MAC does not fit
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"


class EventTokenRefused(Exception):
    """Why an event is not counted. No GatewayError: one bad event of an array must not fail the others."""

    def __init__(self, reason: EventTokenRefusal) -> None:
        super().__init__(reason)
        self.reason = reason


def issue_event_token(
    key: bytes, site_id: int, message_id: int, subscription_id: int, variant: int, issued_at: int
) -> str:
    """60 characters. On the sender's hot path, once per message. `variant` is 0 to 255, ids are int64."""
    hour = issued_at // HOUR
    facts = _EVENT.pack(_EVENT_VERSION, site_id, message_id, subscription_id, variant << 24 | hour)
    return _base64url(facts + hmac.digest(key, facts, "sha256")[:_MAC_LENGTH])


def read_event_token(token: str, key_of: Callable[[int], bytes], now: int, max_age: int) -> EventToken:
    """The facts of a genuine token no older than `max_age` milliseconds; EventTokenRefused otherwise.

    `key_of(site_id)` is asked with whatever a stranger wrote: derive the key, look nothing up.
    """
    raw = _parse(token)
    _, site_id, message_id, subscription_id, rest = _EVENT.unpack_from(raw)
    mac = hmac.digest(key_of(site_id), raw[: _EVENT.size], "sha256")[:_MAC_LENGTH]
    if not hmac.compare_digest(mac, raw[_EVENT.size :]):  # 45 bytes have one spelling only in 60 characters
        raise EventTokenRefused(EventTokenRefusal.FORGED)
    facts = EventToken(site_id, message_id, subscription_id, rest >> 24, (rest & 0xFFFFFF) * HOUR)
    if facts.issued_at > now + HOUR:  # machines of one gateway may disagree about the time a little
        raise EventTokenRefused(EventTokenRefusal.FROM_THE_FUTURE)
    if now - facts.issued_at > max_age:
        raise EventTokenRefused(EventTokenRefusal.TOO_OLD)
    return facts


def _parse(token: str) -> bytes:
    try:
        raw = binascii.a2b_base64(token.encode("ascii").translate(_FROM_URL), strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both ValueErrors
        raise EventTokenRefused(EventTokenRefusal.MALFORMED) from None
    if len(token) != _EVENT_TOKEN_LENGTH or len(raw) != _EVENT.size + _MAC_LENGTH or raw[0] != _EVENT_VERSION:
        raise EventTokenRefused(EventTokenRefusal.MALFORMED)
    return raw


def _base64url(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")
