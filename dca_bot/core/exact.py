"""Turns Lamassu's numbers into exact fractions, without rounding."""

from decimal import Decimal
from fractions import Fraction

_EXPONENT_MAX = 30
_UNUSABLE = Fraction(-1)
"""Stands for NULL, NaN and numbers of absurd length; no check of an amount lets it pass."""


def exact(value: Decimal | None) -> Fraction:
    """Return a number as a fraction; UNUSABLE (-1) for NULL, NaN and numbers of absurd length.

    >>> exact(Decimal("0.10")), exact(None)
    (Fraction(1, 10), Fraction(-1, 1))
    """
    if value is None or not value.is_finite():
        return _UNUSABLE
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_EXPONENT_MAX:
        return _UNUSABLE
    return _UNUSABLE if value.adjusted() > _EXPONENT_MAX else Fraction(value)


def exact_or_zero(value: Decimal | None) -> Fraction:
    """Return a number as `exact` does, and 0 for NULL."""
    return Fraction(0) if value is None else exact(value)
