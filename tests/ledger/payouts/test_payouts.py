import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger.story import ADDRESS, KEY, START, WAYS, Story, hex_of

from dca_bot.core.attempt import ADDRESS_MARGIN, INTERNAL_MARGIN
from dca_bot.core.payout import CANCELLABLE, PayoutState, Wait, Waiting, backoff_s, payout_id
from dca_bot.core.ports import PaymentStatus
from dca_bot.errors import Changed, Refusal, StateChanged
from dca_bot.ledger.payouts import (
    booking,
    deferral,
    holds,
    payout_need,
    payouts,
    planning,
    queue,
    transitions,
)
from dca_bot.ledger.payouts import unknown_payments as foreign_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import Got
from dca_bot.ledger.store import accounts

FAR = Destination(clients.ADDRESS, "ana@far.example", min_sat=1000)


@pytest.fixture
def ana(story):
    return story.client("ana", balance=10_000)


def planned(story, id_="d1", sat=600, minor=60):
    """Give the only client one payout, later than the one before."""
    story.later(seconds=1)
    return story.payout(story.cash_out(id_, sat, minor).shares[0].payout_id)


def foreign(story, payout, status):
    story.sql(
        "INSERT INTO foreign_payment (payment_hash, external_id, amount_msat, fee_msat, status, seen_at)"
        " VALUES (?, ?, ?, 0, ?, 0)",
        hex_of("lost"),
        payout.id,
        -payout.amount_sat * 1000,
        status,
    )


GOES_ON = {
    "an invoice is recorded": lambda s, p: s.step(p.id, "INVOICED"),
    "an invoice is sent": lambda s, p: s.bring(p.id, "SUBMITTED"),
    "a payment settles": lambda s, p: s.bring(p.id, "DONE"),
    "an operator cancels": lambda s, p: s.step(p.id, "CANCELLED"),
    "a ceiling holds": lambda s, p: s.step(p.id, "HELD"),
    "the wait has another reason": lambda s, p: s.do(
        deferral.defer, p, waiting=Waiting.FUNDS, until=s.now
    ),
    "the client has another wallet": lambda s, p: s.do(clients.set_destination, p.client_id, FAR),
}
WORDED = (Wait(Refusal.SAID, "full"), Wait(Refusal.ABOVE_MAXIMUM, limit_sat=5))


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize("wait", WORDED, ids=["words", "limit"])
@pytest.mark.parametrize("goes_on", GOES_ON.values(), ids=GOES_ON)
def test_words_and_limit_of_a_wait_go_with_the_reason(story, goes_on, wait):
    payout = planned(story)
    story.do(deferral.defer, payout, waiting=wait, until=story.now)
    assert story.payout(payout.id).wait == wait
    goes_on(story, story.payout(payout.id))
    after = story.payout(payout.id)
    assert after.waiting != wait.code
    assert (after.waiting_said, after.waiting_sat) == ("", None)


# Planning


def test_each_share_gets_a_payout_of_its_own(story, ana):
    for id_ in ("d1", "d2"):
        planned(story, id_)
    assert [(p.amount_sat, p.minor, p.distribution_ids) for p in story.payouts(ana)] == [
        (600, 60, ("d1",)),
        (600, 60, ("d2",)),
    ]


def test_an_id_tells_recipient_and_distributions_and_nothing_else(story, ana, tmp_path):
    first = planned(story)
    assert first.id == payout_id(hex_of("ana"), ["d1"])
    other = Story(tmp_path / "restored")
    other.client("eva")
    other.later(days=9)
    other.client("ana", balance=10_000, destination=ADDRESS)
    assert planned(other).id == first.id
    other.end()
    assert story.owed(ana) == 600


