"""How the text of a setting becomes a value. Every parser raises ValueError with the end of a sentence.

The sentence begins with the setting's name: "GATEWAY_PORT" + " must be a number from 1 to 65535".
"""

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from gateway.webpush import InvalidPushHost, PushHosts, split_port

SHORTEST_ADMIN_TOKEN = 16  # characters; guesses are not slowed down
LONGEST_ADMIN_TOKEN = 256

IPNetwork = IPv4Network | IPv6Network

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # a token (RFC 9110 section 5.1)


class HostPort(NamedTuple):
    """A host in lower case (IPv6 without brackets) and a port, None when the setting names none."""

    host: str
    port: int | None


def parse_text(text: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("must not contain spaces or control characters")
    return text


def parse_admin_token(text: str) -> str:
    if not (text.isascii() and SHORTEST_ADMIN_TOKEN <= len(parse_text(text)) <= LONGEST_ADMIN_TOKEN):
        raise ValueError(
            f"must have {SHORTEST_ADMIN_TOKEN} to {LONGEST_ADMIN_TOKEN} ASCII characters "
            "(`openssl rand -hex 32` makes one)"
        )
    return text


def parse_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError(f"must be a number from {lowest} to {highest}")
        return int(text)

    return parse


def parse_directory(text: str) -> Path:
    return Path(text).expanduser().absolute()


def parse_readable_file(text: str) -> Path:
    path = parse_directory(text)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError("must name a file that can be read")
    return path


def parse_choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def parse_public_url(text: str) -> str:
    """Without the slash at the end, so that a path can be put behind it."""
    url = _split(text, "must look like https://push.example.com")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("must look like https://push.example.com")
    if url.query or url.fragment or url.username is not None or url.password is not None:
        raise ValueError("must not contain a user name, a query or a fragment")
    return text.rstrip("/")


def parse_database_url(text: str) -> str:
    sentence = "must look like postgresql://user:password@host/name or sqlite:////path/to/file.db"
    url = _split(text, sentence)
    if url.scheme == "sqlite":
        if url.netloc or not url.path.removeprefix("/"):
            raise ValueError(sentence)
    elif url.scheme not in ("postgresql", "postgres") or not url.path.strip("/"):
        raise ValueError(sentence)
    return text


def parse_push_hosts(text: str) -> PushHosts:
    """The known push services and these."""
    try:
        return PushHosts.parse(text)
    except InvalidPushHost as exc:
        raise ValueError(f"is wrong: {exc}") from None


def parse_hosts(text: str) -> tuple[HostPort, ...]:
    return tuple(_host_port(item) for item in _items(text))


def parse_header_name(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError("must be the name of a header, CF-IPCountry say")
    return text


def parse_networks(text: str) -> tuple[IPNetwork, ...]:
    return tuple(_network(item) for item in _items(text))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _network(item: str) -> IPNetwork:
    try:
        return ip_network(item)
    except ValueError as exc:
        raise ValueError(f"holds {item!r}, which is not a network like 10.0.0.0/8 ({exc})") from None


def _host_port(item: str) -> HostPort:
    """As strictly as an endpoint's host: what two parsers could read differently names no host."""
    try:
        host, port = split_port(item.lower(), default=0)
    except ValueError as error:
        raise ValueError(f"holds {item!r}, which is not host or host:port: its {error}") from None
    return HostPort(host, port or None)


def _split(text: str, sentence: str) -> SplitResult:
    try:
        url = urlsplit(parse_text(text))
        _ = url.port  # raises when it is no number from 0 to 65535
    except ValueError:
        raise ValueError(sentence) from None
    if url.port == 0:
        raise ValueError(sentence)
    return url
