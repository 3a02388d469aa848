"""Keys as browsers, admins and the database hand them over, checked where they come in."""

import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.webpush.errors import InvalidKey

CURVE: Final = ec.SECP256R1()
POINT_SIZE: Final = 65
AUTH_SIZE: Final = 16
SCALAR_SIZE: Final = 32

_MAX_TEXT = 4096
_TO_STANDARD = str.maketrans("-_", "+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


def decode_p256dh(text: str) -> bytes:
    """A subscription's public key (RFC 8291, section 2.1) as 65 bytes, known to be a point of P-256."""
    point = _decode(text, "p256dh")
    if len(point) != POINT_SIZE:
        raise InvalidKey(f"p256dh has {len(point)} bytes, an uncompressed P-256 point has {POINT_SIZE}")
    if point[0] != 4:
        raise InvalidKey("p256dh is not an uncompressed point: its first byte must be 4")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except ValueError:
        raise InvalidKey("p256dh is not a point of the curve P-256") from None
    return point


def decode_auth(text: str) -> bytes:
    """A subscription's authentication secret (RFC 8291, section 3.2): exactly 16 bytes."""
    secret = _decode(text, "auth")
    if len(secret) != AUTH_SIZE:
        raise InvalidKey(f"auth has {len(secret)} bytes, it must have {AUTH_SIZE}")
    return secret


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5; RFC 7515, section 2)."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


@dataclass(frozen=True, slots=True)
class ApplicationServerKey:
    """A site's VAPID key pair (RFC 8292). Equal when the public keys are; the secret stays out of repr and
    logs.
    """

    public: str  # base64url of the uncompressed point: 87 characters, as `pushManager.subscribe` takes it
    private_key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> "ApplicationServerKey":
        """A new pair from the operating system's randomness."""
        return cls._of(ec.generate_private_key(CURVE))

    @classmethod
    def from_raw(cls, raw: bytes) -> "ApplicationServerKey":
        """The pair of a 32 byte private key, as `raw` gave it; raises InvalidKey."""
        if len(raw) != SCALAR_SIZE:
            raise InvalidKey(f"the private key has {len(raw)} bytes, it must have {SCALAR_SIZE}")
        try:
            return cls._of(ec.derive_private_key(int.from_bytes(raw), CURVE))
        except ValueError:
            raise InvalidKey("the private key is not a number between 1 and the order of P-256") from None

    @classmethod
    def parse(cls, text: str) -> "ApplicationServerKey":
        """The pair of an imported private key: base64url of 32 bytes, or PEM (PKCS #8 or SEC 1); raises
        InvalidKey.
        """
        text = text.strip()
        if text.startswith("-----BEGIN"):
            return cls._from_pem(text)
        return cls.from_raw(_decode(text, "the private key"))

    @classmethod
    def _from_pem(cls, text: str) -> "ApplicationServerKey":
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except TypeError:
            raise InvalidKey("the private key is protected by a password: decrypt it first") from None
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey("the private key is not a readable PEM") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InvalidKey("the private key is not one of the curve P-256")
        return cls._of(key)

    @classmethod
    def _of(cls, private_key: ec.EllipticCurvePrivateKey) -> "ApplicationServerKey":
        point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return cls(encode_base64url(point), private_key)

    @property
    def raw(self) -> bytes:
        """The private key as 32 bytes, big endian: what is encrypted at rest."""
        return self.private_key.private_numbers().private_value.to_bytes(SCALAR_SIZE)


def _decode(text: str, name: str) -> bytes:
    """Base64url with or without padding. The older alphabet (+ and /) is read too: many sites exported it."""
    if len(text) > _MAX_TEXT:
        raise InvalidKey(f"{name} is {len(text)} characters long")
    bare = text.rstrip("=").translate(_TO_STANDARD)
    try:
        return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except ValueError:
        raise InvalidKey(f"{name} is not base64url") from None
