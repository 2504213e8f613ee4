"""Which addresses of the internet may be connected to when somebody else has chosen them."""

from ipaddress import IPv6Address, IPv6Network, ip_address

_CARRIERS = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


def is_public(text: str) -> bool:
    """Tell whether an IP address is reachable for everybody and doesn't embed another one."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and (address.is_site_local or _embeds_another(address)):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _embeds_another(address: IPv6Address) -> bool:
    inside = address.ipv4_mapped or address.sixtofour or address.teredo
    return bool(inside) or any(address in carrier for carrier in _CARRIERS)