def test_shares_below_the_destinations_minimum_wait_until_one_payout_covers_it(story, ana):
    story.do(clients.set_destination, ana, FAR)
    story.cash_out("d1", 600, 60)
    assert story.payouts() == []
    story.cash_out("d2", 300, 30)
    assert story.payouts() == []
    story.cash_out("d3", 100, 10)
    story.cash_out("d4", 999, 10)
    (payout,) = story.payouts()
    assert (payout.amount_sat, payout.minor) == (1000, 100)
    assert payout.distribution_ids == ("d1", "d2", "d3")
    assert (story.owed(ana), story.findings()) == (1999, ())


def test_a_payout_that_proves_too_small_waits_for_more(story, ana):
    first = planned(story)
    story.do(planning.merge, first, min_sat=1000, now=story.now)
    assert story.payout(first.id).state is PayoutState.MERGED
    assert story.payouts() == []
    second = planned(story, "d2")
    assert second.id == payout_id(hex_of("ana"), ["d1", "d2"])
    assert (second.amount_sat, second.due_at) == (1200, first.due_at)
    assert (story.owed(ana), story.findings()) == (1200, ())


def test_payouts_that_prove_too_small_one_after_the_other_become_one(story, ana):
    first, second = planned(story, "d1"), planned(story, "d2")
    story.do(planning.merge, first, min_sat=1000, now=story.now)
    story.do(planning.merge, second, min_sat=1000, now=story.now)
    (both,) = story.payouts(ana)
    assert both.amount_sat == 1200
    assert story.findings() == ()


def test_a_minimum_that_sinks_again_brings_the_same_payouts_back(story, ana):
    first = planned(story)
    story.do(planning.merge, first, min_sat=2000, now=story.now)
    story.later(seconds=1)
    assert story.cash_out("d2", 600, 60).shares[0].payout_id is None
    story.do(clients.set_destination, ana, KEY)
    story.do(planning.plan_all, now=story.now)
    again = story.payouts(ana)
    assert [p.id for p in again] == [first.id, payout_id(hex_of("ana"), ["d2"])]
    assert {p.state for p in again} == {PayoutState.PLANNED}
    assert story.bring(first.id, "DONE").amount_sat == 600
    assert story.findings() == ()


def test_shares_that_add_up_are_paid_in_the_turn_of_the_oldest_sale(story, ana):
    story.do(clients.set_destination, ana, FAR)
    for id_, hours in (("d1", 5), ("d2", 1)):
        story.record(id_)
        story.distribute(id_, 600, 60, at=START + timedelta(hours=hours))
    story.now = START
    (payout,) = story.payouts(ana)
    assert (payout.amount_sat, payout.due_at) == (1200, START + timedelta(hours=1))


def test_shares_of_many_that_lie_between_each_other_add_up_for_each(story, ana):
    ben = story.client("ben", balance=10_000, destination=FAR)
    story.do(clients.set_destination, ana, FAR)
    story.percent(ana, 5_000)
    for number in range(4):
        story.later(hours=1)
        story.cash_out(f"d{number}", 1_000, 100, commission_sat=800)
    found = {
        name: [(payout.amount_sat, len(payout.distribution_ids)) for payout in story.payouts(id_)]
        for name, id_ in (("ana", ana), ("ben", ben))
    }
    assert found == {"ana": [(1_200, 3), (1_000, 2), (1_000, 2)], "ben": [(1_000, 2), (1_000, 2)]}
    assert story.findings() == ()


def wait_alike(story, first):
    """Have the destination of a payout not answer; return why each payout waits then."""
    until = story.now + timedelta(minutes=5)
    payout = story.payout(first)
    story.do(deferral.defer, payout, waiting="unreachable", until=until)
    story.do(deferral.defer_like, payout, KEY.value)
    return {found.id: found.waiting for found in story.payouts()}


def test_payouts_to_a_server_that_does_not_answer_wait_together(story, ana):
    first, like, funds = (planned(story, f"d{n}").id for n in range(3))
    short = story.payout(funds)
    story.do(deferral.defer, short, waiting=Waiting.FUNDS, until=story.now, counted=False)
    ben = story.client("ben", balance=10_000, destination=ADDRESS)
    story.cash_out("d9", 600, 60)
    others = {p.id: "" for p in story.payouts(ben)}
    (mine,) = [p.id for p in story.payouts(ana) if p.id not in (first, like, funds)]
    assert wait_alike(story, first) == {
        first: "unreachable",
        like: "unreachable",
        mine: "unreachable",
        funds: Waiting.FUNDS,
        **others,
    }


