"""The principal and the commission of a cash-out, proven by the numbers of Lamassu's row.

The invariant: amounts come only from numbers that fit each other; every rounding is against the client's
principal, so that no sat of the commission or of a fixed fee is given to a client.
"""

from decimal import Decimal
from fractions import Fraction

from dca_bot.core.cash_out import Amounts, CashOut, Reason
from dca_bot.core.exact import exact, exact_or_zero
from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX, minor_digits
from dca_bot.errors import DcaBotError

_SAT_PER_COIN = 10**8
_LOT_SAT = 100  # Lamassu rounds crypto_atoms to lots of 100 sats
_COLUMN_ROUNDING = Fraction(1, 2 * 10**5)  # half of the last of five decimals


def assess(cash_out: CashOut, currency: str) -> tuple[Amounts | None, Reason]:
    """Return the amounts of a sale, and the first reason against distributing the amounts."""
    amounts = _amounts(cash_out, currency)
    if isinstance(amounts, Reason):
        return None, amounts
    received, sold = cash_out.received_crypto_atoms, exact(cash_out.crypto_atoms)
    if received is not None and exact(received) < sold - _LOT_SAT:
        return amounts, Reason.SHORT
    return amounts, Reason.NONE


def scale(amounts: Amounts, fiat_minor: int) -> Amounts:
    """Reduce amounts to `fiat_minor` of the fiat principal, rounded down to whole sats.

    >>> scale(Amounts(principal_sat=1_001, principal_minor=200, commission_sat=99), 100)
    Amounts(principal_sat=500, principal_minor=100, commission_sat=49)

    Raise DcaBotError unless 0 < fiat_minor <= principal_minor.
    """
    if not 0 < fiat_minor <= amounts.principal_minor:
        raise DcaBotError("Write an amount above 0 and at most the cash-out's own.")
    return Amounts(
        principal_sat=amounts.principal_sat * fiat_minor // amounts.principal_minor,
        principal_minor=fiat_minor,
        commission_sat=amounts.commission_sat * fiat_minor // amounts.principal_minor,
    )


def fee_minor(fixed_fee: Decimal, *, part: Fraction, currency: str) -> int:
    """Return a part of a fixed fee in minor units, rounded down."""
    return int(exact(fixed_fee) * part * 10 ** minor_digits(currency))


def received_sat(cash_out: CashOut) -> int | None:
    """Return the whole sats that came in; None if the number is missing or impossible."""
    received = exact(cash_out.received_crypto_atoms)
    return int(received) if 0 <= received <= SAT_MAX else None


def _amounts(cash_out: CashOut, currency: str) -> Amounts | Reason:
    """Split crypto_atoms into principal (rounded down) and commission, or return the first broken number."""
    sold_sat, fiat = exact(cash_out.crypto_atoms), exact(cash_out.fiat)
    commission, ticker = exact(cash_out.commission), exact(cash_out.ticker)
    discount, fee = exact_or_zero(cash_out.discount), exact_or_zero(cash_out.fixed_fee)
    minor_per_unit = 10 ** minor_digits(currency)
    minor = fiat * minor_per_unit
    checks = (
        (Reason.CODES, cash_out.crypto_code is not None and cash_out.fiat_code is not None),
        (Reason.COINS, sold_sat.denominator == 1 and 0 < sold_sat <= SAT_MAX),
        (Reason.FIAT, minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX),
        (Reason.COMMISSION, 0 <= commission < 1),
        (Reason.DISCOUNT, 0 <= discount <= 100),
        (Reason.FIXED_FEE, 0 <= fee * minor_per_unit <= FIAT_MINOR_MAX),
        (Reason.TICKER, ticker > 0),
    )
    for reason, sound in checks:
        if not sound:
            return reason
    rate = commission * (100 - discount) / 100
    price = ticker / _SAT_PER_COIN
    # A machine since v8.0 sells at bid * (1 - rate), an older one at bid / (1 + rate); either sells the
    # fixed fee with the fiat, so both together are what the sats without commission are worth.
    for sale_sat in (sold_sat * (1 - rate), sold_sat / (1 + rate)):
        rounding = _COLUMN_ROUNDING * (1 + sale_sat / _SAT_PER_COIN + sold_sat * price)
        if abs(sale_sat * price - fiat - fee) <= _LOT_SAT // 2 * price + rounding:
            # Rounded down, so that no sat of the fee or the commission is given to a client.
            principal_sat = int(sale_sat * fiat / (fiat + fee))
            return Amounts(principal_sat, int(minor), int(sold_sat) - principal_sat)
    return Reason.NO_FIT
