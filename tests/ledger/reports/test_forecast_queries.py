from datetime import timedelta

import pytest

from dca_bot.core.forecast import DAY, Pace
from dca_bot.ledger.payouts import booking
from dca_bot.ledger.programme import clients
from dca_bot.ledger.reports import forecast


def spending(story, client_id):
    return story.read(lambda tx: forecast.spending(tx, clients.by_id(tx, client_id), story.now))


def set_fixed(story, client_id, limit_minor, state="active"):
    story.sql(
        "UPDATE client SET mode = 'fixed', fixed_limit_minor = ?, state = ? WHERE id = ?",
        limit_minor,
        state,
        client_id,
    )


def test_spending_is_taken_from_the_entries_of_the_window(story):
    ana = story.client("ana", balance=10_000)
    story.later(days=2)
    story.cash_out("d1", 5_000, 400)
    story.later(days=3)
    story.cash_out("d2", 5_000, 600)
    story.withdraw(ana, 1_000)
    assert spending(story, ana) == Pace(1_000, 5 * DAY)
    story.later(days=26)
    assert spending(story, ana) == Pace(1_000, 30 * DAY)
    story.later(days=2)
    assert spending(story, ana) == Pace(600, 30 * DAY)
    story.later(days=30)
    assert spending(story, ana) == Pace(0, 30 * DAY)


def test_cancelled_payout_was_not_spent(story):
    ana = story.client("ana", balance=10_000)
    story.later(days=2)
    (share,) = story.cash_out("d1", 5_000, 400).shares
    story.do(booking.cancel, story.payout(share.payout_id), now=story.now)
    assert spending(story, ana) == Pace(0, 2 * DAY)


def test_time_without_a_balance_does_not_slow_the_pace(story):
    ana = story.client("ana", balance=1_000)
    story.later(days=4)
    story.cash_out("d1", 5_000, 1_000)
    story.later(days=20)
    story.deposit(ana, 1_000)
    assert spending(story, ana) == Pace(1_000, 4 * DAY)


def test_another_clients_money_tells_nothing(story):
    ana = story.client("ana", balance=1_000)
    ben = story.client("ben", balance=9_000)
    story.later(days=1)
    story.cash_out("d1", 5_000, 1_000)
    assert (spending(story, ana).amount, spending(story, ben).amount) == (100, 900)


def test_flow_pace_is_what_people_got_in_two_weeks(story):
    assert story.read(forecast.flow_pace, story.now).amount == 0
    story.client("ana", balance=500)
    story.cash_out("d0", 7_000, 100)
    story.later(days=20)
    assert story.read(forecast.flow_pace, story.now) == Pace(0, 14 * DAY)
    story.cash_out("d1", 8_000, 800)  # the balance covers half of it
    story.later(days=1)
    assert story.read(forecast.flow_pace, story.now) == Pace(4_000, 14 * DAY)


def test_flow_pace_of_a_young_programme_is_taken_since_its_first_distribution(story):
    story.client("ana", balance=500)
    story.cash_out("d0", 7_000, 100)
    story.later(hours=1)
    assert story.read(forecast.flow_pace, story.now) == Pace(7_000, DAY)
    story.later(days=3)
    assert story.read(forecast.flow_pace, story.now) == Pace(7_000, 3 * DAY + timedelta(hours=1))


def test_fixed_limits_are_those_of_active_fixed_clients_with_a_balance(story):
    for name, balance, limit, state in (
        ("ana", 1_000, 300, "active"),
        ("ben", 1_000, 900, "active"),
        ("cleo", 0, 300, "active"),
        ("dan", 1_000, 300, "paused"),
        ("eva", 1_000, 0, "active"),
    ):
        set_fixed(story, story.client(name, balance=balance), limit, state)
    set_fixed(story, story.client("fay", balance=1_000, destination=None), 300)
    story.client("flo", balance=1_000)
    assert sorted(story.read(forecast.fixed_limits, 500)) == [(300, 1_000), (500, 1_000)]


@pytest.mark.parametrize(
    ("work", "indexes"),
    [
        (forecast.spending, ["entry_to", "entry_from"]),
        (lambda tx, _client, now: forecast.flow_pace(tx, now), ["distribution_at"] * 2),
        (lambda tx, _client, _now: forecast.fixed_limits(tx, 1), ["account_of"]),
    ],
)
def test_each_query_goes_by_an_index_and_sorts_nothing(story, work, indexes):
    ana = story.client("ana", balance=500)
    story.cash_out("d0", 7_000, 100)
    statements = []

    def explain(tx):
        client = clients.by_id(tx, ana)
        tx.set_trace_callback(statements.append)
        work(tx, client, story.now)
        tx.set_trace_callback(None)
        return [
            " ".join(row["detail"] for row in tx.execute(f"EXPLAIN QUERY PLAN {statement}"))
            for statement in statements
        ]

    plans = story.do(explain)
    assert len(plans) == len(indexes)
    for plan, index in zip(plans, indexes, strict=True):
        assert index in plan
        assert "TEMP B-TREE" not in plan


def test_old_entries_are_not_read(story):
    """What was before the window costs nothing, however much it is."""
    ana = story.client("ana", balance=10**6)
    for number in range(60):
        story.cash_out(f"d{number}", 5_000, 400)
    story.later(days=31)
    steps = []

    def count(tx):
        client = clients.by_id(tx, ana)
        tx.set_progress_handler(lambda: steps.append(1), 10)
        forecast.spending(tx, client, story.now)
        tx.set_progress_handler(None, 10)

    story.do(count)
    assert len(steps) < 30
