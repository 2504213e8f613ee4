"""Payments that LNbits knows and the ledger doesn't: what is news, and what they can have been for."""

from dataclasses import replace

import pytest
from ledger.story import hex_of

from dca_bot.core.ports import PaymentStatus
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.payouts.unknown_payments import UnknownPayment

SUCCESS, PENDING, FAILED = PaymentStatus.SUCCESS, PaymentStatus.PENDING, PaymentStatus.FAILED


@pytest.fixture
def lost(story):
    """A payment to ana that the ledger has no invoice of."""
    story.client("ana", balance=10_000)
    payout = story.payout(story.cash_out("d1", 600, 60).shares[0].payout_id)
    extra = {"distributions": ["d9"], "client": "ana", "fiat_minor": 60}
    return replace(story.payment(payout, hash_=hex_of("lost")), external_id="lost", extra=extra)


@pytest.mark.parametrize(
    ("before", "then", "is_news"),
    [
        (None, FAILED, True),
        (None, SUCCESS, True),
        (FAILED, FAILED, False),
        (FAILED, PENDING, True),
        (FAILED, SUCCESS, True),
        (PENDING, SUCCESS, False),
        (SUCCESS, SUCCESS, False),
    ],
)
def test_payment_is_news_when_it_is_first_seen_or_comes_to_life_again(
    story, lost, before, then, is_news
):
    if before is not None:
        story.do(unknown_payments.remember, replace(lost, status=before), now=story.now)
    assert story.do(unknown_payments.remember, replace(lost, status=then), now=story.now) is is_news


def test_what_the_operator_has_settled_is_paid_for_nobody_any_more(story, lost):
    story.do(unknown_payments.remember, lost, now=story.now)
    assert [one.sat for one in story.read(unknown_payments.paid_for, "d9")] == [600]
    story.do(unknown_payments.settle_distribution, "d9", now=story.now)
    assert story.read(unknown_payments.paid_for, "d9") == []


@pytest.mark.parametrize(
    ("is_shared", "part", "can"),
    [
        (False, (60, 600), True),
        (False, (60, 599), False),
        (False, (59, 600), False),
        (False, None, False),
        (True, (60, 600), True),
        (True, (1, 1), True),
        (True, (61, 600), False),
        (True, (60, 601), False),
        (True, None, False),
    ],
)
def test_payment_can_have_brought_its_part_and_a_shared_one_no_more_than_itself(
    lost, is_shared, part, can
):
    assert UnknownPayment("lost", "ana", 60, lost, is_shared).can_pay(part) is can


@pytest.mark.parametrize(
    ("state", "is_known"),
    [
        ("PLANNED", False),
        ("INVOICED", False),
        ("SUBMITTED", True),
        ("IN_DOUBT", True),
        ("DEBITED", True),
        ("DONE", True),
        ("VOID", False),
        ("HELD", False),
    ],
)
def test_ledger_knows_of_a_payment_once_its_request_was_recorded(story, state, is_known):
    story.client("ana", balance=10_000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    hash_ = hex_of(f"{id_} 0")
    paid = story.payment(story.bring(id_, state), hash_=hash_)
    assert story.read(unknown_payments.is_recorded, paid) is is_known


def test_hashes_are_found_among_more_than_one_query_takes(story, lost):
    story.do(unknown_payments.remember, lost, now=story.now)
    expected = [story.bring(story.payouts()[0].id, "SUBMITTED").attempt.payment_hash]
    others = [hex_of(f"other {number}") for number in range(1_100)]
    for at in (0, 499, 500, 501, 1_100):
        hashes = [*others[:at], *expected, lost.payment_hash, *others[at:]]
        assert story.read(unknown_payments.remembered_hashes, hashes) == {lost.payment_hash}
        assert story.read(unknown_payments.expected_hashes, hashes) == set(expected)
