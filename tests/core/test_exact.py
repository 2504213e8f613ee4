"""Lamassu's numbers become whole numbers of 1/ONE, or -ONE where no check may let them pass."""

from decimal import Decimal
from fractions import Fraction

import pytest

from dca_bot.core.exact import ONE, exact, exact_or_zero


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.10000", Fraction(1, 10)),
        ("-5", Fraction(-5)),
        ("1E+30", Fraction(10**30)),
        ("1E+31", Fraction(-1)),
        ("1E-30", Fraction(1, 10**30)),
        ("1E-31", Fraction(-1)),
        ("NaN", Fraction(-1)),
        ("sNaN", Fraction(-1)),
        ("Infinity", Fraction(-1)),
    ],
)
def test_number_is_exact_or_unusable(text, found):
    assert exact(Decimal(text)) == exact_or_zero(Decimal(text)) == found * ONE


def test_nothing_is_unusable_and_zero_where_a_column_may_be_empty():
    assert (exact(None), exact_or_zero(None)) == (-ONE, 0)
