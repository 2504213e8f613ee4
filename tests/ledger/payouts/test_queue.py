"""Which payouts are open, due, stuck or overdue, and the pages of a client's payouts."""

from datetime import timedelta

import pytest
from ledger.story import ADDRESS, KEY, START

from dca_bot.core.payout import Waiting
from dca_bot.errors import Refusal
from dca_bot.ledger.payouts import deferral, holds, payouts, queue
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Destination

MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
FAR = Destination(clients.ADDRESS, "ana@far.example", min_sat=1000)


@pytest.fixture
def ana(story):
    return story.client("ana", balance=10_000)


def planned(story, id_="d1", sat=600):
    """Return the first client's payout of a sale, if it has one; each sale is later than the one before."""
    story.later(seconds=1)
    return story.cash_out(id_, sat, 60).shares[0].payout_id


def wait(story, id_, why, *, until=START):
    story.do(deferral.defer, story.payout(id_), waiting=why, until=until)


# What an operator should look at


GOES_ON = (
    "",
    Waiting.FUNDS,
    Waiting.NO_DESTINATION,
    Waiting.ON_ITS_WAY,
    Waiting.SENT_AGAIN,
    Waiting.ARRIVING,
)


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("state", "why", "count"),
    [
        *(("PLANNED", why, 0) for why in GOES_ON),
        ("PLANNED", Refusal.UNREACHABLE, 1),
        ("SUBMITTED", Waiting.ERROR, 1),
        ("DEBITED", Waiting.ARRIVING, 0),
        ("ALERT", Waiting.NOT_ARRIVED, 1),
        ("SUBMITTED", Waiting.ON_ITS_WAY, 1),
        ("IN_DOUBT", Waiting.FAILED, 1),
        ("VOID", "", 1),
        ("VOID", Waiting.FUNDS, 1),
        ("DONE", Refusal.UNREACHABLE, 0),
    ],
)
def test_operators_look_at_a_payout_that_waits_for_an_hour(story, state, why, count):
    id_ = planned(story)
    due_at = story.bring(id_, state).due_at
    wait(story, id_, why)
    assert story.read(queue.overdue_count, due_at + HOUR - MOMENT) == 0
    assert story.read(queue.overdue_count, due_at + HOUR) == count


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("kind", "is_own", "is_open", "count"),
    [
        ("payout", True, True, 0),
        ("payout", True, False, 1),
        ("payout", False, True, 1),
        ("cash-out", True, True, 1),
    ],
)
def test_payout_with_an_open_hold_is_counted_as_a_hold_alone(story, kind, is_own, is_open, count):
    id_ = planned(story)
    due_at = story.bring(id_, "VOID").due_at
    ref = id_ if is_own else "another"
    story.do(holds.open_hold, kind, ref, "known_payout", now=story.now)
    if not is_open:
        story.do(holds.close, kind, ref, outcome="accepted", now=story.now)
    assert story.read(queue.overdue_count, due_at + HOUR) == count


@pytest.mark.usefixtures("ana")
def test_stuck_payouts_are_counted_as_they_are_listed(story):
    ids = {}
    for state in ("PLANNED", "SUBMITTED", "DEBITED", "HELD", "IN_DOUBT", "ALERT", "VOID", "DONE"):
        ids[state] = planned(story, state)
        story.bring(ids[state], state)
    waits = planned(story, "waits")
    wait(story, waits, Refusal.UNREACHABLE)
    stuck = [ids["HELD"], ids["IN_DOUBT"], ids["ALERT"], ids["VOID"], waits]
    assert [payout.id for payout in story.read(queue.stuck)] == stuck
    assert [payout.id for payout in story.read(queue.stuck, limit=2, offset=1)] == stuck[1:3]
    assert story.read(queue.stuck_count) == 5
    assert story.read(queue.totals) == (8, 8 * 600)
    for number in range(16):
        wait(story, planned(story, f"d{number}"), Refusal.UNREACHABLE)
    assert len(story.read(queue.stuck)) == 20
    assert story.read(queue.stuck_count) == 21


# What is due next


@pytest.mark.usefixtures("ana")
def test_next_try_is_the_first_of_those_that_are_tried_at_all(story):
    assert story.read(queue.next_try_at, sent_only=False) is None
    for state, days in (("HELD", 1), ("PLANNED", 2), ("SUBMITTED", 3), ("DEBITED", 4)):
        id_ = planned(story, state)
        story.bring(id_, state)
        wait(story, id_, "", until=START + timedelta(days=days))
    assert story.read(queue.next_try_at, sent_only=False) == START + timedelta(days=2)
    assert story.read(queue.next_try_at, sent_only=True) == START + timedelta(days=3)


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("state", "is_sent", "is_unsettled"),
    [
        ("PLANNED", False, False),
        ("INVOICED", False, False),
        ("HELD", False, False),
        ("SUBMITTED", True, True),
        ("IN_DOUBT", True, True),
        ("DEBITED", True, False),
        ("ALERT", True, False),
        ("VOID", False, False),
        ("DONE", False, False),
    ],
)
def test_sent_payout_is_unsettled_until_it_is_debited_or_given_up(
    story, state, is_sent, is_unsettled
):
    story.bring(planned(story), state)
    assert len(story.read(queue.sent)) == is_sent
    assert story.read(queue.unsettled) is is_unsettled


