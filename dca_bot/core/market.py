"""What sats are worth at a price, and what fiat buys: exact, with the rounding named.

A price is the minor units that one coin costs, as a Fraction.
"""

from decimal import Decimal
from fractions import Fraction

from dca_bot.core.money import minor_digits
from dca_bot.core.payout import COIN_SAT


def coin_minor(price: Decimal, currency: str) -> Fraction:
    """Return a price in whole units of a currency as minor units for one coin, exactly."""
    minor_per_unit: int = 10 ** minor_digits(currency)
    return Fraction(price) * minor_per_unit


def value_minor(sat: int, coin: Fraction) -> int:
    """Return what sats are worth at a price, rounded half up to the minor unit."""
    whole = COIN_SAT * coin.denominator
    return (2 * sat * coin.numerator + whole) // (2 * whole)


def cost_sat(minor: int, coin: Fraction) -> int:
    """Return the sats that so much fiat takes at a price, rounded up: what is needed for it."""
    return -(-minor * COIN_SAT * coin.denominator // coin.numerator)
