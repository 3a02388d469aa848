"""VAPID (RFC 8292): who we are, signed once per application server key and push service and then reused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from py_vapid.jwt import sign

from gateway.webpush.errors import InvalidContact
from gateway.webpush.keys import ApplicationServerKey

HOUR: Final = 3_600_000
LIFETIME: Final = (
    12 * HOUR
)  # at most 24 h by RFC 8292, section 2; half of it forgives a clock that is hours off
RENEW_AFTER: Final = 6 * HOUR  # Apple asks for no more than one new token an hour
MAX_CACHED: Final = 4096
MAX_CONTACT: Final = 255

_MAIL_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(
    r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_LOCAL_DOMAINS = (".local", ".localhost", ".localdomain", ".internal", ".invalid", ".lan")


@dataclass(frozen=True, slots=True)
class Authorization:
    """An Authorization header's value and how long to use it, in milliseconds since the epoch."""

    value: str
    issued_at: int

    def is_fresh(self, now_at: int) -> bool:
        """Whether it may still be used. A clock set back by more than an hour asks for a new one too."""
        return -HOUR <= now_at - self.issued_at < RENEW_AFTER


class VapidTokens:
    """Authorization headers per (key, contact, origin), each valid for 12 hours and renewed after 6."""

    def __init__(self, clock: Callable[[], int], limit: int = MAX_CACHED) -> None:
        """`clock` gives milliseconds since the epoch; the oldest of more than `limit` is forgotten."""
        self._clock = clock
        self._limit = limit
        self._cached: dict[tuple[str, str, str], Authorization] = {}

    def get(self, key: ApplicationServerKey, contact: str, origin: str) -> Authorization:
        """The header for pushes to `origin` (RFC 8292, section 3). `contact` is as parse_contact returned
        it.
        """
        now_at = self._clock()
        name = (key.public, contact, origin)
        cached = self._cached.get(name)
        if cached is not None and cached.is_fresh(now_at):
            return cached
        # One dict per token: pywebpush wrote `aud` into its caller's, and the next push service got the wrong
        # one.
        claims = {"aud": origin, "exp": (now_at + LIFETIME) // 1000, "sub": contact}
        token: str = sign(claims, key.private_key)
        made = Authorization(f"vapid t={token}, k={key.public}", now_at)
        self._cached.pop(name, None)
        while len(self._cached) >= self._limit:
            del self._cached[next(iter(self._cached))]
        self._cached[name] = made
        return made


def parse_contact(text: str) -> str:
    """A site's contact as the `sub` of its tokens; raises InvalidContact with a sentence.

    `mailto:` with an address or an https: URL (RFC 8292, section 2.1), on a public domain name: Apple refuses
    tokens that name localhost, a .local domain, or have spaces or angle brackets.
    """
    if len(text) > MAX_CONTACT:
        raise InvalidContact(f"the contact is {len(text)} characters long, at most {MAX_CONTACT} are allowed")
    if not all("!" <= character <= "~" and character not in '<>"\\' for character in text):
        raise InvalidContact(
            "the contact has white space, quotes, angle brackets or characters outside ASCII"
        )
    scheme, _, rest = text.partition(":")
    if scheme.lower() == "mailto":
        local_part, _, domain = rest.rpartition("@")
        if not _MAIL_LOCAL_PART.fullmatch(local_part):
            raise InvalidContact("the contact is not one e-mail address after mailto:")
    elif scheme.lower() == "https":
        domain = _host_of_url(text)
    else:
        raise InvalidContact("the contact must begin with mailto: or https://")
    if not _DOMAIN.fullmatch(domain) or domain.lower().endswith(_LOCAL_DOMAINS):
        raise InvalidContact("the contact's domain is not a public one, such as example.com")
    return f"{scheme.lower()}:{rest}"


def _host_of_url(text: str) -> str:
    try:
        url = urlsplit(text)
        if url.username is not None or url.port == 0:
            raise ValueError
    except ValueError:
        raise InvalidContact("the contact is not a valid https:// URL") from None
    return url.hostname or ""
