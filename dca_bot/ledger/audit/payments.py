"""Compares the payments of LNbits' source wallet with the payouts of the ledger.

The invariant: payments go on during an audit, so a difference counts only if the payment differs from
both the ledger before the reading and the ledger after the reading.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dca_bot.core.money import sat_floor
from dca_bot.core.names import short_id
from dca_bot.core.ports import Payment, PaymentStatus, Wallet
from dca_bot.core.witness import Witness
from dca_bot.ledger.audit.credits import audit_credits
from dca_bot.ledger.audit.findings import Finding, FindingCode, found
from dca_bot.ledger.payouts import unknown_payments, witnesses
from dca_bot.ledger.store.database import Database, Tx

BATCH = 500
ODD_MAX = 1000


@dataclass(frozen=True, slots=True)
class PaymentsAudit:
    """What LNbits' rows say beside the ledger.

    `rows` are the source wallet's rows with the bot's tag. A finding is wrong; a note is known and
    explained, and wants no action.
    """

    rows: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoiced:
    """A payout as one of its invoices asked for it; `fee_msat` is None where that one isn't paid.

    `booked_by` is the witness on whose word it is booked as paid, though LNbits calls it failed.
    `place` is the payout's place in its table, counted from 1.
    """

    payout_id: str
    amount_sat: int
    fee_msat: int | None
    booked_by: Witness | None = None
    place: int = field(default=0, compare=False)


@dataclass(slots=True)
class Seen:
    """What has been read of LNbits' list: how many rows, and which payouts they have paid.

    `paid` has a byte for each payout, at its place: 1 where a row has paid it.
    Of the rows themselves only those are kept that don't agree with the ledger, at most ODD_MAX; `shown`
    is how those stand that are `booked` on another word.
    """

    booked: Mapping[str, Witness]
    shown: dict[str, PaymentStatus] = field(default_factory=dict)
    rows: int = 0
    paid: bytearray = field(default_factory=bytearray)
    odd: list[Payment] = field(default_factory=list)
    more: int = 0

    def has_paid(self, place: int) -> bool:
        """Tell whether a row has paid the payout at this place."""
        return any(self.paid[place : place + 1])

    def add_paid(self, place: int) -> None:
        """Keep that a row has paid the payout at this place."""
        self.paid.extend(bytes(max(0, place + 1 - len(self.paid))))
        self.paid[place] = 1


async def audit_payments(database: Database, wallet: Wallet) -> PaymentsAudit:
    """Hold the source wallet's tagged rows, and the clients' rows, against the ledger.

    Raise LnbitsUnavailable or LnbitsRefused.
    """
    begun = await database.read(_last_posting)
    seen = Seen(await database.read(witnesses.booked_beside_lnbits))
    batch: list[Payment] = []

    async def sort_in() -> None:
        await database.read(lambda tx: _sort_in(tx, seen, tuple(batch)))
        batch.clear()

    async for payment in wallet.tagged_payments():
        batch.append(payment)
        if len(batch) == BATCH:
            await sort_in()
    await sort_in()
    lasting = await database.read(lambda tx: _lasting(tx, seen, begun=begun))
    credit_findings, credit_notes = await audit_credits(database, wallet)
    booked = await database.read(lambda tx: paid_by_hash(tx, witnesses.booked_beside_lnbits(tx)))
    unproven = await database.read(witnesses.unproven_count)
    return PaymentsAudit(
        rows=seen.rows,
        findings=(*lasting, *credit_findings),
        notes=(*_booked(booked, seen), *credit_notes, *_unproven(unproven)),
    )


def _last_posting(tx: Tx) -> int:
    return int(tx.execute("SELECT coalesce(max(id), 0) FROM posting").fetchone()[0])


def _sort_in(tx: Tx, seen: Seen, payments: Sequence[Payment]) -> None:
    """Tell the payments that agree with the ledger from those that may not."""
    hashes = [payment.payment_hash for payment in payments]
    recorded = paid_by_hash(tx, hashes, booked=seen.booked)
    for payment in payments:
        seen.rows += 1
        if payment.payment_hash in seen.booked:
            seen.shown[payment.payment_hash] = payment.status
        if payment.status is not PaymentStatus.SUCCESS:
            continue
        known = recorded.get(payment.payment_hash)
        is_odd = known is None or seen.has_paid(known.place) or any(_differences(known, payment))
        if known is not None and not is_odd:
            seen.add_paid(known.place)
        elif len(seen.odd) < ODD_MAX:
            seen.odd.append(replace(payment, extra=None, preimage=""))
        else:
            seen.more += 1


def _lasting(tx: Tx, seen: Seen, *, begun: int) -> list[Finding]:
    """Compare once more, with the ledger as it is by now, what didn't agree with it before.

    LNbits' list must have what was paid before the reading began, up to the posting `begun`.
    """
    rows = tx.execute(
        "SELECT payout.rowid AS place, payment_hash"
        " FROM posting JOIN payout ON payout.id = posting.payout_id"
        " JOIN attempt USING (payout_id) WHERE posting.kind = 'payout' AND posting.id <= ?"
        " AND number = payout.attempt",
        (begun,),
    )
    unseen = [row["payment_hash"] for row in rows if not seen.has_paid(row["place"])]
    recorded = paid_by_hash(tx, [*unseen, *(payment.payment_hash for payment in seen.odd)])
    settled = unknown_payments.settled_hashes(tx)
    earlier = {one.payout_id for one in recorded.values() if seen.has_paid(one.place)}
    findings = compare_payments(recorded, seen.odd, settled, earlier)
    if seen.more:
        findings.append(found(FindingCode.NOT_COMPARED, count=seen.more))
    return findings


def paid_by_hash(
    tx: Tx, hashes: Iterable[str] | None = None, *, booked: Mapping[str, Witness] | None = None
) -> dict[str, Invoiced]:
    """Return what the ledger says of these payment hashes; of every recorded one if none are given.

    `booked` are those that are paid on another word than LNbits', where they are read already.
    """
    booked = witnesses.booked_beside_lnbits(tx) if booked is None else booked
    rows = tx.execute(
        "SELECT payment_hash, payout.id, payout.rowid AS place, amount_sat,"
        " CASE WHEN number = payout.attempt AND debited_at IS NOT NULL THEN coalesce(fee_msat, 0) END"
        " AS fee_msat FROM attempt JOIN payout ON payout.id = payout_id"
        + ("" if hashes is None else " WHERE payment_hash IN (SELECT value FROM json_each(?))"),
        () if hashes is None else (json.dumps(list(hashes)),),
    )
    return {
        row["payment_hash"]: Invoiced(
            row["id"],
            row["amount_sat"],
            row["fee_msat"],
            booked.get(row["payment_hash"]),
            row["place"],
        )
        for row in rows
    }


def compare_payments(
    recorded: Mapping[str, Invoiced],
    payments: Iterable[Payment],
    settled: Container[str] = (),
    earlier: Iterable[str] = (),
) -> list[Finding]:
    """Hold the source wallet's tagged rows against the ledger's payouts.

    `settled` are the hashes of payments that the operator has settled by hand, `earlier` the payouts
    whose payment was seen among earlier rows.
    """
    findings: list[Finding] = []
    paid = set(earlier)
    for payment in payments:
        known = recorded.get(payment.payment_hash)
        is_paid = known is not None and known.fee_msat is not None
        is_by_hand = payment.payment_hash in settled and not is_paid
        if payment.status is not PaymentStatus.SUCCESS or is_by_hand:
            continue
        if known is None:
            findings.append(
                found(
                    FindingCode.UNKNOWN_PAYMENT,
                    id=short_id(payment.external_id),
                    sats=sat_floor(-payment.amount_msat),
                )
            )
            continue
        findings += _differences(known, payment)
        if known.payout_id in paid:
            findings.append(found(FindingCode.PAID_TWICE, id=short_id(known.payout_id)))
        paid.add(known.payout_id)
    due = (one for one in recorded.values() if one.fee_msat is not None and not one.booked_by)
    missing = {one.payout_id for one in due} - paid
    findings += [
        found(FindingCode.NOT_AT_LNBITS, id=short_id(payout_id)) for payout_id in sorted(missing)
    ]
    return findings


def _differences(known: Invoiced, payment: Payment) -> Iterator[Finding]:
    """Tell in what LNbits' payment of a recorded invoice isn't what the ledger says of it."""
    name = short_id(known.payout_id)
    if payment.amount_msat != -known.amount_sat * 1000:
        paid_msat = -payment.amount_msat
        yield found(
            FindingCode.PAID_OTHER_AMOUNT, id=name, sats=known.amount_sat, paid_msat=paid_msat
        )
    if known.fee_msat is None:
        yield found(FindingCode.PAID_UNRECORDED, id=name)
    elif known.fee_msat != payment.fee_msat and not known.booked_by:
        yield found(
            FindingCode.OTHER_FEE, id=name, fee_msat=known.fee_msat, taken_msat=payment.fee_msat
        )
    # LNbits before 1.5 may have kept no external id.
    if payment.external_id not in ("", known.payout_id):
        yield found(FindingCode.PAID_AS_ANOTHER, id=name, other=short_id(payment.external_id))


def _booked(recorded: Mapping[str, Invoiced], seen: Seen) -> Iterator[Finding]:
    """Name the payouts that were booked as paid though LNbits did not call them so, and what it says now."""
    for payment_hash, one in recorded.items():
        if one.booked_by and payment_hash in seen.booked:
            yield found(
                FindingCode.BOOKED_BESIDE_LNBITS,
                id=short_id(one.payout_id),
                witness=one.booked_by,
                shown=seen.shown.get(payment_hash) or "none",
            )


def _unproven(count: int) -> Iterator[Finding]:
    if count:
        yield found(FindingCode.UNPROVEN, count=count)
