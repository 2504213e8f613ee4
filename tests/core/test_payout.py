from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.market import rate_minor
from dca_bot.core.payout import (
    SETTLED_AFTER,
    Finding,
    PayoutState,
    PlannedShare,
    backoff_s,
    group_shares,
    is_cancellable,
    judge,
    lives_for,
    memo,
    needed_msat,
    payout_id,
    proven_now,
    sole_payment,
)
from dca_bot.core.ports import Invoice, Payment, PaymentStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SUCCESS, PENDING, FAILED = PaymentStatus.SUCCESS, PaymentStatus.PENDING, PaymentStatus.FAILED

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


# (status or None for a 404, msat that left, whether it is long past the expiry, finding)
FINDINGS = [
    (None, 0, False, Finding.UNSENT),
    (None, 0, True, Finding.DEAD),
    (PENDING, 500_000, False, Finding.PENDING),
    (PENDING, 500_000, True, Finding.PENDING),
    (FAILED, 500_000, False, Finding.FAILED),
    (FAILED, 500_000, True, Finding.DEAD),
    (SUCCESS, 500_000, False, Finding.DEBITED),
    (SUCCESS, 500_000, True, Finding.DEBITED),
    (SUCCESS, 500_001, False, Finding.NONSENSE),
    (SUCCESS, 499_000, True, Finding.NONSENSE),
    (SUCCESS, -500_000, False, Finding.NONSENSE),
    (SUCCESS, 0, True, Finding.NONSENSE),
]


@pytest.mark.parametrize(("status", "left_msat", "over", "finding"), FINDINGS)
def test_what_the_source_wallets_row_means(status, left_msat, over, finding):
    payment = status and Payment("h", -left_msat, 0, status, None)
    expires_at = NOW - SETTLED_AFTER - (TICK if over else timedelta(0))
    assert judge(payment, amount_sat=500, expires_at=expires_at, now=NOW) is finding


@pytest.mark.parametrize("status", [None, FAILED])
@pytest.mark.parametrize("left", [timedelta(hours=24), timedelta(0), -SETTLED_AFTER])
def test_nothing_is_dead_before_ten_minutes_after_its_expiry(status, left):
    payment = status and Payment("h", -500_000, 0, status, None)
    finding = judge(payment, amount_sat=500, expires_at=NOW + left, now=NOW)
    assert finding is not Finding.DEAD


# (each payment's status and the msat that left, which of them has settled the payout)
PAID_ALREADY = [
    ([], None),
    ([(SUCCESS, 500_000)], 0),
    ([(FAILED, 500_000), (SUCCESS, 500_000), (FAILED, 1)], 1),
    ([(PENDING, 500_000)], None),
    ([(FAILED, 500_000)], None),
    ([(SUCCESS, 500_000), (PENDING, 500_000)], None),
    ([(SUCCESS, 500_000), (SUCCESS, 500_000)], None),
    ([(SUCCESS, 499_999)], None),
    ([(SUCCESS, 500_001)], None),
    ([(SUCCESS, -500_000)], None),
]


@pytest.mark.parametrize(("rows", "which"), PAID_ALREADY)
def test_one_payment_alone_has_settled_a_payout(rows, which):
    payments = [
        Payment(str(number), -left_msat, 0, status, NOW)
        for number, (status, left_msat) in enumerate(rows)
    ]
    assert sole_payment(payments, 500) == (None if which is None else payments[which])


@pytest.mark.parametrize(
    ("life", "left", "lives"),
    [
        (None, timedelta(hours=1), timedelta(hours=1)),
        (timedelta(hours=24), timedelta(hours=4), timedelta(hours=24)),  # the clock is ahead
        (timedelta(hours=1), timedelta(hours=21), timedelta(hours=21)),  # or behind
        (timedelta(days=30), timedelta(hours=1), timedelta(days=7)),  # made long ago
        (None, timedelta(hours=-1), timedelta()),
    ],
)
def test_invoice_lives_for_as_long_as_any_clock_may_say(life, left, lives):
    invoice = Invoice("lnbc1", "h", 500_000, NOW + left, life)
    assert lives_for(invoice, NOW) == lives + SETTLED_AFTER


@pytest.mark.parametrize(
    ("unwitnessed", "shown", "proven"),
    [
        (timedelta(0), timedelta(days=2), timedelta(days=2)),
        (-TICK, timedelta(days=2), timedelta(days=2)),
        (TICK, timedelta(days=2), timedelta(0)),
        (TICK, timedelta(hours=-1), timedelta(hours=-1)),
    ],
)
def test_time_that_was_not_witnessed_ends_no_invoice(unwitnessed, shown, proven):
    found = proven_now(NOW + shown, expires_at=NOW, unwitnessed=unwitnessed)
    assert found == NOW + proven


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
    assert needed_msat(amount_sat, internal=internal) == needed


@given(st.integers(0, 10**6))
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
    assert memo(sat, minor, currency) == text


@given(st.integers(1, 21 * 10**14), st.integers(0, 10**15))
def test_a_memo_is_never_too_long_for_lnbits(sat, minor):
    assert len(memo(sat, minor, "GTQ")) <= 640
