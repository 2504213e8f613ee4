"""Lamassu's numbers become exact fractions, or -1 where no check may let them pass."""

from decimal import Decimal
from fractions import Fraction

import pytest

from dca_bot.core.exact import exact, exact_or_zero


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
    assert exact(Decimal(text)) == exact_or_zero(Decimal(text)) == found


def test_nothing_is_unusable_and_zero_where_a_column_may_be_empty():
    assert (exact(None), exact_or_zero(None)) == (-1, 0)
