"""What the four push services answer, in outline: enough for a load test; tests/fakes/rules is strict.

Sources: autopush-rs (docs/src/errors.md), Chromium's web_push_common.cc, Apple's "Sending web push
notifications in web apps and browsers", Microsoft's push-request-response-headers.md, field reports.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from http import HTTPStatus

from gateway.webpush.endpoint import Provider

DAY = 86_400
MAX_BODY = 4096
MAX_BODY_WNS = 5000

# Where each provider's endpoints are: what a browser is given, with a token in place of the star.
ENDPOINTS = {
    Provider.FCM: "https://fcm.googleapis.com/fcm/send/*",
    Provider.MOZILLA: "https://updates.push.services.mozilla.com/wpush/v2/*",
    Provider.APPLE: "https://web.push.apple.com/*",
    Provider.WNS: "https://wns2-par02p.notify.windows.com/w/?token=*",
}
HOSTS = {url.split("/")[2]: provider for provider, url in ENDPOINTS.items()}


class Fault(StrEnum):
    """Why a push is not taken."""

    METHOD = auto()
    UNAUTHENTICATED = auto()
    BAD_TOKEN = auto()
    WRONG_KEY = auto()
    UNKNOWN = auto()
    GONE = auto()
    TOO_LARGE = auto()
    BAD_TTL = auto()
    BAD_ENCODING = auto()
    THROTTLED = auto()
    OVERLOADED = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. Frozen and hashable, so that the same one is written out once."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a push says. `key` is the application server key as in `k`; "" when there is none."""

    host: str
    length: int | None
    topic: str
    key: str
    fault: Fault | None  # whatever the body is


_LINE = re.compile(rb"\r\n([A-Za-z-]+): *([^\r]*)")
_VAPID = re.compile(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), *k=([\w-]{87})")


def read_head(lines: bytes, now: float) -> Head:
    """Judge the header lines of a request, each with CR LF before it. `now` in seconds since the epoch.

    Claims of the VAPID token are looked at (RFC 8292 section 2), its signature is not: that is for the tests.
    """
    fields = {name.lower().decode(): value.decode("latin-1") for name, value in _LINE.findall(lines)}
    host, length = fields.get("host", ""), fields.get("content-length", "")
    key, fault = _authorized(fields.get("authorization", ""), f"https://{host}", now)
    if fault is None and not fields.get("ttl", "").isdigit():
        fault = Fault.BAD_TTL
    if fault is None and fields.get("content-encoding", "aes128gcm") != "aes128gcm":
        fault = Fault.BAD_ENCODING
    size = int(length) if length.isdigit() else None
    return Head(host, size, fields.get("topic", ""), key, fault)


