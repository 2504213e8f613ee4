"""Decides what Lamassu's rows mean for the cash in a machine, and whether it covers the balances.

The invariant: only what is known counts. Where it isn't known whether cash has moved, nothing is
said, and a machine that was never counted proves nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from dca_bot.core.cash_out import CashOut, Decision
from dca_bot.core.money import FIAT_MINOR_MAX, minor_digits
from dca_bot.core.ports import CashIn

_EXPONENTS = range(-30, 31)


def cash_out_minor(cash_out: CashOut, decision: Decision, currency: str) -> int | None:
    """Return the cash that a cash-out of any coin took out of its machine, in minor units.

    The machine's report counts where there is one, whatever became of the sale. Without one,
    dispense_confirmed says that all of `fiat` left. None if neither tells, or it is other money.
    """
    if cash_out.fiat_code != currency:
        return None
    if decision.dispensed_minor is not None:
        return decision.dispensed_minor
    return _whole_minor(cash_out.fiat, currency) if cash_out.dispense_confirmed else None


def cash_in_minor(cash_in: CashIn, currency: str) -> int | None:
    """Return the cash that a cash-in put into its machine, in minor units; None if none is known."""
    if cash_in.fiat_code != currency or not cash_in.send_confirmed:
        return None
    return _whole_minor(cash_in.fiat, currency)


def uncovered_minor(
    balances_minor: int, machines_minor: Sequence[int | None], elsewhere_minor: int
) -> int | None:
    """Return by how much the clients' balances exceed the machines' cash, 0 if they don't.

    `machines_minor` has what should be in each machine, None for one that was never counted;
    `elsewhere_minor` is cash that is in no named machine, and cash that has left for cash-outs that
    are still to be shared out. None while nothing can be said: no machine, or one not counted.
    """
    known = [minor for minor in machines_minor if minor is not None]
    if not known or len(known) < len(machines_minor):
        return None
    return max(0, balances_minor - sum(known) - elsewhere_minor)


def _whole_minor(fiat: Decimal | None, currency: str) -> int | None:
    """Return an amount in minor units; None where it is missing, broken or not above 0."""
    if fiat is None or not fiat.is_finite():
        return None
    if fiat.adjusted() not in _EXPONENTS or fiat.as_tuple().exponent not in _EXPONENTS:
        return None
    minor = Fraction(fiat) * 10 ** minor_digits(currency)
    sound = minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX
    return int(minor) if sound else None