def test_payouts_to_a_wallet_that_was_left_keep_none_to_the_new_one_back(story, ana):
    first, like = (planned(story, f"d{n}").id for n in range(2))
    story.do(clients.set_destination, ana, ADDRESS)
    assert wait_alike(story, first) == {first: "unreachable", like: ""}


def test_payout_that_was_sent_meanwhile_keeps_no_other_back(story, ana):
    first, like = (planned(story, f"d{n}").id for n in range(2))
    story.bring(first, "SUBMITTED")
    assert wait_alike(story, first) == {first: "unreachable", like: ""}
    assert story.owed(ana) == 1200


def test_payout_of_a_lost_ledger_is_planned_with_its_id_for_one_share(story, ana):
    story.do(clients.set_destination, ana, FAR)
    ben = story.client("ben", balance=10_000, destination=FAR)
    for number in (1, 2, 3):
        story.later(hours=1)
        story.cash_out(f"d{number}", 300 * number, 60)
    story.do(planning.adopt, "lost", ben, "d2", now=story.later(hours=1))
    (payout,) = story.payouts()
    assert (payout.id, payout.client_id, payout.distribution_ids) == ("lost", ben, ("d2",))
    assert payout.amount_sat == story.shares("d2")[ben][1]
    assert (payout.due_at, payout.try_at) == (story.now - timedelta(hours=2), story.now)
    assert story.read(payout_need.collecting).count == 5


def test_planning_again_changes_nothing(story, ana):
    before = planned(story)
    for _ in range(2):
        story.do(planning.plan_all, now=story.later(hours=1))
        story.do(planning.plan, [ana], now=story.later(hours=1))
    assert story.payouts() == [before]


@pytest.mark.parametrize("is_merged", [False, True])
def test_a_key_that_passed_to_another_client_takes_no_share_along(story, ana, is_merged):
    ben = story.client("ben", balance=10_000, destination=FAR)
    story.cash_out("d1", 1000, 100)
    (of_ana,) = story.payouts()
    assert of_ana.client_id == ana
    if is_merged:
        story.do(planning.merge, of_ana, min_sat=1000, now=story.now)
    story.do(clients.set_pubkey, ana, hex_of("ana's new key"), now=story.now)
    story.do(clients.set_pubkey, ben, hex_of("ana"), now=story.now)
    story.do(clients.set_destination, ben, ADDRESS)
    story.do(planning.plan_all, now=story.now)
    story.do(clients.set_destination, ana, KEY)
    for _ in range(2):
        story.do(planning.plan_all, now=story.now)
        assert {(p.client_id, p.amount_sat) for p in story.payouts()} == {(ana, 500), (ben, 500)}
    assert story.findings() == ()
    story.cash_out("d2", 1000, 100)
    assert sum(p.amount_sat for p in story.payouts(ben)) == 1000
    assert story.findings() == ()


# Races: two who have read the same payout


