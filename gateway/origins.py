"""Origins of pages (RFC 6454), as browsers write them in the Origin header."""

import re
from ipaddress import IPv6Address, ip_address

_ORIGIN = re.compile(r"(https?)://(\[[^]]*]|[^/?#@:\[\]\\\s]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*{_LABEL}")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class InvalidOrigin(ValueError):
    """The text is a sentence for whoever wrote the origin."""


def parse_origin(text: str) -> str:
    """`scheme://host[:port]` as a browser would write it. InvalidOrigin otherwise.

    https, or http on the machine itself: service workers need a secure context, and these are what browsers
    count as one (Secure Contexts, section 3.1).
    """
    parts = _ORIGIN.fullmatch(text.strip())
    if parts is None:
        raise InvalidOrigin("An origin is scheme, host and perhaps port, nothing else: https://example.com.")
    scheme = parts[1].lower()
    port = _DEFAULT_PORTS[scheme] if parts[3] is None else int(parts[3])
    if not 0 < port < 65536:
        raise InvalidOrigin("The port of this origin is not between 1 and 65535.")
    host, is_local = _host(parts[2])
    if scheme == "http" and not is_local:
        raise InvalidOrigin("Browsers give push to https:// pages only (http:// to localhost).")
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _host(text: str) -> tuple[str, bool]:
    """The host as it stands in a URL, and whether it is this machine."""
    bare = text.strip("[]")
    try:
        address = ip_address(bare)
    except ValueError:
        pass
    else:
        if isinstance(address, IPv6Address) is text.startswith("["):
            return f"[{address}]" if text.startswith("[") else str(address), address.is_loopback
    try:
        name = text.lower() if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise InvalidOrigin("The host of this origin is not a host name.")
    return name, name == "localhost" or name.endswith(".localhost")
