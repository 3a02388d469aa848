"""The dashboard's sessions: a cookie that stands for an API token, sealed, so that nothing is stored.

The cookie holds the token's hash and when the session ends; a token that is revoked or expires ends it, for
the token is looked up at each request as it is without a cookie. Whoever has the cookie alone can only read:
changes need the session's CSRF token as well, which pages of other origins cannot learn.
"""

import binascii
import hmac
from dataclasses import dataclass, field
from struct import Struct, error
from typing import Final

from gateway.errors import SealedValueUnreadable
from gateway.master_key import MasterKey

LASTS: Final = 12 * 3_600_000  # milliseconds

_SEALED_FOR = "dashboard session"
_CSRF = "dashboard csrf"
_FACTS = Struct(">32sq")
_LONGEST = 256
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Session:
    """`token_hash` is that of storage.tokens; `expires_at` in milliseconds since the epoch."""

    token_hash: bytes = field(repr=False)
    expires_at: int


def issue_session(master_key: MasterKey, token_hash: bytes, now: int) -> str:
    """The cookie's value, base64url."""
    sealed = master_key.seal(_FACTS.pack(token_hash, now + LASTS), _SEALED_FOR)
    return _base64url(sealed)


def read_session(master_key: MasterKey, cookie: str, now: int) -> Session | None:
    """None for what is not ours, was changed, or has ended."""
    if len(cookie) > _LONGEST:
        return None
    try:
        padded = cookie.encode("ascii").decode().translate(_FROM_URL) + "=" * (-len(cookie) % 4)
        facts = master_key.open(binascii.a2b_base64(padded, strict_mode=True), _SEALED_FOR)
        session = Session(*_FACTS.unpack(facts))
    except (ValueError, SealedValueUnreadable, error):  # the codec's and base64's errors are ValueErrors
        return None
    return session if now < session.expires_at else None


def csrf_token(master_key: MasterKey, cookie: str) -> str:
    """What a change has to bring along with this very cookie."""
    key = master_key.derive(_CSRF)
    return _base64url(hmac.digest(key, cookie.encode("utf-8", "surrogatepass"), "sha256"))


def is_csrf_token(master_key: MasterKey, cookie: str, given: str) -> bool:
    expected = csrf_token(master_key, cookie)
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _base64url(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")
