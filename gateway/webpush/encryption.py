"""Message encryption for web push: one aes128gcm record (RFC 8188) under keys agreed as in RFC 8291.

Written straight on `cryptography` and `hmac.digest` because this is the most expensive step of a push, most
of which is the key agreement (agreement.py). pywebpush and http_ece are what the tests compare it with.
"""

from hmac import digest
from os import urandom
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.webpush.agreement import agree
from gateway.webpush.errors import PayloadTooLarge

MAX_BODY: Final = 4096  # what every push service takes (RFC 8030, section 7.2)
SALT_SIZE: Final = 16
TAG_SIZE: Final = 16
HEADER_SIZE: Final = SALT_SIZE + 4 + 1 + 65  # salt, record size, key id length, key id
MAX_PLAINTEXT: Final = MAX_BODY - HEADER_SIZE - 1 - TAG_SIZE  # 3993: one byte is the delimiter

_RECORD_SIZE_AND_KEY_LENGTH = MAX_BODY.to_bytes(4) + b"\x41"
_LAST_RECORD = b"\x02"
_KEY_INFO = b"WebPush: info\x00"
_CEK_INFO = b"Content-Encoding: aes128gcm\x00\x01"
_NONCE_INFO = b"Content-Encoding: nonce\x00\x01"


def check_size(plaintext_size: int) -> None:
    """Raise PayloadTooLarge unless a plaintext of that many bytes fits into one record."""
    if plaintext_size > MAX_PLAINTEXT:
        raise PayloadTooLarge(plaintext_size, MAX_PLAINTEXT)


def encrypt(
    plaintext: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    ephemeral: bytes | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a push: exactly one record that only the browser with this `p256dh` and `auth` can read.

    `p256dh` and `auth` are as decode_p256dh and decode_auth returned them. The ephemeral private key (32
    bytes) and the salt are random and used once; only a test vector passes its own. Raises PayloadTooLarge
    above 3993 bytes.
    """
    check_size(len(plaintext))
    if salt is None:
        salt = urandom(SALT_SIZE)
    point, shared = agree(p256dh, ephemeral)
    # HKDF of RFC 5869 where each output is one block: an extract and an expand of one HMAC each.
    keyed = digest(digest(auth, shared, "sha256"), _KEY_INFO + p256dh + point + b"\x01", "sha256")
    pseudo_random_key = digest(salt, keyed, "sha256")
    content_key = digest(pseudo_random_key, _CEK_INFO, "sha256")[:16]
    nonce = digest(pseudo_random_key, _NONCE_INFO, "sha256")[:12]
    sealed = AESGCM(content_key).encrypt(nonce, plaintext + _LAST_RECORD, None)
    return salt + _RECORD_SIZE_AND_KEY_LENGTH + point + sealed