def _authorized(text: str, origin: str, now: float) -> tuple[str, Fault | None]:
    if not text:
        return "", Fault.UNAUTHENTICATED
    match = _VAPID.fullmatch(text)
    if match is None:
        return "", Fault.BAD_TOKEN
    try:
        claims = json.loads(base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4)))
        expires, audience = float(claims["exp"]), claims["aud"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return match[4], Fault.BAD_TOKEN
    if audience != origin or not now < expires <= now + DAY:
        return match[4], Fault.BAD_TOKEN
    return match[4], None


def provider_of(host: str, path: str) -> Provider:
    """By host; on any other host (`localhost:4430`) by the first part of the path, `/fcm/…` say."""
    known = HOSTS.get(host)
    if known is not None:
        return known
    first = path[1:].partition("/")[0]
    return Provider(first) if first in _NAMES else Provider.OTHER


_NAMES = frozenset(provider.value for provider in Provider)


def too_large(provider: Provider, size: int) -> bool:
    return size > (MAX_BODY_WNS if provider is Provider.WNS else MAX_BODY)


@lru_cache(maxsize=512)
def refusal(provider: Provider, fault: Fault, retry_after: int = 0) -> Answer:
    """How `provider` says no; `retry_after` in seconds, 0 for none."""
    status = _OWN_STATUS.get((provider, fault)) or _STATUS[fault]
    waiting = (("Retry-After", str(retry_after)),) if retry_after else ()
    words = _WORDS.get((provider, fault), fault.value.replace("_", " "))
    if provider is Provider.MOZILLA:
        text = {"code": status, "errno": _ERRNO[fault], "error": HTTPStatus(status).phrase, "message": words}
        return Answer(status, (("Content-Type", "application/json"), *waiting), json.dumps(text).encode())
    if provider is Provider.APPLE:
        reason = json.dumps({"reason": _REASON[fault]}).encode()
        return Answer(status, (("Content-Type", "application/json"), *waiting), reason)
    if provider is Provider.WNS:  # the body is empty, the reason is in the head
        described = ("X-WNS-Error-Description", words)
        return Answer(status, (("X-WNS-NotificationStatus", "dropped"), described, *waiting))
    return Answer(status, (("Content-Type", "text/plain"), *waiting), f"{words}\n".encode())


def accepted(provider: Provider) -> Answer:
    if provider is Provider.WNS:
        return Answer(201, (("X-WNS-NotificationStatus", "received"), ("X-WNS-Status", "connected")))
    if provider is Provider.APPLE:
        return Answer(201, (("apns-id", "00000000-0000-4000-8000-000000000000"),))
    return Answer(201, (("TTL", "86400"),))


_STATUS: Mapping[Fault, int] = {
    Fault.METHOD: 405,
    Fault.UNAUTHENTICATED: 401,
    Fault.BAD_TOKEN: 403,
    Fault.WRONG_KEY: 403,
    Fault.UNKNOWN: 404,
    Fault.GONE: 410,
    Fault.TOO_LARGE: 413,
    Fault.BAD_TTL: 400,
    Fault.BAD_ENCODING: 400,
    Fault.THROTTLED: 429,
    Fault.OVERLOADED: 503,
}
_OWN_STATUS: Mapping[tuple[Provider, Fault], int] = {
    (Provider.FCM, Fault.TOO_LARGE): 400,
    (Provider.MOZILLA, Fault.BAD_TOKEN): 401,
    (Provider.MOZILLA, Fault.WRONG_KEY): 401,
    (Provider.MOZILLA, Fault.THROTTLED): 503,  # there is no 429 in autopush
    (Provider.APPLE, Fault.WRONG_KEY): 400,
    (Provider.WNS, Fault.BAD_TOKEN): 401,
    (Provider.WNS, Fault.WRONG_KEY): 401,
    (Provider.WNS, Fault.THROTTLED): 406,
}
_WORDS: Mapping[tuple[Provider, Fault], str] = {
    (Provider.FCM, Fault.UNAUTHENTICATED): "Authorization header must be specified",
    (Provider.FCM, Fault.BAD_TOKEN): "permission denied: invalid JWT provided",
    (Provider.FCM, Fault.WRONG_KEY): "the VAPID credentials in the authorization header do not correspond to "
    "the credentials used to create the subscriptions",
    (Provider.FCM, Fault.GONE): "push subscription has unsubscribed or expired",
    (Provider.FCM, Fault.TOO_LARGE): "binary data passed in the request must be less than 4096 bytes",
    (Provider.FCM, Fault.BAD_TTL): "InvalidTtlParameter",
    (Provider.MOZILLA, Fault.WRONG_KEY): "VAPID public key mismatch",
    (Provider.MOZILLA, Fault.GONE): "No such subscription",
    (Provider.WNS, Fault.WRONG_KEY): "JWT Authentication Failed, unable to validate token signature",
    (Provider.WNS, Fault.GONE): "The channel expired.",
}
_ERRNO: Mapping[Fault, int] = {
    Fault.METHOD: 999,
    Fault.UNAUTHENTICATED: 109,
    Fault.BAD_TOKEN: 109,
    Fault.WRONG_KEY: 109,
    Fault.UNKNOWN: 102,
    Fault.GONE: 106,
    Fault.TOO_LARGE: 104,
    Fault.BAD_TTL: 111,
    Fault.BAD_ENCODING: 110,
    Fault.THROTTLED: 201,
    Fault.OVERLOADED: 201,
}
_REASON: Mapping[Fault, str] = {
    Fault.METHOD: "MethodNotAllowed",
    Fault.UNAUTHENTICATED: "BadJwtToken",
    Fault.BAD_TOKEN: "BadJwtToken",
    Fault.WRONG_KEY: "VapidPkHashMismatch",
    Fault.UNKNOWN: "BadPath",
    Fault.GONE: "Unregistered",
    Fault.TOO_LARGE: "PayloadTooLarge",
    Fault.BAD_TTL: "BadTtl",
    Fault.BAD_ENCODING: "BadWebPushRequest",
    Fault.THROTTLED: "TooManyRequests",
    Fault.OVERLOADED: "ServiceUnavailable",
}