MOVES = {
    "invoice": lambda s, p: s.do(
        transitions.record_invoice,
        p,
        s.invoice(p, hash_=hex_of(str(s.later(seconds=1)))),
        now=s.now,
    ),
    "discard": lambda s, p: s.do(transitions.discard_invoice, p),
    "submit": lambda s, p: s.do(transitions.submit, p, now=s.now),
    "debit": lambda s, p: s.do(booking.debit, p, s.payment(p), now=s.now),
    "take over": lambda s, p: s.do(booking.take_over, p, s.payment(p), now=s.now),
    "finish": lambda s, p: s.do(transitions.finish, p, now=s.now),
    "hold": lambda s, p: s.do(transitions.hold, p, "known", now=s.now),
    "retry": lambda s, p: s.do(transitions.retry, p, now=s.now),
    "cancel": lambda s, p: s.do(booking.cancel, p, now=s.now),
    "merge": lambda s, p: s.do(planning.merge, p, min_sat=10_000, now=s.now),
    "defer": lambda s, p: s.do(deferral.defer, p, waiting="", until=s.now),
}
RACES = [
    ("PLANNED", "invoice", ("invoice", "hold", "cancel", "merge", "defer")),
    ("PLANNED", "cancel", ("invoice", "hold", "cancel", "merge", "defer")),
    ("PLANNED", "merge", ("invoice", "hold", "cancel", "merge", "defer")),
    ("PLANNED", "hold", ("invoice", "hold", "cancel", "merge", "defer")),
    ("INVOICED", "discard", ("submit", "discard", "hold", "cancel")),
    ("INVOICED", "submit", ("submit", "discard", "hold", "cancel")),
    ("INVOICED", "cancel", ("submit", "discard", "hold", "cancel")),
    ("SUBMITTED", "debit", ("debit", "defer")),
    ("DEBITED", "finish", ("finish", "defer")),
    ("HELD", "take over", ("take over", "retry", "cancel")),
    ("HELD", "cancel", ("take over", "retry", "cancel")),
    ("HELD", "retry", ("take over", "retry", "cancel")),
    ("VOID", "retry", ("retry", "cancel")),
    ("VOID", "cancel", ("retry", "cancel")),
]


@pytest.mark.parametrize(
    ("state", "winner", "loser"),
    [(state, winner, loser) for state, winner, losers in RACES for loser in losers],
)
@pytest.mark.usefixtures("ana")
def test_of_two_who_move_one_payout_the_second_changes_nothing(story, state, winner, loser):
    seen = story.bring(planned(story).id, state)
    MOVES[winner](story, seen)
    before = story.payout(seen.id)
    with pytest.raises(StateChanged):
        MOVES[loser](story, seen)
    assert story.payout(seen.id) == before
    assert story.findings() == ()


@pytest.mark.usefixtures("ana")
def test_a_payout_invoiced_anew_meanwhile_is_not_submitted_as_the_old_one(story):
    seen = story.bring(planned(story).id, "INVOICED")
    MOVES["discard"](story, seen)
    MOVES["invoice"](story, story.payout(seen.id))
    with pytest.raises(StateChanged):
        MOVES["submit"](story, seen)
    assert story.payout(seen.id).attempt.number == 2


@pytest.mark.usefixtures("ana")
def test_an_invoice_that_was_handed_out_before_is_not_recorded_again(story):
    first, second = planned(story, "d1"), planned(story, "d2")
    story.do(transitions.record_invoice, first, story.invoice(first), now=story.now)
    copied = story.invoice(first)
    with pytest.raises(sqlite3.IntegrityError):
        story.do(transitions.record_invoice, second, copied, now=story.now)
    assert story.payout(second.id) == second


# Destinations


@pytest.mark.parametrize(
    ("state", "follows"),
    [
        ("PLANNED", True),
        ("INVOICED", True),
        ("HELD", True),
        ("SUBMITTED", False),
        ("IN_DOUBT", False),
        ("DEBITED", False),
        ("DONE", False),
        ("ALERT", False),
        ("VOID", False),
    ],
)
def test_a_destination_is_fixed_once_submitted(story, ana, state, follows):
    id_ = story.bring(planned(story).id, state).id
    story.do(clients.set_destination, ana, ADDRESS)
    assert story.payout(id_).destination.value == (ADDRESS if follows else KEY).value
    if state == "INVOICED":
        assert story.payout(id_).state is PayoutState.PLANNED


def test_a_payout_held_with_an_invoice_does_not_go_to_the_wallet_left_behind(story, ana):
    id_ = story.bring(planned(story).id, "INVOICED").id
    story.step(id_, "HELD")
    story.do(clients.set_destination, ana, ADDRESS)
    story.step(id_, "PLANNED")
    story.step(id_, "INVOICED")
    assert story.step(id_, "SUBMITTED").destination.value == ADDRESS.value


