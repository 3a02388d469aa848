"""A browser's PushSubscription as JSON (W3C Push API, section 8), parsed to what can be pushed to."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from gateway.errors import FieldError, InvalidRequest
from gateway.webpush.endpoint import Endpoint, PushHosts, parse_endpoint
from gateway.webpush.errors import InvalidEndpoint, InvalidKey
from gateway.webpush.keys import decode_auth, decode_p256dh

EndpointText = Annotated[
    str, Meta(max_length=2048, description="https, on the host of a known push service.")
]
Expiration = Annotated[float, Meta(ge=0, le=2**53, description="Milliseconds since the epoch.")]

_NEVER = 253_402_300_800_000  # the end of the year 9999: no date that is later can be shown


class PushKeys(Struct, frozen=True):
    """RFC 8291 sections 2.1 and 3.2, base64url."""

    p256dh: Annotated[str, Meta(max_length=128)]
    auth: Annotated[str, Meta(max_length=64)]


class PushSubscriptionJson(Struct, frozen=True, rename={"expiration_time": "expirationTime"}):
    """What `PushSubscription.toJSON()` returns. Fields that later browsers add are left alone."""

    endpoint: EndpointText
    keys: PushKeys
    expiration_time: Expiration | None = None


@dataclass(frozen=True, slots=True)
class PushSubscription:
    """Can be encrypted for: the host is listed, the key is on the curve, `auth` has its 16 bytes."""

    endpoint: Endpoint
    p256dh: bytes
    auth: bytes
    expires_at: int | None


def parse_push_subscription(
    endpoint: str, keys: PushKeys, expiration_time: float | None, hosts: PushHosts, now: int, path: str = ""
) -> PushSubscription:
    """InvalidRequest names everything that is wrong; `path` is put before the names, `subscription.` say."""
    errors = []
    try:
        parsed = parse_endpoint(endpoint, hosts)
    except InvalidEndpoint as exc:
        errors.append(FieldError(f"{path}endpoint", _sentence(exc)))
    try:
        p256dh = decode_p256dh(keys.p256dh)
    except InvalidKey as exc:
        errors.append(FieldError(f"{path}keys.p256dh", _sentence(exc)))
    try:
        auth = decode_auth(keys.auth)
    except InvalidKey as exc:
        errors.append(FieldError(f"{path}keys.auth", _sentence(exc)))
    expires_at = None if expiration_time is None or expiration_time >= _NEVER else int(expiration_time)
    if expires_at is not None and expires_at <= now:
        errors.append(FieldError(f"{path}expirationTime", "The subscription has expired."))
    if errors:
        raise InvalidRequest("This is not a subscription that the gateway can push to.", errors)
    return PushSubscription(parsed, p256dh, auth, expires_at)


def _sentence(exc: Exception) -> str:
    text = str(exc)
    return f"{text[:1].upper()}{text[1:]}."
