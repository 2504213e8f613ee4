"""LNbits' rows are held against the ledger's payouts."""

from dataclasses import replace

import pytest

from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger import payout_moves
from dca_bot.ledger.audit import Invoiced, compare_payments, paid_by_hash

from .story import START, hex_of

SUCCESS, PENDING, FAILED = PaymentStatus.SUCCESS, PaymentStatus.PENDING, PaymentStatus.FAILED

# The ledger's word by hash, LNbits' rows (hash, msat, status, what else they say), findings.
RECORDED = {"h1": Invoiced("payout-1", 500, 7)}
UNPAID = {"h1": Invoiced("payout-1", 500, None)}
COMPARISONS = {
    "all is well": (RECORDED, [("h1", 500_000, SUCCESS)], []),
    "nothing at all": ({}, [], []),
    "not sent yet": (UNPAID, [], []),
    "on its way": (UNPAID, [("h1", 500_000, PENDING)], []),
    "failed": (UNPAID, [("h1", 500_000, FAILED)], []),
    "a failed row of nobody": ({}, [("h9", 1_000, FAILED)], []),
    "LNbits lacks it": (RECORDED, [], ["Payout payout-1 is paid in the ledger, LNbits doesn't"]),
    "failed at LNbits": (
        RECORDED,
        [("h1", 500_000, FAILED)],
        ["Payout payout-1 is paid in the ledger, LNbits doesn't"],
    ),
    "paid unknown to the ledger": (UNPAID, [("h1", 500_000, SUCCESS)], ["LNbits has paid payout"]),
    "another amount": (
        RECORDED,
        [("h1", 500_001, SUCCESS)],
        ["Payout payout-1 is 500 sats, LNbits paid 500001 msat"],
    ),
    "another fee": (
        RECORDED,
        [("h1", 500_000, SUCCESS, {"fee_msat": 8})],
        ["Payout payout-1 has a fee of 7 msat, LNbits took 8 msat"],
    ),
    "another payout's payment": (
        RECORDED,
        [("h1", 500_000, SUCCESS, {"external_id": "payout-2"})],
        ["LNbits paid payout payout-1's invoice as payout payout-2"],
    ),
    "an LNbits that keeps no external id": (
        RECORDED,
        [("h1", 500_000, SUCCESS, {"external_id": ""})],
        [],
    ),
    "a stranger's payment": (
        RECORDED,
        [("h1", 500_000, SUCCESS), ("h9", 7_000, SUCCESS, {"external_id": "external-id"})],
        ["LNbits paid 7 sats for payout external, which the ledger doesn't know"],
    ),
    "paid by two invoices": (
        {"h1": Invoiced("payout-1", 500, None), "h2": Invoiced("payout-1", 500, 7)},
        [("h1", 500_000, SUCCESS, {"fee_msat": 8}), ("h2", 500_000, SUCCESS)],
        ["LNbits has paid payout payout-1, the ledger doesn't", "Payout payout-1 was paid twice"],
    ),
    "the wrong one of two invoices": (
        {"h1": Invoiced("payout-1", 500, None), "h2": Invoiced("payout-1", 500, 7)},
        [("h1", 500_000, SUCCESS)],
        ["LNbits has paid payout payout-1, the ledger doesn't"],
    ),
    "one invoice twice": (
        RECORDED,
        [("h1", 500_000, SUCCESS), ("h1", 500_000, SUCCESS)],
        ["Payout payout-1 was paid twice"],
    ),
}


def row_of(hash_, msat, status, more=None):
    told = {"fee_msat": 7, "external_id": "payout-1"} | (more or {})
    return Payment(hash_, -msat, status=status, seen_at=START, **told)


@pytest.mark.parametrize("case", COMPARISONS)
def test_lnbits_rows_are_held_against_the_ledger(case):
    recorded, rows, expected = COMPARISONS[case]
    findings = compare_payments(recorded, [row_of(*row) for row in rows])
    assert len(findings) == len(expected), findings
    for finding, beginning in zip(findings, expected, strict=True):
        assert finding.startswith(beginning)


def test_every_recorded_invoice_counts(story):
    story.client("ana", balance=1000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    first = story.bring(id_, "VOID").attempt.payment_hash
    story.step(id_, "PLANNED")
    second = story.step(id_, "INVOICED").attempt.payment_hash
    story.step(id_, "SUBMITTED")
    unpaid, paid = Invoiced(id_, 600, None), Invoiced(id_, 600, 0)
    assert story.read(paid_by_hash) == {first: unpaid, second: unpaid}
    story.step(id_, "DEBITED")
    assert story.read(paid_by_hash) == {first: unpaid, second: paid}
    assert first != second == hex_of(f"{id_} 1")


def test_payout_taken_over_from_lnbits_is_clean(story):
    story.client("ana", balance=1000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    held = story.bring(id_, "HELD")
    payment = replace(story.payment(held), fee_msat=1234)
    story.do(payout_moves.take_over, held, payment, now=story.now)
    assert compare_payments(story.read(paid_by_hash), [payment]) == []
