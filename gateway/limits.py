"""How often one stranger may ask. Browsers behind one address of a carrier are many: limits are generous."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil

from gateway.clock import Clock
from gateway.errors import TooManyRequests
from gateway.setting_values import IPNetwork

_MOST_KEYS = (
    100_000  # some 20 MB; who comes from more addresses than that is not stopped by counting addresses
)


class RateLimit:
    """`burst` at once and `per_minute` in the long run, for each key: a number each (GCRA, ITU-T I.371)."""

    def __init__(self, clock: Clock, *, burst: int, per_minute: int) -> None:
        self._clock = clock
        self._interval = 60 / per_minute
        self._tolerance = self._interval * (burst - 1)
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()  # when a key has its whole burst again

    def take(self, key: Hashable) -> None:
        """TooManyRequests, with the seconds until the next one would be let through."""
        now = self._clock.monotonic()
        full_at = max(self._full_at.get(key, now), now)
        ahead = full_at - now - self._tolerance
        if ahead > 0:
            raise TooManyRequests(retry_after=max(1, ceil(ahead)))
        self._full_at[key] = full_at + self._interval
        self._full_at.move_to_end(key)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """A full bucket and none at all are the same; the longest unused go first."""
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= _MOST_KEYS:
                return
            del self._full_at[key]


def client_address(peer: str | None, forwarded_for: str, trusted: Sequence[IPNetwork]) -> str:
    """Who asks, as limits count: an IPv4 address, or an IPv6 /64, which is what one customer gets.

    `forwarded_for` is the whole X-Forwarded-For; believed from its end as far as trusted proxies wrote it.
    """
    address = _parse(peer or "")
    hops = forwarded_for.split(",") if forwarded_for else []
    while address is not None and hops and any(address in network for network in trusted):
        nearer = _parse(hops.pop())
        if nearer is None:
            break
        address = nearer
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it, with or without a port; an IPv4 address in IPv6 dress is what it is."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
