"""The limits and pauses of the jobs, once more: whoever changes one changes what people wait for."""

from datetime import timedelta

import pytest

from dca_bot.jobs import fixed_mode
from dca_bot.jobs.lamassu import decisions, ingest, partial_readings
from dca_bot.jobs.payouts import (
    arrival,
    failed_payments,
    funds,
    lease,
    reconcile,
    resolve,
    verify,
    worker,
)
from dca_bot.ledger.payouts import queue

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("limit", "promised"),
    [
        (arrival._CREDIT_POLL_S, 15),
        (arrival._ALERT_POLL, HOUR),
        (failed_payments._LOOK_AGAIN, 10 * MINUTE),
        (failed_payments._LOOK_AGAIN_LATE, HOUR),
        (failed_payments._ASKED_AGAIN, DAY),
        (funds._RETRY_WITHOUT_INVOICE, 6 * HOUR),
        (funds._RENEWED_EVERY_MIN, HOUR),
        (lease._LOOKS_MAX, 3),
        (lease._WRITE_AGAIN_AFTER, 10 * MINUTE),
        (reconcile._RENEWED_MAX, 100),
        (reconcile._BATCH, 500),
        (resolve._VOID_POLL, 10 * MINUTE),
        (verify.LOOK_S, 30),
        (verify.BATCH, 20),
        (verify.AT_ONCE, 4),
        (worker.BATCH, 200),
        (worker._HEARTBEAT_S, 15),
        (worker._FIRST_RETRY_S, 5),
        (worker._RECONCILE_EVERY, HOUR),
        (worker._FORGOTTEN_AT_ONCE, 2_000),
        (worker._MINIMUM_RENEWED_EVERY, DAY),
        (worker._UNCLEAR_MAX, 3),
        (worker._REFUSALS_MAX, 3),
        (queue.DAY, DAY),
        (queue._OVERDUE_AFTER, HOUR),
        (decisions._REDEEM_LATER, 2 * DAY),
        (ingest._FULL_READ_EVERY, DAY),
        (ingest._UNREADABLE_EVERY, HOUR),
        (ingest.TOLD_MAX, 10_000),
        (partial_readings.TELL_AFTER, 15 * MINUTE),
        (partial_readings._FIRST_MAX, 100),
        (fixed_mode.LOOK_S, 30),
        (fixed_mode.LATE, 5 * MINUTE),
    ],
)
def test_limit_is_what_people_count_on(limit, promised):
    assert limit == promised
