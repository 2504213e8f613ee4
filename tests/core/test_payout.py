from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.attempt import SETTLED_AFTER
from dca_bot.core.market import memo_text, rate_minor
from dca_bot.core.payout import (
    PayoutState,
    PlannedShare,
    backoff_s,
    group_shares,
    is_cancellable,
    needed_msat,
    payout_id,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)

sats = st.integers(1, 10**6)


def shares_of(amounts):
    return [PlannedShare(n, f"d{n}", sat) for n, sat in enumerate(amounts)]


@given(st.lists(sats, max_size=30), st.integers(1, 3 * 10**6))
def test_grouping_loses_no_share_and_keeps_the_order(amounts, min_sat):
    shares = shares_of(amounts)
    groups = group_shares(shares, min_sat)
    grouped = [share for group in groups for share in group]
    rest = shares[len(grouped) :]
    assert grouped + rest == shares
    assert sum(share.sat for share in rest) < min_sat
    for group in groups:
        assert sum(share.sat for share in group) >= min_sat
        assert sum(share.sat for share in group[:-1]) < min_sat


@given(st.lists(sats, max_size=30))
def test_without_a_minimum_every_share_is_a_payout(amounts):
    shares = shares_of(amounts)
    assert group_shares(shares, 1) == [[share] for share in shares]


def test_an_id_depends_on_recipient_and_distributions_not_on_their_order():
    ids = [
        payout_id("a" * 64, ["d1", "d2"]),
        payout_id("b" * 64, ["d1", "d2"]),
        payout_id("a" * 64, ["d1"]),
        payout_id("a" * 64, ["d1", "d2", "d3"]),
    ]
    assert len(set(ids)) == 4
    assert payout_id("a" * 64, ["d2", "d1"]) == ids[0]


def test_an_id_stays_the_same_in_every_version():
    # LNbits keeps these ids for good; another derivation would pay old distributions again.
    assert payout_id("a" * 64, ["d1"]) == "7eca7417fd56e3e00d79a4d51a2e0a60"


# (is it debited, since when its invoice is over or None without one, can it be cancelled)
ALERTED = [
    (False, SETTLED_AFTER + TICK, True),
    (False, SETTLED_AFTER, False),
    (False, timedelta(0), False),
    (False, None, False),
    (True, SETTLED_AFTER + TICK, False),
    (True, timedelta(days=400), False),
]


@pytest.mark.parametrize(("is_debited", "over", "can_be"), ALERTED)
def test_alerted_payout_can_be_cancelled_only_if_it_never_left_and_never_can(
    is_debited, over, can_be
):
    expires_at = None if over is None else NOW - over
    found = is_cancellable(PayoutState.ALERT, is_debited=is_debited, expires_at=expires_at, now=NOW)
    assert found is can_be


@pytest.mark.parametrize(
    ("amount_sat", "internal", "needed"),
    [
        (1, True, 1000),
        (1, False, 3000),
        (199, False, 201_000),
        (200, False, 202_000),
        (201, False, 203_010),
        (1_000_000, False, 1_010_000_000),
        (1_000_000, True, 1_000_000_000),
    ],
)
def test_what_leaves_lnbits_needs_the_fee_reserve(amount_sat, internal, needed):
    assert needed_msat(amount_sat, is_internal=internal) == needed


@pytest.mark.parametrize(
    "state", [state for state in PayoutState if state is not PayoutState.ALERT]
)
def test_payout_can_be_cancelled_while_no_pay_request_can_have_left(state):
    found = is_cancellable(state, is_debited=False, expires_at=None, now=NOW)
    assert found is (state.name in {"PLANNED", "INVOICED", "HELD", "VOID"})


@given(st.integers(0, 12) | st.integers(0, 10**6))
def test_waiting_doubles_up_to_its_bound(tries):
    assert backoff_s(tries) == min(5 * 2 ** max(min(tries, 20) - 1, 0), 600)
    assert backoff_s(tries) <= backoff_s(tries + 1)


@pytest.mark.parametrize(
    ("minor", "sat", "rate"),
    [
        (0, 0, 0),
        (100, 0, 0),
        (1, 3, 33_333_333),
        (2, 3, 66_666_667),
        (1, 200_000_000, 1),
        (1, 200_000_001, 0),
        (180_000, 227_000, 79_295_154),
    ],
)
def test_the_price_of_a_coin_is_rounded_half_up(minor, sat, rate):
    assert rate_minor(minor, sat) == rate


@pytest.mark.parametrize(
    ("sat", "minor", "currency", "text"),
    [
        (227_000, 180_000, "GTQ", "DCA: 227,000 sats = 1,800.00 GTQ (1 BTC = 792,951 GTQ)"),
        (1, 0, "GTQ", "DCA: 1 sat"),
        (500, 1000, "CLP", "DCA: 500 sats = 1,000 CLP (1 BTC = 200,000,000 CLP)"),
    ],
)
def test_a_memo_tells_sats_fiat_and_rate(sat, minor, currency, text):
    assert memo_text(sat, minor, currency) == text


@given(st.integers(1, 21 * 10**14), st.integers(0, 10**15))
def test_a_memo_is_never_too_long_for_lnbits(sat, minor):
    assert len(memo_text(sat, minor, "GTQ")) <= 640
