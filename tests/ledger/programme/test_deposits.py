import sqlite3

import pytest

from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.programme import deposits
from dca_bot.ledger.store import accounts
from dca_bot.ledger.store.accounts import CASH


def void(story, deposit):
    story.do(deposits.void, deposit, now=story.now)


def test_a_pending_deposit_changes_no_balance(story):
    ana = story.client("ana")
    story.pending(ana, 500)
    assert story.balance(ana) == 0
    assert story.read(deposits.pending_minor, ana) == 500


def test_a_confirmed_deposit_is_the_clients_as_of_its_confirmation(story):
    ana = story.client("ana")
    pending = story.pending(ana, 500)
    confirmed_at = story.later(days=2)
    confirmed = story.confirm(pending)
    assert (confirmed.state, confirmed.confirmed_at) == ("confirmed", confirmed_at)
    assert (story.balance(ana), story.total(CASH)) == (500, -500)
    assert story.read(deposits.pending_minor, ana) == 0


def test_a_deposit_is_confirmed_once(story):
    ana = story.client("ana")
    pending = story.pending(ana, 500)
    story.confirm(pending)
    with pytest.raises(StateChanged, match=Changed.DEPOSIT_NOT_PENDING):
        story.confirm(pending)
    assert story.balance(ana) == 500


def test_a_voided_pending_deposit_can_never_be_confirmed(story):
    ana = story.client("ana")
    pending = story.pending(ana, 500)
    void(story, pending)
    with pytest.raises(StateChanged):
        story.confirm(pending)
    assert story.balance(ana) == 0
    assert story.findings() == ()


def test_a_voided_confirmed_deposit_leaves_the_balance(story):
    ana = story.client("ana", balance=300)
    confirmed = story.deposit(ana, 500)
    void(story, confirmed)
    assert (story.balance(ana), story.total(CASH)) == (300, -300)
    assert story.findings() == ()


@pytest.mark.parametrize("confirmed_meanwhile", [False, True])
def test_a_deposit_is_voided_once_and_only_as_it_was_seen(story, confirmed_meanwhile):
    ana = story.client("ana", balance=9000)
    seen = story.pending(ana, 500)
    if confirmed_meanwhile:
        story.confirm(seen)
    else:
        void(story, seen)
    with pytest.raises(StateChanged):
        void(story, seen)
    voided = story.read(deposits.by_id, seen.id)
    if voided.state == "voided":
        with pytest.raises(StateChanged):
            void(story, voided)
    assert story.balance(ana) == (9500 if confirmed_meanwhile else 9000)


@pytest.mark.parametrize(("left", "works"), [(501, True), (500, True), (499, False), (0, False)])
def test_a_confirmed_deposit_is_voided_only_while_the_balance_covers_it(story, left, works):
    ana = story.client("ana", balance=1000)
    confirmed = story.deposit(ana, 500)
    story.withdraw(ana, 1500 - left)
    if works:
        void(story, confirmed)
    else:
        with pytest.raises(sqlite3.IntegrityError):
            void(story, confirmed)
    assert story.balance(ana) == (left - 500 if works else left)
    assert story.read(deposits.by_id, confirmed.id).state == ("voided" if works else "confirmed")
    assert story.findings() == ()


@pytest.mark.parametrize(
    ("amount", "works"), [(1, True), (500, True), (501, False), (0, True), (-1, False)]
)
def test_a_withdrawal_takes_at_most_the_balance_and_never_gives(story, amount, works):
    ana, ben = story.client("ana", balance=500), story.client("ben", balance=9000)
    if works:
        story.withdraw(ana, amount)
    else:
        with pytest.raises(sqlite3.IntegrityError):
            story.withdraw(ana, amount)
    assert story.balance(ana) == (500 - amount if works else 500)
    assert (story.balance(ben), story.findings()) == (9000, ())


@pytest.mark.parametrize("amount", [0, -1, 2**63])
def test_an_impossible_deposit_is_refused(story, amount):
    ana = story.client("ana")
    with pytest.raises((sqlite3.IntegrityError, OverflowError)):
        story.pending(ana, amount)


def test_a_posting_that_one_balance_does_not_cover_moves_nothing(story):
    ana, ben = story.client("ana", balance=500), story.client("ben", balance=100)
    moves = [accounts.Move(accounts.balance_of(c), CASH, 200) for c in (ana, ben)]
    with pytest.raises(sqlite3.IntegrityError):
        story.do(accounts.post, "withdrawal", moves, cause=accounts.Cause(), now=story.now)
    assert (story.balance(ana), story.balance(ben)) == (500, 100)
    assert story.sql("SELECT count(*) AS n FROM posting")[0]["n"] == 2


def test_deposits_are_listed_newest_first(story):
    ana, ben = story.client("ana"), story.client("ben")
    first, second, third = story.pending(ana, 1), story.deposit(ben, 2), story.pending(ana, 3)

    def listed(**named):
        return [deposit.id for deposit in story.read(deposits.recent, **named)]

    assert listed() == [third.id, second.id, first.id]
    assert listed(limit=2) == [third.id, second.id]
    assert listed(limit=2, offset=2) == [first.id]
    assert listed(pending_only=True) == [third.id, first.id]
    of_ana = story.read(deposits.recent_of, ana, limit=10)
    assert [deposit.id for deposit in of_ana] == [third.id, first.id]
    more = [story.pending(ben, minor).id for minor in range(4, 12)]
    assert listed() == [*more[::-1], third.id, second.id]


def test_pending_deposits_are_those_of_the_client_and_add_up(story):
    ana, ben = story.client("ana"), story.client("ben")
    first, second = story.pending(ana, 500), story.pending(ana, 300)
    other, done = story.pending(ben, 70), story.pending(ana, 9000)
    story.confirm(done)
    void(story, story.pending(ben, 8000))
    assert [one.id for one in story.read(deposits.pending_of, ana)] == [first.id, second.id]
    assert [one.id for one in story.read(deposits.pending_of, ben)] == [other.id]
    assert story.read(deposits.pending_totals) == (3, 870)