def test_a_new_attempt_goes_where_the_first_one_went(story, ana):
    id_ = story.bring(planned(story).id, "VOID").id
    story.do(clients.set_destination, ana, ADDRESS)
    story.step(id_, "PLANNED")
    again = story.step(id_, "INVOICED")
    assert (again.attempt.number, again.destination.value) == (2, KEY.value)
    assert story.step(id_, "SUBMITTED").attempts == 2
    assert len(story.read(payouts.payment_hashes, id_)) == 2


@pytest.mark.parametrize("aside", ["PLANNED", "HELD"])
def test_a_new_attempt_that_is_put_aside_still_goes_where_the_first_one_went(story, ana, aside):
    id_ = story.bring(planned(story).id, "VOID").id
    story.do(clients.set_destination, ana, ADDRESS)
    story.step(id_, "PLANNED")
    story.step(id_, "INVOICED")
    assert story.step(id_, aside).destination.value == KEY.value


# Paying


def test_what_is_debited_is_not_owed_any_more(story, ana):
    id_ = story.bring(planned(story).id, "DEBITED").id
    assert (story.owed(ana), story.total(accounts.PAID)) == (0, 600)
    story.step(id_, "DONE")
    assert (story.total(accounts.PAID), story.need().count) == (600, 0)


@pytest.mark.usefixtures("ana")
def test_a_debited_payout_is_never_debited_again(story):
    id_ = story.bring(planned(story).id, "ALERT").id
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        story.step(id_, "DEBITED")
    assert (story.total(accounts.PAID), story.payout(id_).state) == (600, PayoutState.ALERT)


@pytest.mark.usefixtures("ana")
def test_the_day_sum_counts_what_was_sent_in_the_last_24_hours(story):
    first = story.bring(planned(story, "d1", sat=100).id, "SUBMITTED")
    story.later(hours=12)
    story.bring(planned(story, "d2", sat=20).id, "DONE")
    another = story.bring(planned(story, "d3", sat=3).id, "INVOICED")

    def sent(at):
        return story.read(queue.submitted_sat_since, at - queue.DAY, beside=another)

    assert sent(story.now) == 120
    assert sent(first.submitted_at + timedelta(hours=24, microseconds=-1)) == 120
    assert sent(first.submitted_at + timedelta(hours=24)) == 20
    assert sent(story.now + timedelta(hours=24)) == 0


@pytest.mark.usefixtures("ana")
def test_payouts_go_out_by_their_oldest_distribution(story):
    for id_, hours in (("d1", 5), ("d2", 1), ("d3", 3)):
        story.record(id_)
        story.distribute(id_, 600, 60, at=START + timedelta(hours=hours))
    story.now = START
    story.client("ben", balance=1_000)
    order = [payout.distribution_ids[0] for payout in story.payouts()]
    assert order == ["d2", "d3", "d1"]
    assert [p.id for p in story.read(queue.due, START, limit=2)] == [
        p.id for p in story.payouts()[:2]
    ]


@pytest.mark.usefixtures("ana")
def test_what_is_held_or_deferred_is_not_due(story):
    ids = [planned(story, f"d{n}").id for n in range(4)]
    story.step(ids[0], "HELD")
    until = story.now + timedelta(minutes=5)
    deferred = story.payout(ids[1])
    story.do(deferral.defer, deferred, waiting="unreachable", until=until)
    story.bring(ids[2], "DONE")
    assert [p.id for p in story.read(queue.due, story.now)] == [ids[3]]
    assert {p.id for p in story.read(queue.due, until)} == {ids[1], ids[3]}
    assert {p.id for p in story.read(queue.stuck)} == {ids[0], ids[1]}
    assert story.payout(ids[1]).tries == 1
    assert story.read(queue.counts) == {"HELD": 1, "PLANNED": 2}
    need = story.need()
    assert (need.count, need.amount_sat) == (2, 1200), "what is held is not paid by itself"


