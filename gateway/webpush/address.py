"""Which network addresses a push may go to: the check made where the socket is made.

A name on the host list proves nothing about the address it resolves to a second later, therefore the address
is judged after resolution, on the value that is really connected to.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits


def is_public(address: str) -> bool:
    """Whether `address`, in text form, is one that anybody on the Internet could be asked to connect to.

    False for loopback, private, shared, link-local, multicast, reserved and unspecified addresses, for IPv6
    forms that carry such an IPv4 address (mapped, NAT64, 6to4, Teredo), and for anything that is no address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public4(parsed) if isinstance(parsed, IPv4Address) else _is_public6(parsed)


def _is_public4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public4(address.ipv4_mapped)
    if address in NAT64:
        return _is_public4(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None and not _is_public4(address.sixtofour):
        return False
    return address in GLOBAL_UNICAST and address.is_global
