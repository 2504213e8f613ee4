"""The limits of the money path, once more: whoever changes one changes what docs/money.md promises."""

from datetime import timedelta

import pytest

from dca_bot.core import attempt, freshness, lease, money, payout, verdict, witness

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("limit", "promised"),
    [
        (attempt.INVOICE_LIFE, DAY),
        (attempt.LIFE_MAX, 7 * DAY),
        (attempt.INTERNAL_MARGIN, 10 * MINUTE),
        (attempt.ADDRESS_MARGIN, MINUTE),
        (attempt.SETTLED_AFTER, 10 * MINUTE),
        (attempt.FAILED_FOR_GOOD, 7 * DAY + 10 * MINUTE),
        (payout.TOP_UP_LIFE, DAY),
        (payout.CREDIT_GRACE, 10 * MINUTE),
        (payout.SLOW_AFTER, 30 * MINUTE),
        (payout.ATTEMPTS_MAX, 3),
        (payout.PASSING_TRIES, 6),
        (lease.LOOK_AGE_MAX_S, 5),
        (lease.WAIT_S, 15),
        (lease.GENERATION_MAX, 1_000_000_000),
        (witness.LOOKS_APART, DAY),
        (witness.UNANSWERED_MAX, 3 * DAY),
        (witness.FIRST_LOOK_AFTER, MINUTE),
        (witness._LOOK_EVERY_MAX, HOUR),
        (witness._PROOF_LOOKS, (10 * MINUTE, DAY)),
        (witness.LOOKS_END, 8 * DAY),
        (witness._WORD_AFTER, DAY),
        (verdict.WAIT_MAX, 2 * DAY),
        (freshness.COPY_AGE_MAX, 26 * HOUR),
        (money.FIAT_MINOR_MAX, 1_000_000_000_000_000),
        (money.SAT_MAX, 2_100_000_000_000_000),
    ],
)
def test_limit_is_what_the_documentation_says(limit, promised):
    assert limit == promised