@pytest.mark.usefixtures("ana")
def test_payouts_that_wait_hide_none_that_was_sent(story):
    waiting = [planned(story, f"d{n}").id for n in range(3)]
    sent = story.bring(planned(story, "d3").id, "SUBMITTED").id
    found = [p.id for p in story.read(queue.due, story.now, limit=2)]
    assert found == [sent, *waiting[:2]]


@pytest.mark.usefixtures("ana")
def test_a_payout_void_for_the_third_time_waits_for_the_operator(story):
    id_ = planned(story).id
    for last in (False, False, True):
        story.bring(id_, "VOID")
        assert [p.id for p in story.read(queue.due, story.now)] == ([] if last else [id_])
        story.step(id_, "PLANNED")


@pytest.mark.usefixtures("ana")
def test_payouts_are_found_by_the_beginning_of_their_id(story):
    ids = [planned(story, f"d{n}").id for n in range(3)]
    story.step(ids[0], "CANCELLED")
    story.step(ids[2], "MERGED")
    assert [p.id for p in story.read(payouts.by_prefix, ids[1][:8].upper())] == [ids[1]]
    assert story.read(payouts.by_prefix, "z") == []


# Cancelling


@pytest.mark.parametrize("state", sorted(CANCELLABLE))
def test_cancelling_reverses_the_shares_exactly(story, ana, state):
    payout = planned(story, sat=12_345, minor=678)
    story.bring(payout.id, state)
    assert (story.balance(ana), story.owed(ana)) == (9322, 12_345)
    assert story.read(purchases.got, ana) == Got(bought_sat=12_345, spent_minor=678)
    story.step(payout.id, "CANCELLED")
    assert (story.balance(ana), story.owed(ana)) == (10_000, 0)
    assert story.read(purchases.got, ana) == Got()
    assert (story.total(accounts.OPERATOR), story.total(accounts.CONVERTED)) == (12_345, 0)
    assert story.read(holds.still_open) == []
    with pytest.raises(StateChanged):
        story.step(payout.id, "CANCELLED")
    assert (story.balance(ana), story.findings()) == (10_000, ())


@pytest.mark.parametrize("state", sorted(set(WAYS) - CANCELLABLE))
def test_what_can_be_paid_yet_or_was_is_not_cancelled(story, ana, state):
    id_ = story.bring(planned(story).id, state).id
    before = story.balance(ana)
    with pytest.raises(StateChanged, match=Changed.NOT_CANCELLABLE):
        story.step(id_, "CANCELLED")
    assert (story.balance(ana), story.payout(id_).state) == (before, state)


@pytest.mark.parametrize(
    ("status", "works"), [("success", False), ("pending", False), ("failed", True)]
)
def test_a_payout_that_lnbits_has_paid_is_not_cancelled(story, ana, status, works):
    payout = planned(story)
    foreign(story, payout, status)
    story.step(payout.id, "HELD")
    if works:
        story.step(payout.id, "CANCELLED")
    else:
        with pytest.raises(StateChanged, match=Changed.PAID):
            story.step(payout.id, "CANCELLED")
    assert story.balance(ana) == (10_000 if works else 9_940)


@pytest.mark.parametrize(
    ("age", "may_revive"), [(timedelta(0), True), (timedelta(microseconds=1), False)]
)
def test_a_failed_payment_may_revive_for_a_week_and_ten_minutes(story, ana, age, may_revive):
    payout = planned(story)
    lost = story.payment(payout, status=PaymentStatus.FAILED, hash_=hex_of("lost"))
    lost = replace(lost, external_id="lost", extra={"distributions": ["d1"], "client": "ana"})
    story.do(foreign_payments.remember, lost, now=story.now)
    later = story.now + timedelta(days=7, minutes=10, microseconds=-1) + age
    assert story.read(foreign_payments.covers_share, payout, now=later) is may_revive
    assert bool(story.read(foreign_payments.still_paying, "d1", now=later)) is may_revive
    assert story.owed(ana) == 600


