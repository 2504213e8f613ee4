"""The codes and amounts in a row of cash_out_txs that never change at Lamassu, in a form to be kept."""

from dataclasses import dataclass
from decimal import Decimal

from dca_bot.core.cash_out import CashOut

BROKEN = "broken"
_SHOWN_MAX = 24


@dataclass(frozen=True, slots=True)
class RowAmounts:
    """The codes of a row, and each number in normal form: equal numbers are equal texts.

    A number is None for NULL, and BROKEN if the number could not be read. `crypto_atoms`: in the coin's
    smallest unit. `fiat` and `fixed_fee`: in whole units. `fixed_fee`: None if a dca-bot that knew no fees
    recorded the row.
    """

    crypto_code: str
    fiat_code: str
    crypto_atoms: str | None
    fiat: str | None
    commission: str | None
    ticker: str | None
    discount: str | None
    fixed_fee: str | None


def row_amounts(cash_out: CashOut) -> RowAmounts:
    """Return the codes and amounts of a row; a missing discount or fixed fee is 0."""
    return RowAmounts(
        crypto_code=cash_out.crypto_code or "",
        fiat_code=cash_out.fiat_code or "",
        crypto_atoms=_normal(cash_out.crypto_atoms),
        fiat=_normal(cash_out.fiat),
        commission=_normal(cash_out.commission),
        ticker=_normal(cash_out.ticker),
        discount=_normal(cash_out.discount) or "0",
        fixed_fee=_normal(cash_out.fixed_fee) or "0",
    )


def usable(number: str | None) -> Decimal | None:
    """Return a number of RowAmounts; None for a missing, broken or absurdly long number.

    >>> usable("8e2"), usable("broken"), usable("8e999999")
    (Decimal('8E+2'), None, None)
    """
    if number is None or number == BROKEN or len(number) > _SHOWN_MAX:
        return None
    found = Decimal(number)
    return found if abs(found.adjusted()) <= _SHOWN_MAX else None


def _normal(number: Decimal | None) -> str | None:
    """Write a number without trailing zeros, exactly, whatever the size: `8e2` for 800.00."""
    if number is None:
        return None
    if not number.is_finite():
        return BROKEN
    text, _, exponent = str(number.copy_abs()).partition("E")
    whole, _, decimals = text.partition(".")
    digits = (whole + decimals).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return "0"
    power = int(exponent or 0) - len(decimals) + len(digits) - len(kept)
    return f"{'-' if number < 0 else ''}{kept}e{power}"
