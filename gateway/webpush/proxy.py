"""The way out when a network allows none but through a proxy: HTTPS_PROXY and NO_PROXY as curl reads them.

Decided here, not inside libcurl, because the address check at the socket has to know which of the two it
sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

DIRECT = ""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """A proxy for all push services but those of `bypass`. The URL may hold a password and stays out of
    repr.
    """

    url: str = field(default=DIRECT, repr=False)
    bypass: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ProxySettings":
        """As curl: https_proxy, then HTTPS_PROXY, all_proxy, ALL_PROXY; no_proxy, then NO_PROXY."""
        names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        url = next((environment[name] for name in names if environment.get(name)), DIRECT)
        bypass = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
        entries = bypass.replace(",", " ").split()
        return cls(url, tuple(entry.lower().lstrip(".") for entry in entries))

    def for_host(self, host: str) -> str:
        """The proxy's URL for a host in lower case, or DIRECT."""
        return DIRECT if any(_covers(entry, host) for entry in self.bypass) else self.url


def _covers(entry: str, host: str) -> bool:
    """Whether an entry of NO_PROXY names the host: `*`, a name with its sub-domains, an address or a CIDR
    block.
    """
    if entry in ("*", host) or host.endswith("." + entry):
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