def test_a_cancelled_payouts_fiat_buys_anew(story, ana):
    story.step(planned(story, "d1", minor=10_000).id, "CANCELLED")
    again = planned(story, "d2", minor=10_000)
    story.bring(again.id, "DONE")
    assert (story.balance(ana), story.total(accounts.PAID)) == (0, 600)
    assert (story.total(accounts.OPERATOR), story.findings()) == (600, ())


# Taking over what LNbits had paid


@pytest.mark.parametrize("before", ["PLANNED", "INVOICED"])
def test_a_payment_that_the_ledger_forgot_is_taken_over(story, ana, before):
    id_ = story.bring(planned(story).id, before).id
    held = story.step(id_, "HELD")
    lost = story.payment(held, hash_=hex_of("lost"))
    story.do(booking.take_over, held, lost, now=story.now)
    taken = story.payout(id_)
    assert (taken.state, taken.attempt.payment_hash) == (PayoutState.DEBITED, hex_of("lost"))
    assert (taken.destination.value, taken.submitted_at) == (KEY.value, lost.seen_at)
    assert (story.owed(ana), story.findings()) == (0, ())


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_payment_of_an_invoice_in_the_ledger_is_taken_over(story, ana, attempt):
    id_ = planned(story).id
    hashes = []
    for _ in range(2):
        hashes.append(story.step(id_, "INVOICED").attempt.payment_hash)
        story.step(id_, "PLANNED")
    held = story.step(id_, "HELD")
    lost = story.payment(held, hash_=hashes[attempt - 1])
    story.do(booking.take_over, held, lost, now=story.now)
    taken = story.payout(id_)
    assert (taken.state, taken.attempt.number) == (PayoutState.DEBITED, attempt)
    assert (story.owed(ana), story.findings()) == (0, ())


@pytest.mark.parametrize(
    ("status", "sat"),
    [
        (PaymentStatus.PENDING, 600),
        (PaymentStatus.FAILED, 600),
        (PaymentStatus.SUCCESS, 599),
        (PaymentStatus.SUCCESS, 601),
        (PaymentStatus.SUCCESS, -600),
    ],
)
def test_a_payment_that_is_not_this_payouts_is_not_taken_over(story, ana, status, sat):
    held = story.bring(planned(story).id, "HELD")
    with pytest.raises(StateChanged, match=Changed.OTHER_AMOUNT):
        story.do(
            booking.take_over, held, story.payment(held, status=status, sat=sat), now=story.now
        )
    assert (story.payout(held.id), story.owed(ana)) == (held, 600)


def test_a_payment_of_another_payout_is_not_taken_over(story, ana):
    first = story.bring(planned(story, "d1").id, "DONE")
    held = story.bring(planned(story, "d2").id, "HELD")
    theirs = story.payment(held, hash_=first.attempt.payment_hash)
    with pytest.raises(sqlite3.IntegrityError):
        story.do(booking.take_over, held, theirs, now=story.now)
    assert (story.payout(held.id), story.owed(ana)) == (held, 600)


@pytest.mark.parametrize("place", [KEY, ADDRESS])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("state", [*WAYS])
def test_each_sat_that_is_owed_stands_in_one_figure(story, state, place, held):
    """What is to be paid, held, homeless or under way is, together, what is owed."""
    ana = story.client("ana", balance=10_000, destination=place)
    story.cash_out("d1", 600, 60)
    (payout,) = story.payouts(ana)
    story.bring(payout.id, state)
    if held and state == "IN_DOUBT":
        story.do(holds.open_hold, "payout", payout.id, HoldReason.FAILED_TO_ADDRESS, now=story.now)
    need, parts = (
        story.need(),
        (
            payout_need.held,
            payout_need.under_way,
            payout_need.collecting,
        ),
    )
    figures = [need.amount_sat, need.above_ceiling.sat, need.homeless.sat]
    figures += [story.read(part).sat for part in parts]
    assert sum(figures) == story.owed(ana)
    assert sorted(figures)[:-1] == [0] * 5


