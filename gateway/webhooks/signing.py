"""Signatures as in the Standard Webhooks specification 1.0.0, symmetric (`v1`)."""

import base64
import hmac
import secrets
from collections.abc import Iterable

SECRET_LENGTH = 32  # bytes; the specification asks for 24 to 64
PREFIX = "whsec_"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_LENGTH)


def write_secret(secret: bytes) -> str:
    """As receivers configure it."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(keys: Iterable[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one for each key, so that a receiver may have either.

    `timestamp`: seconds since the epoch, of this attempt. `id` is the same in every attempt, and has no dot.
    """
    content = f"{id}.{timestamp}.".encode() + body
    signed = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return " ".join(f"v1,{signature}" for signature in signed)
