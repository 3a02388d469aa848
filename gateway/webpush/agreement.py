"""The key agreement of a push (RFC 8291, section 3.1): an ephemeral key pair, a secret shared with a browser.

There are two ways to the same result: `cryptography`, and the OpenSSL 3 that Python is linked to, which takes
a quarter less CPU. Which one it is is decided once, here, after both have computed the same.
"""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.webpush.keys import CURVE, POINT_SIZE
from gateway.webpush.libcrypto import P256, open_p256

Agree = Callable[[bytes, bytes | None], tuple[bytes, bytes]]

_ECDH = ec.ECDH()
_TEST_SCALAR = bytes(range(1, 33))


def agree_by_cryptography(p256dh: bytes, scalar: bytes | None = None) -> tuple[bytes, bytes]:
    """As `agree`, on any machine."""
    if len(p256dh) != POINT_SIZE:
        raise ValueError("p256dh is not an uncompressed point of P-256")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    if scalar is None:
        ephemeral = ec.generate_private_key(CURVE)
    else:
        ephemeral = ec.derive_private_key(int.from_bytes(scalar), CURVE)
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point, ephemeral.exchange(_ECDH, theirs)


def choose(p256: P256 | None) -> Agree:
    """The way through `p256` if it is there and computes what `cryptography` does, else the other."""
    if p256 is None:
        return agree_by_cryptography
    theirs = ec.derive_private_key(2, CURVE).public_key()
    p256dh = theirs.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    try:
        same = p256.agree(p256dh, _TEST_SCALAR) == agree_by_cryptography(p256dh, _TEST_SCALAR)
    except ValueError:
        same = False
    return p256.agree if same else agree_by_cryptography


agree: Final[Agree] = choose(open_p256())
"""(65 bytes of ephemeral public key, 32 bytes of shared secret) for a browser's p256dh.

The second argument is the ephemeral private key, 32 bytes big endian: None for a new one, random and used
once; only a test vector passes its own. ValueError when p256dh is not an uncompressed point of P-256, or the
private key not between 1 and the curve's order.
"""
