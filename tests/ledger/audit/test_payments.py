"""LNbits' rows are held against the ledger's payouts."""

import tracemalloc
from dataclasses import replace

import pytest
from here import at_once
from ledger.story import KEY, START, hex_of
from scaffold import in_english

from dca_bot.core.ports import Credit, Payment, PaymentStatus
from dca_bot.core.witness import Outcome, Witness
from dca_bot.errors import LnbitsRefused
from dca_bot.faults import LnbitsFault
from dca_bot.ledger.audit.payments import Invoiced, audit_payments, compare_payments, paid_by_hash
from dca_bot.ledger.payouts import booking, holds, payouts, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, LNURL, Destination

OTHER = Destination(INVOICE_KEY, "b" * 32)

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
    findings = in_english(compare_payments(recorded, [row_of(*row) for row in rows]))
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
    story.do(booking.take_over, held, payment, now=story.now)
    assert compare_payments(story.read(paid_by_hash), [payment]) == []


class Wallets:
    """LNbits as the clients' invoice keys see it: `rows` by key, None where it refuses the key."""

    def __init__(self, source, rows):
        self.source = source
        self.rows = rows

    async def tagged_payments(self):
        for payment in self.source:
            yield payment

    async def credits_of(self, invoice_key):
        if self.rows[invoice_key] is None:
            raise LnbitsRefused(
                "LNbits refuses the key.", fault=LnbitsFault.KEY_REFUSED, status=404
            )
        for row in self.rows[invoice_key]:
            yield row


def audit(story, *, source=(), rows=()):
    """Hold LNbits' rows against the ledger; the clients' wallet has the key of the story."""
    wallets = Wallets(source, {KEY.value: rows})
    found = at_once(audit_payments(story.database, wallets))
    return replace(found, findings=in_english(found.findings), notes=in_english(found.notes))


