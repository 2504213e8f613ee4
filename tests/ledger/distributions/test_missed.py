"""Who misses a sale or a run for want of a wallet or a limit, and what is remembered of that."""

from datetime import timedelta

import pytest
from ledger.story import KEY

from dca_bot.ledger.distributions import missed
from dca_bot.ledger.distributions.missed import MissedSales
from dca_bot.ledger.programme import clients, deposits

HOUR = timedelta(hours=1)


def client(story, name, *, balance=100, destination=None, mode="flow", limit=0):
    id_ = story.client(name, balance=balance, destination=destination)
    story.do(clients.set_mode, id_, mode)
    story.do(clients.set_fixed_limit, id_, limit)
    return id_


@pytest.fixture
def ana(story):
    """A client of flow mode with a balance and no wallet, among some who have or lack something else."""
    client(story, "rich", destination=KEY)
    client(story, "poor", balance=0)
    client(story, "saver", mode="fixed", limit=5)
    story.state(client(story, "paused"), "paused")
    return client(story, "ana")


def ids(story, read, *given):
    return [one.id for one in story.read(read, *given)]


def test_sale_is_missed_for_want_of_a_wallet_by_whose_balance_was_there(story, ana):
    late = client(story, "late", balance=0)
    before = story.now
    story.later(hours=1)
    story.deposit(late, 100)
    story.deposit(ana, 50)
    story.pending(ana, 1_000)
    voided = story.deposit(ana, 100)
    story.do(deposits.void, voided, now=story.now)
    assert ids(story, missed.would_miss, before) == [ana]
    assert ids(story, missed.would_miss, story.now) == [ana, late]


def test_run_is_missed_for_want_of_a_wallet_or_a_limit(story, ana):
    neither = client(story, "neither", mode="fixed")
    without_limit = client(story, "unlimited", destination=KEY, mode="fixed")
    client(story, "whole", destination=KEY, mode="fixed", limit=5)
    client(story, "empty", balance=0, mode="fixed")
    story.state(client(story, "resting", mode="fixed"), "paused")
    (first, *others) = ids(story, missed.would_miss_run)
    assert story.read(clients.by_id, first).name == "saver"
    assert others == [neither, without_limit]
    assert ana not in others


def test_missed_sales_are_remembered_with_their_distribution(story, ana):
    ben = client(story, "ben")
    since = story.now
    assert story.read(missed.since, since) == MissedSales(0, ())
    for id_, with_wallet in (("d1", ()), ("d2", (ben,)), ("d3", (ana, ben))):
        story.later(hours=1)
        for one in with_wallet:
            story.do(clients.set_destination, one, KEY)
        story.cash_out(id_, 600, 1)
    assert ids(story, missed.of_distribution, "d1") == [ana, ben]
    assert ids(story, missed.of_distribution, "d2") == [ana]
    assert ids(story, missed.of_distribution, "d3") == []
    assert story.read(missed.since, since) == MissedSales(2, ("ana", "ben"))
    assert story.read(missed.since, since + HOUR) == MissedSales(1, ("ana",))
    assert story.read(missed.since, since + 2 * HOUR) == MissedSales(0, ())


def test_share_waits_for_a_wallet_until_there_is_one(story):
    ana = client(story, "ana")
    story.percent(ana, 5_000)
    story.recipient("rosa", 5_000)
    for id_ in ("d1", "d2"):
        story.cash_out(id_, 600, 1, commission_sat=100)
    assert ids(story, missed.waiting_for_wallet, "d1") == []
    assert ids(story, missed.waiting_for_wallet, "commission:d1") == [ana]
    story.do(clients.set_destination, ana, KEY)
    assert ids(story, missed.waiting_for_wallet, "commission:d1") == []


def test_who_was_told_is_remembered_alone(story, ana):
    other = client(story, "other")
    story.do(missed.note_told, ana, now=story.now)
    assert story.read(missed.told_at, ana) == story.now
    assert story.read(missed.told_at, other) is None
