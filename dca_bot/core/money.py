"""Counts money: whole minor units and whole sats, shared out without loss, read and written.

The invariant: each rounding is named, and an amount that can be read in two ways is refused.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from dca_bot.core.currencies import SATS, Mark, is_cash, mark_of, nearest_cash, sign_of
from dca_bot.errors import DcaBotError, OtherUnit

FIAT_MINOR_MAX = 10**15
WHOLE_BP = 10_000
"""100 percent, in basis points."""
SAT_MAX = 21 * 10**14

# ISO 4217, active codes whose minor unit is not a hundredth.
_WITHOUT_MINOR = re.compile(
    "BIF|BYR|CLP|DJF|GNF|ISK|JPY|KMF|KRW|PYG|RWF|UGX|UYI|VND|VUV|XAF|XOF|XPF"
)
_THOUSANDTHS = re.compile("BHD|IQD|JOD|KWD|LYD|OMR|TND")

_DIGITS = re.compile(r"[0-9]{1,18}")
_COMMA_GROUPS = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3}){1,6}")
_SHORT_COMMA = re.compile("[0-9]{1,3},[0-9]")
"""`1,5` may be 1.50 or a part of 1,500."""
_DOT_GROUPS = re.compile(r"[1-9][0-9]{0,2}(\.[0-9]{3}){1,6}")
_MARKED = re.compile(r"([^0-9]*)([0-9](?:.*[0-9])?)([^0-9]*)")
"""A number, with the texts before and after the number."""


def checked_currency(code: str) -> str:
    """Return a currency's code (ISO 4217); raise DcaBotError unless a machine can have its notes."""
    if is_cash(code):
        return code
    near = nearest_cash(code)
    meant = f" Did you mean {near}?" if near else ""
    raise DcaBotError(
        f"{code[:20]!r} is no currency of cash; write its three capital letters (ISO 4217), like"
        f" GTQ.{meant}"
    )


