"""What sats are worth at a price, and what fiat buys: exact, with the rounding named.

A price is in whole units of a currency, as sources tell it; a coin is the same in minor units, exactly.
"""

from decimal import Decimal
from fractions import Fraction

from dca_bot.core.money import minor_digits

COIN_SAT = 100_000_000


def coin_minor(price: Decimal, currency: str) -> Fraction:
    """Return a price in whole units of a currency as minor units for one coin, exactly."""
    minor_per_unit: int = 10 ** minor_digits(currency)
    return Fraction(price) * minor_per_unit


def rate_minor(minor: int, sat: int) -> int:
    """Return the price of one coin in minor units, rounded half up, as persons are told it."""
    return (2 * minor * COIN_SAT + sat) // (2 * sat) if sat else 0


def price_text(minor: int, sat: int, currency: str) -> str:
    """Write the price of one coin, in whole units of the currency, given how much so many sats cost.

    >>> price_text(15_000, 20_000, "GTQ")
    '750,000 GTQ'
    """
    return f"{rate_minor(minor, sat) // 10 ** minor_digits(currency):,} {currency}"


def value_minor(sat: int, coin: Fraction) -> int:
    """Return what sats are worth at a price, rounded half up to the minor unit."""
    whole = COIN_SAT * coin.denominator
    return (2 * sat * coin.numerator + whole) // (2 * whole)


def bought_sat(minor: int, coin: Fraction) -> int:
    """Return the sats that so much fiat buys at a price, rounded down: nobody is owed a part of one."""
    return minor * COIN_SAT * coin.denominator // coin.numerator


def cost_sat(minor: int, coin: Fraction) -> int:
    """Return the sats that so much fiat takes at a price, rounded up: what is needed for it."""
    return -(-minor * COIN_SAT * coin.denominator // coin.numerator)


def is_far_off(minor: int, sat: int, coin: Fraction) -> bool:
    """Tell whether so much fiat for so many sats is more than twice, or less than half, the price."""
    given = Fraction(minor * COIN_SAT, sat)
    return given > coin * 2 or given * 2 < coin
