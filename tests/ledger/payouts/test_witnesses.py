"""Whom an answer of a payee's server and a verdict concern, and what the ledger makes of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ledger.story import ADDRESS, KEY

from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import PaymentStatus
from dca_bot.core.witness import FIRST_LOOK_AFTER, Case, Outcome, Said, VerifyLook, Witness
from dca_bot.ledger.payouts import holds, transitions, witnesses
from dca_bot.ledger.payouts.witnesses import Question, Verdict

MOMENT = timedelta(microseconds=1)
URL = "https://wallet.example/verify/1"
ARRIVED, UNPAID = Outcome.ARRIVED, Outcome.UNPAID
LNBITS, VERIFY, OPERATOR = Witness.LNBITS, Witness.VERIFY, Witness.OPERATOR


@pytest.fixture
def ana(story):
    return story.client("ana", balance=100_000, destination=ADDRESS)


def sent(story, id_="d1", *, url=URL):
    """Have the first client's payout of a sale leave, with a URL to ask; each a second after the last."""
    story.later(seconds=1)
    planned = story.payout(story.cash_out(id_, 600, 60).shares[0].payout_id)
    invoice = story.invoice(planned)
    named = {"now": story.now, "verify_url": url}
    invoiced = story.do(transitions.record_invoice, planned, invoice, **named)
    return story.do(transitions.submit, invoiced, now=story.now)


def asked(story, at, limit=9):
    return story.read(witnesses.due, at, limit=limit)


def say(story, payout, said, *, number=1, tries=0):
    """Record an answer of the payee's server; return when the server is asked again."""
    question = Question(payout.id, number, URL, "", "", payout.attempt.expires_at, tries)
    story.do(witnesses.note_look, question, payout, Said(said), now=story.now)
    return story.read(witnesses.next_due_at)


def verdict(story, payout, outcome, witness):
    """Record a verdict, with what the schema wants beside it."""
    is_proof = outcome is ARRIVED and witness is not OPERATOR
    named = {
        "preimage": "07" if is_proof else "",
        "message_id": "m" if witness is OPERATOR else None,
    }
    story.do(witnesses.record_verdict, payout, outcome, witness, now=story.now, **named)


# Whom to ask, and when


@pytest.mark.usefixtures("ana")
def test_servers_are_asked_a_minute_after_the_pay_request_and_longest_due_first(story):
    assert story.read(witnesses.next_due_at) is None
    first = sent(story)
    sent(story, "without", url="")
    second = sent(story, "d2")
    at = first.submitted_at + FIRST_LOOK_AFTER
    assert story.read(witnesses.next_due_at) == at
    assert asked(story, at - MOMENT) == []
    own = first.attempt
    expected = Question(first.id, 1, URL, own.bolt11, own.payment_hash, own.expires_at, 0)
    assert asked(story, at) == [expected]
    late = second.submitted_at + FIRST_LOOK_AFTER
    assert [one.payout_id for one in asked(story, late)] == [first.id, second.id]
    assert asked(story, late, limit=1) == [expected]
    story.now = late
    assert say(story, first, "unsettled") == late
    assert [one.payout_id for one in asked(story, late)] == [second.id]
    later = late + timedelta(minutes=2)
    assert [(one.payout_id, one.tries) for one in asked(story, later)] == [
        (second.id, 0),
        (first.id, 1),
    ]


@pytest.mark.usefixtures("ana")
def test_server_is_asked_twice_more_for_the_proof_of_a_payment_that_lnbits_calls_paid(story):
    other = sent(story, "other")
    payout = sent(story)
    story.do(witnesses.forget, other.id, 1)
    paid = story.step(payout.id, "DEBITED")
    assert say(story, paid, "unclear") == story.now + timedelta(minutes=10)
    assert say(story, paid, "unclear", tries=1) == story.now + timedelta(hours=24)
    # An earlier attempt's invoice isn't the one that was paid.
    again = replace(paid, attempts=2)
    assert say(story, again, "unclear", tries=2) == story.now + timedelta(minutes=8)
    assert say(story, paid, "unclear", tries=2) is None
    assert asked(story, story.now + timedelta(days=9)) == []


