"""The receiving half of a browser: subscription keys, and decryption by a library that is not ours."""

import base64
import secrets
import struct

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.rules import Push

_HEAD = struct.Struct("!16sIB")  # salt, record size, length of the key id (RFC 8188 section 2.1)


class Unreadable(AssertionError):
    """A browser would drop this message without showing it."""


class UserAgent:
    """Keys as `PushManager.subscribe` makes them. Public values are base64url without padding."""

    def __init__(self) -> None:
        self._private_key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.plaintexts: list[bytes | None] = []
        self.dropped: list[str] = []
        point = self._private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.p256dh = encode(point)
        self.auth = encode(self._auth)

    def receive(self, push: Push) -> None:
        """Decrypt into `plaintexts`; what cannot be read goes to `dropped`, in words."""
        if not push.body:
            self.plaintexts.append(None)
            return
        try:
            self.plaintexts.append(self.decrypt(push.body))
        except Unreadable as error:
            self.dropped.append(str(error))

    def decrypt(self, body: bytes) -> bytes:
        """The plaintext of an RFC 8291 message; raises Unreadable."""
        if len(body) < _HEAD.size + 65:
            raise Unreadable("shorter than its own header")
        _, record_size, key_length = _HEAD.unpack_from(body)
        if key_length != 65:
            raise Unreadable("the key id is not an uncompressed P-256 point")
        if len(body) - _HEAD.size - key_length > record_size:
            raise Unreadable("more than one record (RFC 8291 section 4)")
        try:
            plaintext: bytes = http_ece.decrypt(
                body, private_key=self._private_key, auth_secret=self._auth, version="aes128gcm"
            )
        except Exception as error:  # http_ece lets cryptography's and struct's errors through beside its own
            raise Unreadable(f"{type(error).__name__}: {error}") from error
        return plaintext


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """base64url, padded or not."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def origin_of(endpoint: str) -> str:
    """Scheme, host and port of an endpoint (RFC 6454)."""
    return "/".join(endpoint.split("/", 3)[:3])
