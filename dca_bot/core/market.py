"""The value of sats at a price, and the sats that fiat buys: exact, with the rounding named.

Price: whole units of a currency for one coin, as sources tell prices. Coin: the same price in minor units,
as an exact fraction.
"""

from decimal import Decimal
from fractions import Fraction

from dca_bot.core.money import WHOLE_BP, fiat_text, minor_digits, sat_text

COIN_SAT = 100_000_000


def coin_minor(price: Decimal, currency: str) -> Fraction:
    """Return a price as minor units for one coin, exactly."""
    minor_per_unit: int = 10 ** minor_digits(currency)
    return Fraction(price) * minor_per_unit


def rate_minor(minor: int, sat: int) -> int:
    """Return the price of one coin in minor units, rounded half up, given how much so many sats cost."""
    return (2 * minor * COIN_SAT + sat) // (2 * sat) if sat else 0


def price_text(minor: int, sat: int, currency: str) -> str:
    """Write the price of one coin, in whole units of the currency, given how much so many sats cost.

    >>> price_text(15_000, 20_000, "GTQ")
    '750,000 GTQ'
    """
    return f"{rate_minor(minor, sat) // 10 ** minor_digits(currency):,} {currency}"


def memo_text(amount_sat: int, minor: int, currency: str) -> str:
    """Write a payment's memo in figures alone, as no language is known: sats, fiat if any, and price.

    >>> memo_text(20_000, 15_000, "GTQ")
    'DCA: 20,000 sats = 150.00 GTQ (1 BTC = 750,000 GTQ)'
    """
    if not minor:
        return f"DCA: {sat_text(amount_sat)}"
    price = price_text(minor, amount_sat, currency)
    return f"DCA: {sat_text(amount_sat)} = {fiat_text(minor, currency)} (1 BTC = {price})"


def value_minor(sat: int, coin: Fraction) -> int:
    """Return the value of sats at a price, rounded half up to the minor unit."""
    whole = COIN_SAT * coin.denominator
    return (2 * sat * coin.numerator + whole) // (2 * whole)


def bought_sat(minor: int, coin: Fraction, *, margin_bp: int = 0) -> int:
    """Return the sats that fiat buys at a price, without what the operator keeps, rounded down to whole sats.

    `margin_bp`: the part of the fiat that buys nothing, in basis points.

    >>> bought_sat(100_00, Fraction(800_000_00), margin_bp=2_50)
    12187
    """
    bought = minor * (WHOLE_BP - margin_bp) * COIN_SAT * coin.denominator
    return bought // (WHOLE_BP * coin.numerator)


def cost_sat(minor: int, coin: Fraction) -> int:
    """Return the sats that are needed for fiat at a price, rounded up to whole sats."""
    return -(-minor * COIN_SAT * coin.denominator // coin.numerator)


def is_far_off(minor: int, sat: int, coin: Fraction) -> bool:
    """Tell whether fiat for sats is more than twice, or less than half, the price."""
    given = Fraction(minor * COIN_SAT, sat)
    return given > coin * 2 or given * 2 < coin
