"""Splits the commission of a cash-out by percent, exactly.

The invariant: the shares and the rest add up to the commission to the sat. Percentages are whole basis
points (hundredths of a percent): only the sats are rounded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dca_bot.core.money import WHOLE_BP, largest_remainder
from dca_bot.errors import DcaBotError

_PERCENT = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?\s?%?")


@dataclass(frozen=True, slots=True)
class Split:
    """The sats of each name, above 0; `rest_sat` is the operator's."""

    sats: Mapping[str, int]
    rest_sat: int


def split_commission(commission_sat: int, percents_bp: Mapping[str, int]) -> Split:
    """Split a commission over names by percentages in basis points, 10,000 at most together.

    The unassigned percentage takes part like one more name. Sats are rounded by largest remainder; equal
    remainders by name whatever the case, the unassigned rest last. Names with 0 sats are left out. Raise
    ValueError for a negative commission, a percentage of 0 or less, and more than 10,000 together.

    >>> split_commission(1_000, {"ana": 2_500, "ben": 1_250})
    Split(sats={'ana': 250, 'ben': 125}, rest_sat=625)
    """
    rest_bp = WHOLE_BP - sum(percents_bp.values())
    if commission_sat < 0 or rest_bp < 0 or min(percents_bp.values(), default=1) <= 0:
        raise ValueError(f"cannot split {commission_sat} sat by {dict(percents_bp)}")
    names = sorted(percents_bp, key=lambda name: (name.casefold(), name))
    *shares, rest_sat = largest_remainder(
        commission_sat, [*(percents_bp[name] for name in names), rest_bp]
    )
    assert sum(shares) + rest_sat == commission_sat, "the split must add up"
    sats = {name: sat for name, sat in zip(names, shares, strict=True) if sat > 0}
    return Split(sats, rest_sat)


def parse_percent(text: str) -> int:
    """Read a percentage in basis points: `40`, `12.5`, `33.33%`.

    Raise DcaBotError unless the percentage is above 0, at most 100, and has two decimals at most.
    """
    found = _PERCENT.fullmatch(text.strip())
    percent_bp = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    if not 0 < percent_bp <= WHOLE_BP:
        raise DcaBotError(
            "Write a percentage above 0 and at most 100, with two decimals at most: 40 or 12.5."
        )
    return percent_bp
