"""The master key: what makes a stolen copy of the database worthless.

It seals the application server keys at rest and is the root of every key from which tokens are made. All
machines of one database share it; the database stores its fingerprint, so that a gateway with another one
can tell.
"""

import base64
import binascii
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import CannotStart, SealedValueUnreadable

FILE_NAME = "master.key"
KEY_LENGTH = 32
_FROM_URL = str.maketrans("-_", "+/")
_SEAL_VERSION = b"\x01"
_NONCE_LENGTH = 12  # NIST SP 800-38D section 8.2.2: random nonces are safe for 2^32 seals under one key


class MasterKey:
    """32 secret bytes and what is done with them. Neither `repr` nor `str` shows them."""

    __slots__ = ("_aead", "_root", "fingerprint")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_LENGTH:
            raise ValueError(f"a master key has {KEY_LENGTH} bytes, not {len(key)}")
        # HKDF-Extract (RFC 5869 section 2.2), once; `derive` is the Expand step.
        self._root = hmac.digest(b"webpush-gateway master key", key, "sha256")
        self._aead = AESGCM(self.derive("seal"))
        self.fingerprint: str = self.derive("fingerprint")[:16].hex()

    def derive(self, purpose: str, id: int = 0) -> bytes:
        """32 bytes for one purpose and one id, a site's say (HKDF-Expand, SHA-256). 2 µs: no cache needed."""
        info = purpose.encode() + b"\x00" + id.to_bytes(8, "big", signed=True)
        return hmac.digest(self._root, info + b"\x01", "sha256")

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt with AES-256-GCM. `context` says whose secret it is: opening under another one fails."""
        nonce = os.urandom(_NONCE_LENGTH)
        return _SEAL_VERSION + nonce + self._aead.encrypt(nonce, plaintext, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What `seal` was given. SealedValueUnreadable: another key, another context, or changed bytes."""
        nonce, box = sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        if sealed[:1] != _SEAL_VERSION or len(nonce) != _NONCE_LENGTH:
            raise SealedValueUnreadable
        try:
            return self._aead.decrypt(nonce, box, context.encode())
        except InvalidTag as exc:
            raise SealedValueUnreadable from exc

    def __repr__(self) -> str:
        return f"<MasterKey {self.fingerprint}>"


def parse_master_key(text: str) -> bytes:
    """The 32 bytes of a key in base64 or base64url, padded or not. ValueError with a sentence otherwise."""
    text = text.strip().rstrip("=")
    try:
        key = binascii.a2b_base64(text.translate(_FROM_URL) + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_LENGTH:
        raise ValueError("is not 32 bytes in base64 (`openssl rand -base64 32` makes one)")
    return key


def load_master_key(key: bytes | None, data_dir: Path) -> MasterKey:
    """The key of the setting, else the one in `data_dir`, created there (mode 0600) at the first start.

    Two processes that start at once end up with the same key. CannotStart when it cannot be read or created.
    """
    if key is not None:
        return MasterKey(key)
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        return MasterKey(parse_master_key(path.read_text("ascii")))
    except OSError as exc:
        raise CannotStart(
            f"The master key cannot be read or created at {path} ({exc.strerror}): "
            "make GATEWAY_DATA_DIR writable, or set GATEWAY_MASTER_KEY or GATEWAY_MASTER_KEY_FILE."
        ) from exc
    except ValueError as exc:
        raise CannotStart(
            f"The master key in {path} cannot be used: restore the file from a backup, or set "
            "GATEWAY_MASTER_KEY. A new key could not open the application server keys that are stored."
        ) from exc


def _create(path: Path) -> None:
    """Write the key under another name, then link it: nobody reads half a key, and the first link wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = base64.urlsafe_b64encode(os.urandom(KEY_LENGTH)).rstrip(b"=") + b"\n"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
