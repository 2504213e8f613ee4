"""Reads BOLT11 invoices that the operator's own LNbits has made.

The signature isn't checked. A stranger's invoice is decoded by LNbits instead: what pays an invoice must
have read the same in the invoice, however the invoice is crafted.
"""

import re
from dataclasses import dataclass

from dca_bot.core.bech32 import read_bech32

_PREFIX = re.compile(r"ln([a-z]+?)(?:([0-9]+)([munp]?))?")
_PICO_COINS = {"": 10**12, "m": 10**9, "u": 10**6, "n": 10**3, "p": 1}
_PICO_COINS_OF_MSAT = 10
_DATE_GROUPS, _HASH_GROUPS, _SIGNATURE_GROUPS = 7, 52, 104
_HASH, _EXPIRY = 1, 6
"""The letters p and x, which tag payment hash and expiry."""


@dataclass(frozen=True, slots=True)
class Bolt11:
    """What an invoice says; `amount_msat` is 0 without an amount, `expiry_s` counts from `date_s` (Unix)."""

    currency: str
    amount_msat: int
    date_s: int
    expiry_s: int | None
    payment_hash: str


def read_bolt11(text: str) -> Bolt11 | None:
    """Read an invoice; None for another text, and for an invoice that says a thing twice."""
    found = read_bech32(text)
    head = _PREFIX.fullmatch(found[0]) if found else None
    if found is None or head is None:
        return None
    pico_coins = int(head[2] or 0) * _PICO_COINS[head[3] or ""]
    groups = found[1][:-_SIGNATURE_GROUPS]
    fields = _fields(groups[_DATE_GROUPS:])
    hashes = [value for tag, value in fields if tag == _HASH]
    expiries = [_number(value) for tag, value in fields if tag == _EXPIRY]
    if [len(value) for value in hashes] != [_HASH_GROUPS] or len(expiries) > 1:
        return None
    if pico_coins % _PICO_COINS_OF_MSAT:
        return None
    return Bolt11(
        head[1],
        pico_coins // _PICO_COINS_OF_MSAT,
        _number(groups[:_DATE_GROUPS]),
        expiries[0] if expiries else None,
        f"{_number(hashes[0]) >> 4:064x}",  # 52 groups are 256 bits and 4 of padding
    )


def _fields(groups: list[int]) -> list[tuple[int, list[int]]]:
    """Return the tagged fields; the last one may be cut off."""
    found, start = [], 0
    while start + 3 <= len(groups):
        tag, length = groups[start], _number(groups[start + 1 : start + 3])
        found.append((tag, groups[start + 3 : start + 3 + length]))
        start += 3 + length
    return found


def _number(groups: list[int]) -> int:
    number = 0
    for group in groups:
        number = number << 5 | group
    return number
