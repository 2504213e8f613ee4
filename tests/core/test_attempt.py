from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.attempt import (
    LIFE_MAX,
    SETTLED_AFTER,
    Finding,
    judge,
    lives_for,
    proven_now,
    refusal_of_invoice,
    sole_payment,
)
from dca_bot.core.ports import Invoice, Payment, PaymentStatus
from dca_bot.errors import Refusal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SUCCESS, PENDING, FAILED = PaymentStatus.SUCCESS, PaymentStatus.PENDING, PaymentStatus.FAILED


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


# (sats that the invoice asks for beside the payout's 500, how long the invoice lives, refusal)
MARGIN = timedelta(minutes=1)
OFFERED = [
    (0, MARGIN + TICK, None),
    (0, MARGIN, Refusal.EXPIRES_SOON),
    (0, timedelta(hours=-1), Refusal.EXPIRES_SOON),
    (0, LIFE_MAX, None),
    (0, LIFE_MAX + TICK, Refusal.LIVES_LONG),
    (1, timedelta(hours=1), Refusal.OTHER_AMOUNT),
    (-1, timedelta(hours=1), Refusal.OTHER_AMOUNT),
]


@pytest.mark.parametrize(("more_sat", "lives", "refusal"), OFFERED)
def test_invoice_of_another_amount_or_life_is_refused(more_sat, lives, refusal):
    invoice = Invoice("lnbc1", "h", (500 + more_sat) * 1000, NOW + lives)
    assert refusal_of_invoice(invoice, amount_sat=500, margin=MARGIN, now=NOW) is refusal
