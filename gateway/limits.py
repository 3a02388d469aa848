"""Limits per visitor's address, and which address is the visitor's."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.web import BaseRequest

from gateway.clock import Clock
from gateway.errors import TooManyRequests

IPAddress = IPv4Address | IPv6Address

_NOBODY = IPv4Address(0)
_MOST_ADDRESSES = 100_000  # about 20 MB


class AddressLimiter:
    """A token bucket for each IPv4 address and each IPv6 /64, which is what one visitor is given.

    `rate` requests a second on average, `burst` at once. Remembers the `most` addresses seen last: memory is
    bounded, and an attacker with more than that gains a fresh burst for each, no more.
    """

    def __init__(self, clock: Clock, rate: float, burst: int, most: int = _MOST_ADDRESSES) -> None:
        self._clock = clock
        self._interval = 1 / rate
        self._tolerance = burst / rate
        self._most = most
        # For each address when its bucket will be full again (the generic cell rate algorithm, ITU-T I.371).
        self._full_at: OrderedDict[int, float] = OrderedDict()

    def check(self, address: IPAddress) -> None:
        """Take one token. TooManyRequests, and nothing taken, when there is none."""
        key = _bucket(address)
        now = self._clock.monotonic()
        full_at = max(now, self._full_at.get(key, now)) + self._interval
        wait = full_at - now - self._tolerance
        if wait > 1e-9:  # what rounding leaves is not a token
            raise TooManyRequests("Too many requests from this address.", retry_after=math.ceil(wait))
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._full_at)


def client_address(request: BaseRequest, trusted: Sequence[IPv4Network | IPv6Network]) -> IPAddress:
    """Who sent the request: the peer, or, behind trusted proxies, whom the last of them says it came from.

    X-Forwarded-For is read from the right, one hop for each trusted proxy: whatever stands further left was
    written by a stranger. 0.0.0.0 when the connection is gone already.
    """
    address = _parse(request.remote or "") or _NOBODY
    if not trusted or not _is_trusted(address, trusted):
        return address
    hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
    for hop in reversed(hops):
        forwarded = _parse(hop)
        if forwarded is None:
            break
        address = forwarded
        if not _is_trusted(address, trusted):
            break
    return address


def comes_through(request: BaseRequest, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether a trusted proxy handed it over: then its headers are that proxy's word."""
    return bool(trusted) and _is_trusted(_parse(request.remote or "") or _NOBODY, trusted)


def _is_trusted(address: IPAddress, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in trusted)


def _parse(text: str) -> IPAddress | None:
    """An address, also as `192.0.2.1:443` or `[2001:db8::1]:443`; None when it is nothing of the kind."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _bucket(address: IPAddress) -> int:
    """IPv4 addresses are counted upwards from 0, IPv6 networks downwards from -1: they never meet."""
    return int(address) if isinstance(address, IPv4Address) else -1 - (int(address) >> 64)
