"""Turns numbers as Lamassu sends them into exact fractions; nothing here rounds."""

from decimal import Decimal
from fractions import Fraction

_EXPONENT_MAX = 30
UNUSABLE = Fraction(-1)
"""Stands for NULL, NaN and numbers of absurd length; no check of an amount lets it pass."""


def exact(value: Decimal | None) -> Fraction:
    """Return a number as a fraction, UNUSABLE for what is no number or absurdly long."""
    if value is None or not value.is_finite():
        return UNUSABLE
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_EXPONENT_MAX:
        return UNUSABLE
    return UNUSABLE if value.adjusted() > _EXPONENT_MAX else Fraction(value)


def exact_or_zero(value: Decimal | None) -> Fraction:
    """Return a number as `exact` does, and 0 for NULL."""
    return Fraction(0) if value is None else exact(value)
