"""Judges addresses of the internet that other people choose: which may be connected to."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from itertools import chain, zip_longest

ADDRESSES_MAX = 8
"""How many addresses of one host are tried."""
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")


def is_public(text: str) -> bool:
    """Tell whether an IP address is reachable for everybody.

    An IPv6 address that embeds an IPv4 address is refused, because a private IPv4 address may be
    meant. The exception is NAT64 (RFC 6052), the only way from an IPv6-only network to IPv4 hosts:
    the embedded address is judged.

    >>> is_public("192.168.1.1"), is_public("::ffff:8.8.8.8"), is_public("64:ff9b::8.8.8.8")
    (False, False, True)
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
    # Python counts multicast addresses as global.
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def is_address(host: str) -> bool:
    """Tell whether a host is named by an IP address.

    >>> is_address("::1"), is_address("a.example")
    (True, False)
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether a host is this computer itself.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("192.168.1.1")
    (True, True, False)
    """
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def public_addresses(found: Iterable[str]) -> tuple[str, ...]:
    """Return a host's public addresses in the order to try, without repetitions."""
    return by_turns(address for address in found if is_public(address))


def by_turns(found: Iterable[str]) -> tuple[str, ...]:
    """Return a host's addresses in the order to try, without repetitions.

    IPv4 and IPv6 take turns (RFC 8305), as often one kind is entirely out of reach; the resolver's
    first kind begins.
    """
    known = list(dict.fromkeys(found))
    first_kind = [address for address in known if (":" in address) == (":" in known[0])]
    other_kind = [address for address in known if address not in first_kind]
    mixed = chain.from_iterable(zip_longest(first_kind, other_kind))
    return tuple(address for address in mixed if address)[:ADDRESSES_MAX]


def _embeds_another(address: IPv6Address) -> bool:
    inside = address.ipv4_mapped or address.sixtofour or address.teredo
    return bool(inside) or address in _LOCAL_NAT64
