"""Origins of pages (RFC 6454), as browsers write them in the Origin header."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

MAX_ORIGIN = 255

_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\Z"
)
_DEFAULT_PORTS = {"https": 443, "http": 80}


class InvalidOrigin(ValueError):
    """The text is a sentence for whoever wrote the origin."""


def parse_origin(text: str) -> str:
    """`scheme://host[:port]` as a browser would write it. InvalidOrigin otherwise.

    https, or http on the machine itself: service workers need a secure context, and these are what browsers
    count as one (Secure Contexts, section 3.1).
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise InvalidOrigin("This is not an origin such as https://example.com.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidOrigin("An origin begins with https:// and a host name.")
    if parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidOrigin("An origin is scheme, host and port only, such as https://example.com.")
    host, is_local = _host(parts.hostname)
    if parts.scheme == "http" and not is_local:
        raise InvalidOrigin("Browsers give push to https:// pages only (http:// to localhost).")
    shown = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _host(text: str) -> tuple[str, bool]:
    """The host as it stands in a URL, and whether it is this machine."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        pass
    else:
        return f"[{address}]" if isinstance(address, IPv6Address) else str(address), address.is_loopback
    try:
        name = text.lower() if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _NAME.match(name):
        raise InvalidOrigin("The host of this origin is not a host name.")
    return name, name == "localhost" or name.endswith(".localhost")
