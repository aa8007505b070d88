"""Which addresses of the internet are public; pure: no I/O."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# Not told by `is_global` in all supported versions of Python, or public and still no consumer's.
_REFUSED_V4: Final = tuple(
    ip_network(network)
    for network in (
        "100.64.0.0/10",  # shared by customers of a provider; a metadata service is among them
        "168.63.129.16/32",  # the metadata service of Azure
        "192.0.0.0/24",  # protocol assignments; a metadata service is among them
        "192.88.99.0/24",  # relays of 6to4
    )
)
# Everything that is routed on the internet lies here.
_PUBLIC_V6: Final = ip_network("2000::/3")
_REFUSED_V6: Final = tuple(ip_network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
# An IPv4 address in IPv6: the prefix, and how many bits stand below the address.
_EMBEDDED_V4: Final = (
    (ip_network("::ffff:0:0/96"), 0),  # mapped
    (ip_network("64:ff9b::/96"), 0),  # NAT64: a network without IPv4 reaches every IPv4 host so
    (ip_network("2002::/16"), 80),  # 6to4
)


def is_public(text: str) -> bool:
    """Whether an address, as the resolver writes it, is public: no address of this machine, its network or its cloud.

    An IPv4 address inside an IPv6 address is judged as itself.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is None:
            return address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)
        address = inner
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED_V4)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    for prefix, below in _EMBEDDED_V4:
        if address in prefix:
            return IPv4Address(int(address) >> below & 0xFFFFFFFF)
    return None