@pytest.mark.usefixtures("ana")
def test_no_more_is_asked_about_one_invoice_and_about_others_still(story):
    first, second = sent(story), sent(story, "d2")
    story.do(witnesses.forget, first.id, 2)
    assert len(asked(story, story.now + FIRST_LOOK_AFTER)) == 2
    story.do(witnesses.forget, first.id, 1)
    (left,) = asked(story, story.now + FIRST_LOOK_AFTER)
    assert left.payout_id == second.id


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize("witness", [VERIFY, OPERATOR])
def test_first_verdict_counts_and_the_server_is_asked_until_an_arrival(story, witness):
    payout = sent(story)
    sent(story, "d2")
    soon = story.now + FIRST_LOOK_AFTER
    verdict(story, payout, UNPAID, witness)
    assert len(asked(story, soon)) == 2
    verdict(story, payout, ARRIVED, LNBITS)
    assert len(asked(story, soon)) == 1
    assert story.read(witnesses.verdict_of, payout) == Verdict(UNPAID, witness, "")
    assert story.read(witnesses.verdict_of, replace(payout, attempts=2)) is None
    proven = sent(story, "d3")
    verdict(story, proven, ARRIVED, VERIFY)
    assert story.read(witnesses.verdict_of, proven) == Verdict(ARRIVED, VERIFY, "07")


# What was said of a payout


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("said", "is_paid"),
    [("settled", True), ("unproven", True), ("unsettled", False), ("unclear", False)],
)
def test_invoice_is_called_paid_by_an_answer_about_itself(story, said, is_paid):
    payout, other = sent(story), sent(story, "d2")
    say(story, payout, said)
    assert story.read(witnesses.is_called_paid, payout) is is_paid
    assert not story.read(witnesses.is_called_paid, replace(payout, attempts=2))
    assert not story.read(witnesses.is_called_paid, other)
    assert story.read(witnesses.verdict_of, payout) is None


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize("outcome", [None, ARRIVED, UNPAID])
def test_invoice_is_given_up_with_a_newer_one_an_unpaid_verdict_or_the_end(story, outcome):
    payout = sent(story)
    if outcome:
        verdict(story, payout, outcome, VERIFY)
    for state in PayoutState:
        now = replace(payout, state=state)
        is_over = outcome is UNPAID or state in (PayoutState.VOID, PayoutState.CANCELLED)
        assert story.read(witnesses.was_given_up, now, 1) is is_over
        assert story.read(witnesses.was_given_up, now, 2)


@pytest.mark.usefixtures("ana")
def test_case_has_what_was_said_of_the_last_invoice_in_order(story):
    payout, other = sent(story), sent(story, "d2")
    say(story, other, "settled")
    looks = []
    for said in ("unsettled", "unclear"):
        looks.append(VerifyLook(Said(said), story.later(hours=1)))
        say(story, payout, said)
    verdict(story, other, ARRIVED, VERIFY)
    story.do(holds.open_hold, "payout", other.id, "failed_to_address", now=story.now)

    def case(of, *, url=URL, is_failed=True):
        attempt = replace(payout.attempt, verify_url=url)
        return story.read(witnesses.case_of, of, attempt, is_failed=is_failed)

    nothing = Case(
        payout.attempt.expires_at,
        (),
        has_arrived=False,
        can_verify=True,
        may_void=True,
        is_held=False,
        is_failed=True,
    )
    assert case(payout) == replace(nothing, looks=tuple(looks))
    assert case(replace(payout, attempts=2)) == nothing
    assert case(payout, url="").can_verify is False
    assert case(payout, is_failed=False).is_failed is False
    assert (case(other).has_arrived, case(other).is_held) == (True, True)
    verdict(story, payout, UNPAID, VERIFY)
    assert case(payout).has_arrived is False


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("verdicts", "may"),
    [
        ([], True),
        ([(UNPAID, VERIFY)], False),
        ([(UNPAID, OPERATOR)], True),
        ([(ARRIVED, VERIFY)], True),
        ([(UNPAID, VERIFY), (ARRIVED, LNBITS)], True),
        ([(UNPAID, VERIFY), (ARRIVED, VERIFY)], False),
        ([(ARRIVED, LNBITS), (UNPAID, VERIFY)], False),
        ([(UNPAID, VERIFY), (ARRIVED, LNBITS), (UNPAID, VERIFY)], False),
    ],
)
def test_payee_is_believed_once_until_lnbits_proves_a_payment(story, verdicts, may):
    for number, (outcome, witness) in enumerate(verdicts):
        verdict(story, sent(story, f"d{number}"), outcome, witness)
    payout = sent(story, "last")
    assert may_void(story, payout) is may
    bens = sent(story, story.client("ben", destination=ADDRESS) and "d9")
    assert may_void(story, replace(bens, client_id=2)) is True