@pytest.fixture
def done(story):
    """A payout of 600 sats to ana's wallet that is DONE."""
    story.client("ana", balance=1000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    return story.bring(id_, "DONE")


@pytest.mark.parametrize(
    ("credit", "beginning"),
    [
        (Credit(SUCCESS, 600_000), None),
        (Credit(SUCCESS, 0), "Payout {} is 600 sats, the client's wallet got 0 msat"),
        (Credit(SUCCESS, 599_000), "Payout {} is 600 sats, the client's wallet got 599000 msat"),
        (Credit(SUCCESS, 601_000), "Payout {} is 600 sats, the client's wallet got 601000 msat"),
        (Credit(PENDING, 600_000), "Payout {} is paid, in the client's wallet it is pending"),
        (None, "Payout {} is paid, the client's wallet has no row of it"),
    ],
)
def test_audit_finds_what_did_not_come_in_at_the_client_in_the_past(story, done, credit, beginning):
    rows = [(done.attempt.payment_hash, credit)] if credit else []
    found = audit(story, source=[story.payment(done)], rows=[("f" * 64, Credit(SUCCESS, 1)), *rows])
    assert (found.rows, found.notes) == (1, ())
    if beginning is None:
        assert found.findings == ()
    else:
        (finding,) = found.findings
        assert finding.startswith(beginning.format(done.id[:8]))


def test_wallet_that_can_not_be_asked_any_more_is_noted(story, done):
    found = audit(story, source=[story.payment(done)], rows=None)
    assert found.findings == ()
    (note,) = found.notes
    assert note.startswith("What 1 payouts brought can't be checked")
    assert KEY.value not in note


def two_done(story, wallet):
    """Make two clients, the second with this wallet, and bring a payout of 300 sats to DONE for each."""
    story.client("ana", balance=1000)
    story.client("ben", balance=1000, destination=wallet)
    given = story.cash_out("d1", 600, 60)
    return [story.bring(share.payout_id, "DONE") for share in given.shares]


def test_each_clients_wallet_is_held_against_the_clients_own_payouts(story):
    two = two_done(story, OTHER)
    for lacks in two:
        rows = {
            payout.destination.value: [(payout.attempt.payment_hash, Credit(SUCCESS, 300_000))]
            for payout in two
            if payout != lacks
        }
        wallets = Wallets(map(story.payment, two), {KEY.value: [], OTHER.value: [], **rows})
        found = at_once(audit_payments(story.database, wallets))
        (finding,) = in_english(found.findings)
        assert finding.startswith(f"Payout {lacks.id[:8]} is paid, the client's wallet has no row")
        assert found.notes == ()


def test_wallet_of_two_clients_that_can_not_be_asked_is_noted_once(story):
    found = audit(story, source=map(story.payment, two_done(story, KEY)), rows=None)
    assert found.findings == ()
    (note,) = found.notes
    assert note.startswith("What 2 payouts brought can't be checked")


def test_what_an_operator_settled_by_hand_is_noted(story):
    story.client("ana", balance=1000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    alerted = story.bring(id_, "ALERT")
    story.do(holds.open_hold, "payout", id_, HoldReason.ALERTED, now=story.now)
    story.do(transitions.finish, alerted, now=story.now)
    story.do(holds.close, "payout", id_, outcome="accepted", now=story.now)
    found = audit(story, source=[story.payment(alerted)], rows=[])
    assert (found.findings, found.notes) == ((), (f"Payout {id_[:8]} was settled by hand.",))


@pytest.mark.parametrize(
    ("status", "says"),
    [(FAILED, "calls it failed"), (SUCCESS, "calls it paid by now"), (None, "does not show it")],
)
@pytest.mark.parametrize(
    ("witness", "why"),
    [(Witness.OPERATOR, "an operator's word"), (Witness.VERIFY, "the preimage of the payee's")],
)
def test_what_is_booked_on_another_word_than_lnbits_is_named_and_no_finding(
    story, witness, why, status, says
):
    story.client("ana", balance=1000, destination=Destination(ADDRESS, "ana@example.com"))
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    doubted = story.bring(id_, "IN_DOUBT")
    if witness is Witness.VERIFY:
        told = {"preimage": "07" * 32, "now": story.now}
        story.do(witnesses.record_verdict, doubted, Outcome.ARRIVED, witness, **told)
    message_id = "m1" if witness is Witness.OPERATOR else None
    story.do(booking.book_as_arrived, doubted, now=story.now, message_id=message_id)
    row = replace(story.payment(doubted, status=status or FAILED), fee_msat=9)
    found = audit(story, source=[row] if status else [])
    assert found.findings == ()
    (note,) = [note for note in found.notes if id_[:8] in note]
    assert why in note
    assert note.endswith(f"LNbits {says}.")
    assert story.findings() == ()


@pytest.mark.parametrize("kind", [ADDRESS, LNURL])
def test_payouts_outside_lnbits_without_a_preimage_are_counted(story, kind):
    story.client("ana", balance=1000, destination=Destination(kind, "lnurlp://example.com/ana"))
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    done = story.bring(id_, "DONE")
    found = audit(story, source=[story.payment(done)])
    assert found.findings == ()
    (note,) = found.notes
    assert note.endswith("without a preimage: 1.")


def test_payments_are_not_held_in_memory_while_they_are_compared(story):
    """Each row carries 20 KB here; 2,500 of them are 50 MB."""

    async def rows(_self):
        for number in range(2_500):
            yield replace(
                row_of(f"{number:064x}", 1_000, SUCCESS), extra={"tag": f"{number}" * 5_000}
            )

    wallets = type("Long", (Wallets,), {"tagged_payments": rows})((), {})
    tracemalloc.start()
    found = at_once(audit_payments(story.database, wallets))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25_000_000
    assert found.rows == 2_500
    assert len(found.findings) == 1_001
    assert in_english(found.findings)[-1].startswith("1500 more payments")


def test_payout_that_is_paid_while_lnbits_is_read_is_not_missed_there(story):
    story.client("ana", balance=1000)
    id_ = story.cash_out("d1", 600, 60).shares[0].payout_id
    story.bring(id_, "SUBMITTED")

    async def rows(_self):
        def debit(tx):
            payout = payouts.by_id(tx, id_)
            booking.debit(tx, payout, story.payment(payout), now=story.now)

        await story.database.transact(debit)
        for row in ():
            yield row

    wallets = type("Moving", (Wallets,), {"tagged_payments": rows})((), {})
    assert at_once(audit_payments(story.database, wallets)).findings == ()
    (finding,) = audit(story).findings
    assert "is paid in the ledger, LNbits doesn't have it" in finding