def test_payout_in_doubt_is_booked_as_arrived_on_somebodys_word_and_without_a_fee(story):
    story.client("ana", balance=10_000)
    payout = story.bring(story.cash_out("d1", 600, 60).shares[0].payout_id, "IN_DOUBT")
    with pytest.raises(StateChanged, match=Changed.NOT_ARRIVED):
        story.do(booking.book_as_arrived, payout, now=story.now)
    story.do(booking.book_as_arrived, payout, now=story.now, message_id="m")
    assert story.payout(payout.id).state == "DONE"
    rows = story.sql("SELECT fee_msat FROM payout WHERE id = ?", payout.id)
    assert [row["fee_msat"] for row in rows] == [0]
    assert story.findings() == ()


def test_payout_that_is_tried_anew_has_no_tries_behind_it(story):
    story.client("ana", balance=10_000)
    payout = story.bring(story.cash_out("d1", 600, 60).shares[0].payout_id, "HELD")
    assert story.step(payout.id, "PLANNED").tries == 0


# Waiting


@pytest.mark.usefixtures("ana")
def test_pause_grows_with_each_try_and_is_no_shorter_than_asked(story):
    id_ = planned(story).id

    def pause(**named):
        story.do(deferral.back_off, story.payout(id_), Waiting.ERROR, now=story.now, **named)
        return (story.payout(id_).try_at - story.now).total_seconds()

    assert [pause() for _ in range(3)] == [backoff_s(tries) for tries in (1, 2, 3)]
    assert pause(least_s=86_400) == 86_400
    assert story.payout(id_).tries == 4
    story.do(deferral.look_again, story.payout(id_), now=story.now)
    assert (story.payout(id_).try_at, story.payout(id_).tries) == (story.now, 4)


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("before", "then"),
    [("PLANNED", "INVOICED"), ("INVOICED", "SUBMITTED"), ("SUBMITTED", "DEBITED")],
)
def test_tries_begin_anew_with_each_step(story, before, then):
    id_ = story.bring(planned(story).id, before).id
    story.do(deferral.back_off, story.payout(id_), Waiting.ERROR, now=story.now)
    after = story.step(id_, then)
    assert (after.tries, after.waiting) == (0, "")


@pytest.mark.usefixtures("ana")
def test_pay_request_is_late_after_half_an_hour_until_operators_are_told(story):
    id_ = planned(story).id
    assert not story.payout(id_).is_late(story.now + timedelta(days=1))
    sent = story.bring(id_, "SUBMITTED")
    soon = sent.submitted_at + timedelta(minutes=30)
    late = soon + timedelta(microseconds=1)
    assert (sent.is_late(soon), sent.is_late(late)) == (False, True)
    story.do(transitions.note_slow_told, sent, now=late)
    assert not story.payout(id_).is_late(late)


@pytest.mark.parametrize(("place", "margin"), [(KEY, INTERNAL_MARGIN), (ADDRESS, ADDRESS_MARGIN)])
def test_invoice_that_ends_within_the_margin_is_too_old(story, place, margin):
    story.client("ana", balance=10_000, destination=place)
    payout = story.bring(planned(story).id, "INVOICED")
    last = payout.attempt.expires_at - margin
    assert payout.is_too_old(last)
    assert not payout.is_too_old(last - timedelta(microseconds=1))


def test_payment_that_is_settled_by_hand_lets_its_payout_be_cancelled(story, ana):
    payout = planned(story)
    foreign(story, payout, "success")
    story.do(booking.cancel, payout, now=story.now, is_settled_by_hand=True)
    assert (story.payout(payout.id).state, story.balance(ana)) == ("CANCELLED", 10_000)


@pytest.mark.usefixtures("ana")
def test_payment_without_a_time_is_taken_over_as_one_of_now(story):
    held = story.bring(planned(story).id, "HELD")
    lost = replace(story.payment(held, hash_=hex_of("lost")), seen_at=None)
    story.do(booking.take_over, held, lost, now=story.later(hours=1))
    assert story.payout(held.id).submitted_at == story.now
