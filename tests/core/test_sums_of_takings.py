"""Sums of sales, to the sat and to the minor unit."""

from dataclasses import astuple
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.takings import Sale, Takings, parted, total

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
amounts = st.integers(0, 10**9)
SALES = st.lists(
    st.builds(
        Sale,
        at=st.just(AT),
        device_id=st.sampled_from(["a", "b"]),
        minor=amounts,
        sat=amounts,
        shared_minor=amounts,
        rest_sat=amounts,
        commission_sat=amounts,
    )
)


def sale(**changes):
    values = {"minor": 80_000, "sat": 100_000, "shared_minor": 60_000, "rest_sat": 25_000}
    return Sale(**{"at": AT, "device_id": "a", "commission_sat": 5_001, **values, **changes})


def test_commission_is_worth_what_each_sales_own_price_says_rounded_down():
    found = total([sale(), sale(), sale(minor=0, sat=0, rest_sat=0)])
    assert found == Takings(3, 160_000, 200_000, 180_000, 50_000, 15_003, 8_000)
    assert (found.shared_sat, found.rest_minor) == (150_000, -20_000)


def test_without_sales_all_sums_are_nothing():
    assert astuple(total([])) == (0,) * 7


@given(SALES)
def test_parts_add_up_to_the_whole_in_each_field(sales):
    parts = parted(sales, lambda one: one.device_id)
    assert sum(parts.values(), Takings()) == total(sales)
    assert total(sales).commission_sat == sum(one.commission_sat for one in sales)
    assert total(sales).rest_sat == sum(one.rest_sat for one in sales)
