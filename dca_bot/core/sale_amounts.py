"""The principal and the commission of a cash-out, proven by the numbers of Lamassu's row.

The invariant: amounts come only from numbers that fit each other; every rounding is against the client's
principal, so that no sat of the commission or of a fixed fee is given to a client.
"""

from decimal import Decimal

from dca_bot.core.cash_out import Amounts, CashOut, Reason
from dca_bot.core.exact import ONE, exact, exact_or_zero, whole_minor
from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX, minor_digits
from dca_bot.errors import DcaBotError

_SAT_PER_COIN = 10**8
_LOT_SAT = 100  # Lamassu rounds crypto_atoms to lots of 100 sats
_ROUNDINGS = 2 * 10**5  # as many roundings of a column with five decimals make 1


def assess(cash_out: CashOut, currency: str) -> tuple[Amounts | None, Reason]:
    """Return the amounts of a sale, and the first reason against distributing the amounts."""
    amounts = _amounts(cash_out, currency)
    if isinstance(amounts, Reason):
        return None, amounts
    received, sold = cash_out.received_crypto_atoms, exact(cash_out.crypto_atoms)
    if received is not None and exact(received) < sold - _LOT_SAT * ONE:
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


def fee_minor(fixed_fee: Decimal, given_minor: int, *, fiat: Decimal | None) -> int:
    """Return the fixed fee of `given_minor` of a sale of `fiat`, in minor units, rounded down.

    >>> fee_minor(Decimal("10"), 300_00, fiat=Decimal("400"))
    750
    """
    return exact(fixed_fee) * given_minor // exact(fiat)


def received_sat(cash_out: CashOut) -> int | None:
    """Return the whole sats that came in; None if the number is missing or impossible."""
    received = exact(cash_out.received_crypto_atoms)
    return received // ONE if 0 <= received <= SAT_MAX * ONE else None


def _amounts(cash_out: CashOut, currency: str) -> Amounts | Reason:
    """Split crypto_atoms into principal (rounded down) and commission, or return the first broken number."""
    sold, fiat = exact(cash_out.crypto_atoms), exact(cash_out.fiat)
    commission, ticker = exact(cash_out.commission), exact(cash_out.ticker)
    discount, fee = exact_or_zero(cash_out.discount), exact_or_zero(cash_out.fixed_fee)
    minor = whole_minor(cash_out.fiat, currency) or 0
    checks = (
        (Reason.CODES, cash_out.crypto_code is not None and cash_out.fiat_code is not None),
        (Reason.COINS, sold % ONE == 0 and 0 < sold <= SAT_MAX * ONE),
        (Reason.FIAT, minor > 0),
        (Reason.COMMISSION, 0 <= commission < ONE),
        (Reason.DISCOUNT, 0 <= discount <= 100 * ONE),
        (Reason.FIXED_FEE, 0 <= fee * 10 ** minor_digits(currency) <= FIAT_MINOR_MAX * ONE),
        (Reason.TICKER, ticker > 0),
    )
    for reason, sound in checks:
        if not sound:
            return reason
    sold_sat = sold // ONE
    # The rate of the commission, less the discount, is rate/whole.
    rate, whole = commission * (100 * ONE - discount), 100 * ONE * ONE
    # A machine since v8.0 sells at bid * (1 - rate), an older one at bid / (1 + rate); either sells the
    # fixed fee with the fiat, so both together are what the sats without commission are worth.
    for sale, parts in ((sold_sat * (whole - rate), whole), (sold_sat * whole, whole + rate)):
        # The sats without commission are sale/parts. The sums below are fiat, times 1e8 * ONE * parts.
        apart = abs(sale * ticker - (fiat + fee) * parts * _SAT_PER_COIN)
        lot = _LOT_SAT // 2 * ticker * parts
        rounding = parts * ONE * _SAT_PER_COIN + sale * ONE + sold_sat * ticker * parts
        if (apart - lot) * _ROUNDINGS <= rounding:
            # Rounded down, so that no sat of the fee or the commission is given to a client.
            principal_sat = sale * fiat // (parts * (fiat + fee))
            return Amounts(principal_sat, minor, sold_sat - principal_sat)
    return Reason.NO_FIT
