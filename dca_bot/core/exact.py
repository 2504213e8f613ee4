"""Turns Lamassu's numbers into whole numbers of a tiny unit, without rounding."""

from decimal import Context, Decimal

from dca_bot.core.money import FIAT_MINOR_MAX, minor_digits

_DECIMALS = 30
ONE: int = 10**_DECIMALS
"""What `exact` makes of 1."""
_UNUSABLE = -ONE
"""Stands for NULL, NaN and numbers of absurd length; no check of an amount lets it pass."""
_UNROUNDED = Context(prec=2 * _DECIMALS + 1)
"""Has room for each digit of the largest and finest number."""


def exact(value: Decimal | None) -> int:
    """Return a number in units of 1/ONE; UNUSABLE (-ONE) for NULL, NaN and numbers of absurd length.

    >>> exact(Decimal("0.10")) * 10 == ONE, exact(None) == -ONE
    (True, True)
    """
    if value is None or not value.is_finite():
        return _UNUSABLE
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_DECIMALS or value.adjusted() > _DECIMALS:
        return _UNUSABLE
    return int(value.scaleb(_DECIMALS, _UNROUNDED))


def exact_or_zero(value: Decimal | None) -> int:
    """Return a number as `exact` does, and 0 for NULL."""
    return 0 if value is None else exact(value)


def whole_minor(fiat: Decimal | None, currency: str) -> int | None:
    """Return an amount of cash in minor units; None for a missing, broken or impossible amount.

    >>> whole_minor(Decimal("800.00000"), "GTQ"), whole_minor(Decimal("800.005"), "GTQ")
    (80000, None)
    """
    minor, rest = divmod(exact(fiat) * 10 ** minor_digits(currency), ONE)
    return minor if rest == 0 and 0 < minor <= FIAT_MINOR_MAX else None
