"""Reads bech32 (BIP 173) of any length: LNURL codes and BOLT11 invoices."""

from functools import reduce
from operator import xor

_VALUES = {letter: value for value, letter in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_STEPS = [
    reduce(xor, (factor for place, factor in enumerate(_GENERATOR) if top >> place & 1), 0)
    for top in range(32)
]
_CHECKSUM_LETTERS = 6


def read_bech32(text: str) -> tuple[str, list[int]] | None:
    """Return the prefix in small letters and the groups of 5 bits; None if letters are missing or mistyped.

    >>> read_bech32("A12UEL5L")
    ('a', [])
    """
    lower = text.lower()
    # BIP 173: a code in mixed case is invalid.
    if text not in (lower, text.upper()):
        return None
    prefix, _, letters = lower.rpartition("1")
    if not prefix or len(letters) < _CHECKSUM_LETTERS or not _VALUES.keys() >= set(letters):
        return None
    values = [_VALUES[letter] for letter in letters]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    return (prefix, values[:-_CHECKSUM_LETTERS]) if _checksum([*expanded, *values]) == 1 else None


def _checksum(values: list[int]) -> int:
    """Return BIP 173's checksum: 1 for a complete code."""
    state = 1
    for value in values:
        state = (state & 0x1FFFFFF) << 5 ^ value ^ _STEPS[state >> 25]
    return state
