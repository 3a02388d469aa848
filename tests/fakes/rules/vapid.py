"""Verifying `Authorization: vapid` (RFC 8292) from scratch, so that no line of the gateway checks itself."""

import base64
import binascii
import functools
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

MAX_LIFETIME = 24 * 3600
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


class Fault(StrEnum):
    """Everything the services complain about, each in its own words."""

    MISSING = "no Authorization header"
    MALFORMED = "not `vapid t=…, k=…`"
    BAD_KEY = "k is not an uncompressed P-256 point in base64url without padding"
    BAD_TOKEN = "t is not a JWT signed with ES256"
    BAD_SIGNATURE = "the signature does not belong to k"
    NO_EXPIRY = "exp is missing or not a number"
    EXPIRED = "exp is in the past"
    EXPIRY_TOO_FAR = "exp is more than 24 hours ahead"
    WRONG_AUDIENCE = "aud is not the origin of the endpoint"


class VapidError(Exception):
    """The header does not prove who sends."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Vapid:
    """A header that holds: the sender's public key (65 bytes) and the signed claims."""

    key: bytes
    claims: dict[str, Any]


def verify(authorization: str, origin: str, now: int) -> Vapid:
    """Check everything RFC 8292 section 2 asks for; raises VapidError naming the first fault."""
    if not authorization:
        raise VapidError(Fault.MISSING)
    vapid = _verify_signature(authorization)
    expiry = vapid.claims.get("exp")
    if not isinstance(expiry, int) or isinstance(expiry, bool):
        raise VapidError(Fault.NO_EXPIRY)
    if expiry <= now:
        raise VapidError(Fault.EXPIRED)
    if expiry > now + MAX_LIFETIME:
        raise VapidError(Fault.EXPIRY_TOO_FAR)
    if vapid.claims.get("aud") != origin:
        raise VapidError(Fault.WRONG_AUDIENCE)
    return vapid


@functools.lru_cache(maxsize=1024)  # a sender repeats its header for an hour: verify it once
def _verify_signature(authorization: str) -> Vapid:
    token, key = _parameters(authorization)
    try:
        point = _decode(key)
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        if len(point) != 65:
            raise ValueError("compressed")
    except ValueError:
        raise VapidError(Fault.BAD_KEY) from None
    try:
        head, payload, signature = token.split(".")
        header, claims, raw = json.loads(_decode(head)), json.loads(_decode(payload)), _decode(signature)
    except ValueError:
        raise VapidError(Fault.BAD_TOKEN) from None
    if (
        not isinstance(header, dict)
        or header.get("alg") != "ES256"
        or not isinstance(claims, dict)
        or len(raw) != 64
    ):
        raise VapidError(Fault.BAD_TOKEN)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    try:
        public_key.verify(der, f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise VapidError(Fault.BAD_SIGNATURE) from None
    return Vapid(point, claims)


def _parameters(authorization: str) -> tuple[str, str]:
    """t and k of the auth-scheme `vapid` (RFC 8292 section 3)."""
    scheme, _, rest = authorization.partition(" ")
    parameters = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if scheme.lower() != "vapid" or set(parameters) != {"t", "k"}:
        raise VapidError(Fault.MALFORMED)
    return parameters["t"], parameters["k"]


def _decode(text: str) -> bytes:
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url without padding")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
