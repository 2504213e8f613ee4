from datetime import timedelta

import pytest
from ledger.story import START

from dca_bot.core.stats import Purchase
from dca_bot.ledger.payouts import booking
from dca_bot.ledger.reports import purchases


@pytest.fixture
def ana(story):
    return story.client("ana", balance=10_000)


def test_purchases_of_a_range_are_those_made_in_it(story, ana):
    story.cash_out("d0", 5_000, 400)
    start = story.later(days=1)
    story.cash_out("d1", 5_000, 500)
    story.later(days=1)
    story.cash_out("d2", 5_000, 600)
    rates = [one.minor for one in story.read(purchases.since, ana, start).purchases]
    assert rates == [600, 500]
    assert len(story.read(purchases.since, ana, None).purchases) == 3


def test_cash_out_that_was_read_late_counts_at_its_own_time(story, ana):
    early = story.now
    start = story.later(days=2)
    story.cash_out("late", 5_000, 400, at=early)
    assert story.read(purchases.since, ana, start).purchases == ()
    assert story.read(purchases.since, ana, None).purchases[0].at == early


def test_old_purchase_recorded_in_between_hides_no_other(story, ana):
    early = story.now
    start = story.later(days=2)
    story.cash_out("d1", 5_000, 400)
    story.cash_out("late", 5_000, 500, at=early)
    found = story.read(purchases.since, ana, start).purchases
    assert [one.minor for one in found] == [400]


def test_cancelled_payout_was_no_purchase(story, ana):
    (share,) = story.cash_out("d1", 5_000, 400).shares
    story.do(booking.cancel, story.payout(share.payout_id), now=story.now)
    assert story.read(purchases.since, ana, None).purchases == ()


def test_commission_is_no_purchase(story, ana):
    story.percent(ana, 7_000)
    story.cash_out("d1", 5_000, 400, commission_sat=1_000)
    found = story.read(purchases.since, ana, None)
    assert [one.minor for one in found.purchases] == [400]
    assert found.commission_sat == 700


def test_share_that_waits_for_more_is_a_purchase_without_a_payout(story):
    far = story.client("far", balance=10_000)
    story.sql("UPDATE client SET destination_min_sat = 9000")
    story.cash_out("d1", 5_000, 400)
    found = story.read(purchases.since, far, None)
    assert found.purchases == (Purchase(START, 400, 5_000, None),)


def test_another_clients_purchases_are_not_told(story, ana):
    ben = story.client("ben", balance=10_000)
    story.cash_out("d1", 5_000, 400)
    assert [one.minor for one in story.read(purchases.since, ana, None).purchases] == [200]
    assert [one.minor for one in story.read(purchases.since, ben, None).purchases] == [200]


def test_saving_begins_with_the_first_confirmed_deposit(story):
    ana = story.client("ana")
    assert story.read(purchases.saving_since, ana) is None
    story.pending(ana, 500)
    first = story.later(days=1)
    story.deposit(ana, 100)
    story.later(days=1)
    story.deposit(ana, 100)
    assert story.read(purchases.saving_since, ana) == first


def test_range_reads_by_index_and_stops_where_it_begins(story, ana):
    for number in range(60):
        story.cash_out(f"d{number}", 5_000, 100)
    start = story.later(days=31)
    story.deposit(ana, 1_000)
    story.cash_out("new", 5_000, 100)
    plans, steps = [], []

    def watch(tx):
        statements = []
        tx.set_trace_callback(statements.append)
        tx.set_progress_handler(lambda: steps.append(1), 10)
        purchases.since(tx, ana, start)
        tx.set_progress_handler(None, 10)
        purchases.saving_since(tx, ana)
        tx.set_trace_callback(None)
        for statement in statements:
            plan = tx.execute(f"EXPLAIN QUERY PLAN {statement}")
            plans.append(" ".join(row["detail"] for row in plan))

    story.do(watch)
    assert len(steps) < 15
    assert "share_client" in plans[0]
    assert "deposit_client" in plans[1]
    assert "TEMP B-TREE" not in plans[0] + plans[1]


def test_microseconds_before_the_range_are_outside(story, ana):
    story.cash_out("d0", 5_000, 400)
    for shift, count in ((0, 1), (1, 0)):
        start = START + timedelta(microseconds=shift)
        assert len(story.read(purchases.since, ana, start).purchases) == count