def test_payments_hang_for_each_payee_until_a_later_one_is_debited(story, ana):
    ben, sent_at = story.client("ben", balance=10_000), []
    for id_ in ("d1", "d2"):
        planned(story, id_)
    for client in (ana, ben, ana):
        ready = [payout.id for payout in story.payouts(client) if payout.state == "PLANNED"]
        sent_at.append(story.later(minutes=5))
        story.bring(ready[0], "SUBMITTED")
    assert story.read(queue.hanging_since) == (sent_at[0], sent_at[1])
    story.step(story.payouts(ben)[0].id, "IN_DOUBT")
    assert story.read(queue.hanging_since) == (sent_at[0], sent_at[1])
    story.step(story.payouts(ana)[0].id, "DEBITED")
    assert story.read(queue.hanging_since) == (sent_at[1], sent_at[2])
    story.later(minutes=5)
    story.bring(story.payouts(ben)[1].id, "DONE")
    assert story.read(queue.hanging_since) == ()


@pytest.mark.usefixtures("ana")
def test_payment_that_was_sent_along_with_one_that_arrived_waits_for_its_payee(story):
    first, second = planned(story), planned(story, "d2")
    story.bring(first, "DONE")
    story.later(seconds=30)
    story.bring(second, "SUBMITTED")
    assert story.read(queue.hanging_since) == ()


@pytest.mark.usefixtures("ana")
def test_further_attempt_hangs_since_the_first(story):
    id_ = planned(story)
    first_at = story.now
    story.bring(id_, "VOID")
    assert story.read(queue.hanging_since) == ()
    story.later(hours=2)
    story.step(id_, "PLANNED")
    story.bring(id_, "SUBMITTED")
    assert story.read(queue.hanging_since) == (first_at,)


# Whose payouts


def test_unsent_payouts_of_distributions_are_the_named_payees_or_all(story, ana):
    ben = story.client("ben", balance=10_000)
    for id_ in ("d1", "d2", "d3"):
        planned(story, id_)
    story.bring(story.payouts(ana)[1].id, "SUBMITTED")

    def found(name, *ids):
        of = story.read(queue.unsent_of, ids, client_name=name)
        return [(payout.client_id, *payout.distribution_ids) for payout in of]

    assert found("Ana", "d1", "d2") == [(ana, "d1")]
    assert found("ben", "d2") == [(ben, "d2")]
    assert sorted(found("nobody", "d1", "d2")) == [(ana, "d1"), (ben, "d1"), (ben, "d2")]
    assert found("ana", "d2") == []
    assert found("nobody", "d9") == []


def test_pages_of_a_clients_payouts_begin_with_the_newest_share(story, ana):
    story.client("ben", balance=10_000)
    first, second = planned(story, "d1", 1_200), planned(story, "d2", 1_200)
    story.bring(first, "DONE")
    story.do(clients.set_destination, ana, FAR)
    assert planned(story, "d3", 1_200) is None
    planned(story, "d4", 1_200)
    (both,) = [p.id for p in story.payouts(ana) if len(p.distribution_ids) == 2]
    planned(story, "d5", 1_200)

    def page(**named):
        return [payout.id for payout in story.read(payouts.newest_of, ana, **named)]

    assert page(limit=9) == [both, second, first]
    assert page(limit=2) == [both, second]
    assert page(limit=1, offset=1) == [second]
    assert page(limit=2, offset=2) == [first]
    assert page(limit=2, offset=3) == []
    collecting = story.read(queue.collecting_clients)
    assert [client.id for client in collecting] == [ana]


def test_wallets_that_were_paid_are_listed_newest_first_and_addresses_not(story, ana):
    other, bens = (Destination(clients.INVOICE_KEY, letter * 32) for letter in "eb")
    for id_, where in (("d1", KEY), ("d2", ADDRESS), ("d3", other), ("d4", KEY)):
        story.do(clients.set_destination, ana, where)
        story.bring(planned(story, id_), "DONE")
    ben = story.client("ben", balance=10_000, destination=bens)
    planned(story, "d5")
    story.bring(story.payouts(ben)[0].id, "DONE")
    assert story.read(payouts.invoice_keys_of, ana) == [KEY.value, other.value]
    assert story.read(payouts.invoice_keys_of, ben) == [bens.value]


@pytest.mark.usefixtures("ana")
def test_words_that_name_a_payout_or_an_invoice_are_known(story):
    id_, other, _ = (planned(story, f"d{number}") for number in range(3))
    payment_hash = story.bring(id_, "INVOICED").attempt.payment_hash
    others_hash = story.bring(other, "INVOICED").attempt.payment_hash
    words = [id_[:8], payment_hash, "z"]
    assert story.read(payouts.known_ids, words) == {id_[:8], payment_hash}
    assert [payout.id for payout in story.read(payouts.by_prefix, id_)] == [id_]
    assert len(story.read(payouts.by_prefix, "")) == 2
    assert story.read(payouts.of_invoice, payment_hash).id == id_
    assert story.read(payouts.of_invoice, others_hash).id == other
    assert story.read(payouts.of_invoice, "z") is None
    assert story.read(payouts.payment_hashes, other) == {others_hash}