@lru_cache(maxsize=64)
def minor_digits(currency: str) -> int:
    """Return how many decimals a currency has (ISO 4217), two unless known otherwise."""
    if _WITHOUT_MINOR.fullmatch(currency):
        return 0
    return 3 if _THOUSANDTHS.fullmatch(currency) else 2


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` out in proportion to the weights; the parts add up to `total` exactly.

    Each part is the quota rounded down; the units left go, one each, to the largest remainders, of equal
    remainders to the earlier position. Raise ValueError for a negative number, and for a `total` above 0
    with no weight above 0.

    >>> largest_remainder(10, [1, 1, 1])
    [4, 3, 3]
    """
    weight_sum = sum(weights)
    if total < 0 or min(weights, default=0) < 0 or (total > 0 and weight_sum == 0):
        raise ValueError(f"cannot share {total} out over {weights}")
    if weight_sum == 0:
        return [0] * len(weights)
    parts = [total * weight // weight_sum for weight in weights]
    left = total - sum(parts)
    if left:
        remainders = [total * weight % weight_sum for weight in weights]
        # Sorting is stable: of equal remainders the earlier position comes first.
        by_remainder = sorted(range(len(weights)), key=remainders.__getitem__, reverse=True)
        for place in by_remainder[:left]:
            parts[place] += 1
    assert sum(parts) == total, "shares must add up"
    return parts


def sat_floor(msat: int) -> int:
    """Return millisats in whole sats, rounded down.

    >>> sat_floor(1999), sat_floor(-1)
    (1, -1)
    """
    return msat // 1000


def sat_ceil(msat: int) -> int:
    """Return millisats in whole sats, rounded up.

    >>> sat_ceil(1001), sat_ceil(-1999)
    (2, -1)
    """
    return -sat_floor(-msat)


def parse_fiat(text: str, currency: str, *, minor_min: int = 1) -> int:
    """Read an amount as people write amounts, in minor units: `1500`, `1,500.00`, `Q1500`, `1.500,50`.

    A comma before exactly three digits groups thousands; a dot before exactly three digits is unclear, and so
    is a comma before a single digit.
    Raise OtherUnit if another currency (or sats) is named, and DcaBotError, with an example of the right
    form, for an unclear amount or an amount below `minor_min` (1 or 0).

    >>> parse_fiat("Q1,500.50", "GTQ")
    150050
    """
    number = _without_unit(text, currency)
    if _SHORT_COMMA.fullmatch(number):
        raise DcaBotError(_unclear(text, currency))
    digits = minor_digits(currency)
    whole, fraction = _split_number(number, digits)
    if whole is None:
        raise DcaBotError(_unclear(text, currency))
    if len(fraction) > digits:
        raise DcaBotError(
            f"{currency} has {digits} decimals at most; write the amount like {_example(currency)}."
        )
    minor = int(whole + fraction.ljust(digits, "0"))
    if not minor_min <= minor <= FIAT_MINOR_MAX:
        most = fiat_text(FIAT_MINOR_MAX, currency)
        raise DcaBotError(f"Write an amount above 0 and at most {most}.")
    return minor


def parse_sat(text: str) -> int:
    """Read an amount of whole sats: `120000`, `120,000`, `120000 sats`.

    Raise OtherUnit if a currency or another unit of bitcoin is named, and DcaBotError for other texts.
    """
    number = _without_unit(text, SATS)
    if not (_DIGITS.fullmatch(number) or _COMMA_GROUPS.fullmatch(number)):
        raise DcaBotError("Write the amount in whole sats, like 120000 or 120,000.")
    sat = int(number.replace(",", ""))
    if not 0 < sat <= SAT_MAX:
        raise DcaBotError(f"Write an amount above 0 and at most {sat_text(SAT_MAX)}.")
    return sat


def fiat_text(minor: int, currency: str) -> str:
    """Write an amount: `1,500.00 GTQ`."""
    return f"{plain_decimal(minor, minor_digits(currency), group='{:,}'.format)} {currency}"


def typed_fiat(minor: int, currency: str) -> str:
    """Write an amount for people to type back, with the sign that amounts are shown with: `Q1,500.00`.

    The code stands in place of a sign that the currency shares with others: `1,500.00 BOB`.
    """
    sign = sign_of(currency)
    if sign is None:
        return fiat_text(minor, currency)
    return sign + plain_decimal(minor, minor_digits(currency), group="{:,}".format)


def plain_decimal(
    amount: int, digits: int, *, mark: str = ".", group: Callable[[int], str] = str
) -> str:
    """Write an amount of the smallest unit digit for digit: `-1500.00`, as a program reads the amount.

    `mark` stands before the last `digits`; `group` writes the whole units.
    """
    whole, fraction = divmod(abs(amount), 10**digits)
    decimals = f"{mark}{fraction:0{digits}}" if digits else ""
    return f"{'-' if amount < 0 else ''}{group(whole)}{decimals}"


def sat_text(sat: int) -> str:
    """Write an amount: `120,000 sats`."""
    return f"{sat:,} sat" if abs(sat) == 1 else f"{sat:,} sats"


def _without_unit(text: str, unit: str) -> str:
    """Return a text without the unit's names at both ends; raise OtherUnit if another unit is named."""
    found = _MARKED.fullmatch(text.strip())
    if not found:
        return text
    before, number, after = found.groups()
    marks = [mark_of(end, unit) for end in (before, after) if end]
    if Mark.OTHER in marks:
        raise OtherUnit(unit)
    return number if all(marks) else text


def _split_number(number: str, digits: int) -> tuple[str | None, str]:
    """Return the whole part and the decimals as digits; None for an unclear number."""
    if _DIGITS.fullmatch(number):
        return number, ""
    if _COMMA_GROUPS.fullmatch(number) and (number.count(",") > 1 or digits != 3):
        return number.replace(",", ""), ""
    if _DOT_GROUPS.fullmatch(number) and number.count(".") > 1:
        return number.replace(".", ""), ""
    mark = max(number.rfind("."), number.rfind(","))
    whole, fraction = number[:mark], number[mark + 1 :]
    groups = _DOT_GROUPS if number[mark : mark + 1] == "," else _COMMA_GROUPS
    grouped = groups.fullmatch(whole) is not None
    if not (grouped or _DIGITS.fullmatch(whole)) or not _DIGITS.fullmatch(fraction):
        return None, ""
    if len(fraction) == 3 and not grouped:
        return None, ""
    return re.sub("[.,]", "", whole), fraction


def _example(currency: str) -> str:
    decimals = "." + "0" * minor_digits(currency) if minor_digits(currency) else ""
    return f"1500 or 1,500{decimals}"


def _unclear(text: str, currency: str) -> str:
    shown = text.strip()[:30]
    return f"The amount {shown!r} is not clear; write it like {_example(currency)}."
