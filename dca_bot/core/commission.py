"""Splits the commission of a cash-out by percent, exactly.

The invariant: the parts and the rest add up to the commission to the sat. Percentages are whole basis
points, hundredths of a percent, so nothing here is rounded but the sats.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dca_bot.core.money import largest_remainder
from dca_bot.errors import DcaBotError

WHOLE_BP = 10_000
"""All of it: 100 percent."""
_PERCENT = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?\s?%?")


@dataclass(frozen=True, slots=True)
class Split:
    """What each name gets, above 0; `rest_sat` is the operator's."""

    sats: Mapping[str, int]
    rest_sat: int


def split_commission(commission_sat: int, percents_bp: Mapping[str, int]) -> Split:
    """Split a commission over names that get so many basis points of it, 10,000 at most together.

    What nobody is set for takes part like one more name. Sats are rounded by largest remainder,
    among equal ones by name whatever the case, the rest last. Who gets 0 sats is left out.
    """
    rest_bp = WHOLE_BP - sum(percents_bp.values())
    if commission_sat < 0 or rest_bp < 0 or min(percents_bp.values(), default=1) <= 0:
        raise ValueError(f"cannot split {commission_sat} sat by {dict(percents_bp)}")
    names = sorted(percents_bp, key=lambda name: (name.casefold(), name))
    *parts, rest_sat = largest_remainder(
        commission_sat, [*(percents_bp[name] for name in names), rest_bp]
    )
    assert sum(parts) + rest_sat == commission_sat, "the split must add up"
    sats = {name: sat for name, sat in zip(names, parts, strict=True) if sat > 0}
    return Split(sats, rest_sat)


def parse_percent(text: str) -> int:
    """Read a percentage in basis points: `40`, `12.5`, `33.33%`; raise DcaBotError.

    It is above 0 and at most 100, and has two decimals at most, as no more can be kept exactly.
    """
    found = _PERCENT.fullmatch(text.strip())
    percent_bp = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    if not 0 < percent_bp <= WHOLE_BP:
        raise DcaBotError(
            "Write a percentage above 0 and at most 100, with two decimals at most: 40 or 12.5."
        )
    return percent_bp


def percent_text(percent_bp: int) -> str:
    """Write a percentage: `40%`, `12.5%`, `0.05%`."""
    whole, hundredths = divmod(percent_bp, 100)
    decimals = f".{hundredths:02}".rstrip("0") if hundredths else ""
    return f"{whole}{decimals}%"
