"""Endpoints come from strangers and are the addresses we connect to: parsed strictly, held to a list of
hosts.

The URL is taken apart by hand and put together again from the parts that were checked, so that no second
parser (libcurl's) can read another host out of the same text.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address

from gateway.webpush.errors import InvalidEndpoint, InvalidPushHost

MAX_ENDPOINT = 2048
HTTPS_PORT = 443
MAX_CACHED_ORIGINS = 4096
PREFIX = "https://"

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


class Provider(StrEnum):
    """Who runs the push service behind an endpoint."""

    FCM = "fcm"
    MOZILLA = "mozilla"
    APPLE = "apple"
    WNS = "wns"
    OTHER = "other"


# Each stands for itself and its sub-domains.
KNOWN_HOSTS = {
    "fcm.googleapis.com": Provider.FCM,
    "jmt17.google.com": Provider.FCM,  # unbranded Chromium
    "android.googleapis.com": Provider.FCM,  # subscriptions from before 2016
    "push.services.mozilla.com": Provider.MOZILLA,
    "push.apple.com": Provider.APPLE,
    "notify.windows.com": Provider.WNS,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of endpoints: what connections, VAPID tokens and limits are kept per."""

    text: str  # as in RFC 6454, section 6.2: no port when it is 443
    host: str  # lower case; IPv6 without brackets
    port: int
    provider: Provider
    configured: bool  # on the operator's own list: may be a loopback or private address

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A push resource (RFC 8030, section 2) on a host that we talk to. `url` is what is stored and connected
    to.
    """

    url: str
    origin: Origin

    @property
    def provider(self) -> Provider:
        return self.origin.provider


@dataclass(frozen=True, slots=True)
class PushHosts:
    """The known push services, and the `(host, port)` pairs that the operator added."""

    extras: frozenset[tuple[str, int]] = frozenset()
    _origins: dict[str, Origin] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "PushHosts":
        """Read `host[:port],…`; raises InvalidPushHost naming the entry. Without a port it is 443."""
        entries = (entry.strip() for entry in text.split(","))
        return cls(frozenset(_parse_extra(entry) for entry in entries if entry))

    def origin(self, url: str) -> Origin:
        """The origin of a URL that `parse_endpoint` returned once, checked against this list, and cached.

        For the hot path, where URLs come from our own storage. Raises InvalidEndpoint when the host is no
        longer listed.
        """
        end = url.find("/", len(PREFIX))
        found = self._origins.get(url[:end]) if end > 0 else None
        if found is None:
            found = parse_endpoint(url, self).origin
            if len(self._origins) >= MAX_CACHED_ORIGINS:
                self._origins.clear()
            self._origins[found.text] = found
        return found

    def find(self, host: str, port: int) -> tuple[Provider, bool] | None:
        """Who runs `host`, and whether the operator listed it with this port; None when nobody listed it."""
        provider = next((KNOWN_HOSTS[name] for name in _self_and_parents(host) if name in KNOWN_HOSTS), None)
        if any((name, port) in self.extras for name in _self_and_parents(host)):
            return provider or Provider.OTHER, True
        if provider is not None and port == HTTPS_PORT:
            return provider, False
        return None


def parse_endpoint(text: str, hosts: PushHosts) -> Endpoint:
    """Turn what a browser or an import file says into an Endpoint; raises InvalidEndpoint with a sentence.

    https only; no user name, fragment, white space, control character or backslash; port 443 and a name
    unless the operator listed another; the host is equal to, or a sub-domain of, a listed one.
    """
    if len(text) > MAX_ENDPOINT:
        raise InvalidEndpoint(
            f"the endpoint is {len(text)} characters long, at most {MAX_ENDPOINT} are allowed"
        )
    if not all("!" <= character <= "~" for character in text):
        raise InvalidEndpoint("the endpoint has white space, control characters or characters outside ASCII")
    if "\\" in text or "#" in text:
        raise InvalidEndpoint("the endpoint has a backslash or a fragment")
    if text[: len(PREFIX)].lower() != PREFIX:
        raise InvalidEndpoint("the endpoint must begin with https://")
    authority, path = split_authority(text[len(PREFIX) :])
    if "@" in authority:
        raise InvalidEndpoint("the endpoint has a user name or password")
    try:
        host, port = split_port(authority.lower())
    except ValueError as error:
        raise InvalidEndpoint(f"the endpoint's {error}") from None
    found = hosts.find(host, port)
    if found is None:
        raise InvalidEndpoint(_why_unlisted(host, port, hosts))
    provider, configured = found
    origin = Origin(_origin_text(host, port), host, port, provider, configured)
    return Endpoint(origin.text + path, origin)


def split_authority(rest: str) -> tuple[str, str]:
    """`host:port` and what follows it, which always begins with a slash; of a URL without its scheme."""
    end = next((index for index, character in enumerate(rest) if character in "/?"), len(rest))
    path = rest[end:]
    return rest[:end], path if path.startswith("/") else "/" + path


def split_port(authority: str, default: int = HTTPS_PORT) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port of `host[:port]` in lower case.

    The text of the ValueError goes on after «the endpoint's».
    """
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")) or not _is_ip(host) or "%" in host:
            raise ValueError("host is not an IPv6 address in brackets")
        host, colon, port_text = str(ip_address(host)), tail[:1], tail[1:]
    else:
        host, colon, port_text = authority.partition(":")
        _check_name(host)
    if not colon:
        return host, default
    if not _PORT.fullmatch(port_text) or not 0 < int(port_text) < 65536:
        raise ValueError("port is not a number between 1 and 65535")
    return host, int(port_text)


def _check_name(host: str) -> None:
    if not host:
        raise ValueError("host is missing")
    if host.endswith("."):
        raise ValueError("host ends with a dot")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("host is not a valid name")
    # Parsers disagree on 127.1, 0x7f000001 and 2130706433; only the plain form of an IPv4 address passes.
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and not _is_ip(host):
        raise ValueError("host is not a valid name")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _self_and_parents(host: str) -> list[str]:
    if _is_ip(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _why_unlisted(host: str, port: int, hosts: PushHosts) -> str:
    if _is_ip(host):
        return "the endpoint's host is an IP address, not the name of a push service"
    if port != HTTPS_PORT and hosts.find(host, HTTPS_PORT) is not None:
        return f"the endpoint's port is {port}, only 443 is allowed"
    return "the endpoint's host is not a known push service"


def _origin_text(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{PREFIX}{name}" if port == HTTPS_PORT else f"{PREFIX}{name}:{port}"


def _parse_extra(entry: str) -> tuple[str, int]:
    try:
        return split_port(entry.lower())
    except ValueError as error:
        raise InvalidPushHost(f"push host {entry!r}: its {error}; write host or host:port") from None
