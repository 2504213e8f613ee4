"""Which addresses of the internet may be connected to when somebody else has chosen them."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from itertools import chain, zip_longest

ADDRESSES_MAX = 8
"""How many addresses of one host are tried."""
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")


def is_public(text: str) -> bool:
    """Tell whether an IP address is reachable for everybody.

    An IPv6 address that embeds an IPv4 address is refused, as it can lead to a private one; of NAT64
    (RFC 6052), which an IPv6-only network has for every IPv4 host, the embedded address counts.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            address = IPv4Address(address.packed[-4:])
        elif address.scope_id or address.is_site_local or _embeds_another(address):
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def public_addresses(found: Iterable[str]) -> tuple[str, ...]:
    """Return a host's public addresses in the order in which to try them.

    Each stands there once, IPv4 and IPv6 by turns (RFC 8305), as often all of one kind are out of
    reach; the kind that the resolver names first comes first.
    """
    public = [address for address in dict.fromkeys(found) if is_public(address)]
    first_kind = [address for address in public if (":" in address) == (":" in public[0])]
    other_kind = [address for address in public if address not in first_kind]
    by_turns = chain.from_iterable(zip_longest(first_kind, other_kind))
    return tuple(address for address in by_turns if address)[:ADDRESSES_MAX]


def _embeds_another(address: IPv6Address) -> bool:
    inside = address.ipv4_mapped or address.sixtofour or address.teredo
    return bool(inside) or address in _LOCAL_NAT64