def may_void(story, payout):
    return story.read(witnesses.case_of, payout, payout.attempt, is_failed=True).may_void


@pytest.mark.parametrize(
    ("state", "place", "own", "may"),
    [
        ("IN_DOUBT", ADDRESS, True, False),
        ("IN_DOUBT", KEY, True, True),
        ("IN_DOUBT", ADDRESS, False, True),
        ("SUBMITTED", ADDRESS, True, True),
    ],
)
def test_payee_with_another_payout_in_doubt_is_not_believed(story, state, place, own, may):
    name = "ana" if own else "ben"
    of = story.client(name, balance=10_000, destination=place)
    story.cash_out("d0", 600, 60)
    story.bring(story.payouts(of)[0].id, state)
    if place is KEY or not own:
        story.sql("UPDATE client SET destination = ?, destination_kind = 'address'", ADDRESS.value)
    ana = of if own else story.client("ana", balance=10_000, destination=ADDRESS)
    story.cash_out("d1", 600, 60)
    doubted = story.bring(story.payouts(ana)[-1].id, "IN_DOUBT")
    assert may_void(story, doubted) is may


# What an audit and a reconciliation ask for


def test_payouts_outside_lnbits_without_a_proof_are_counted(story, ana):
    for number in range(3):
        story.step(sent(story, f"d{number}").id, "DEBITED")
    ids = [payout.id for payout in story.payouts(ana)]
    assert story.read(witnesses.unproven_count) == 0
    for id_ in ids:
        story.step(id_, "DONE")
    assert story.read(witnesses.unproven_count) == 3
    verdict(story, story.payout(ids[0]), ARRIVED, LNBITS)
    verdict(story, story.payout(ids[1]), UNPAID, VERIFY)
    assert story.read(witnesses.unproven_count) == 2
    ben = story.client("ben", balance=10_000)
    sent(story, "d9")
    story.bring(story.payouts(ben)[0].id, "DONE")
    assert story.read(witnesses.unproven_count) == 2


@pytest.mark.usefixtures("ana")
def test_invoices_that_were_given_up_lately_are_asked_for(story):
    arrived, unpaid, newer = (sent(story, f"d{number}") for number in range(3))
    verdict(story, arrived, ARRIVED, VERIFY)
    verdict(story, unpaid, UNPAID, VERIFY)
    at = story.now
    story.later(hours=1)
    verdict(story, newer, UNPAID, OPERATOR)

    def hashes(since, limit=9):
        return set(story.read(witnesses.given_up_hashes, since=since, limit=limit))

    assert hashes(at - MOMENT) == {unpaid.attempt.payment_hash, newer.attempt.payment_hash}
    assert hashes(at) == {newer.attempt.payment_hash}
    assert len(hashes(at - MOMENT, limit=1)) == 1


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("outcome", "witness", "status", "is_debited", "is_last", "is_beside"),
    [
        (ARRIVED, VERIFY, PaymentStatus.FAILED, True, True, True),
        (ARRIVED, OPERATOR, "", True, True, True),
        (ARRIVED, LNBITS, PaymentStatus.FAILED, True, True, False),
        (UNPAID, OPERATOR, PaymentStatus.FAILED, True, True, False),
        (ARRIVED, VERIFY, PaymentStatus.SUCCESS, True, True, False),
        (ARRIVED, VERIFY, PaymentStatus.FAILED, False, True, False),
        (ARRIVED, VERIFY, PaymentStatus.FAILED, True, False, False),
    ],
)
def test_payment_is_booked_beside_lnbits_on_another_word_alone(
    story, outcome, witness, status, is_debited, is_last, is_beside
):
    payout = sent(story)
    verdict(story, payout, outcome, witness)
    if not is_last:
        for state in ("VOID", "PLANNED", "INVOICED", "SUBMITTED"):
            story.step(payout.id, state)
    if is_debited:
        story.step(payout.id, "DEBITED")
    story.sql("UPDATE payout SET source_status = ?", status)
    found = {payout.attempt.payment_hash: witness} if is_beside else {}
    assert story.read(witnesses.booked_beside_lnbits) == found
