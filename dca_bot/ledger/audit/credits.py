"""Compares the credits in clients' LNbits wallets with the payouts of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from dca_bot.core.names import short_id
from dca_bot.core.ports import Credit, PaymentStatus, Wallet
from dca_bot.errors import LnbitsRefused
from dca_bot.ledger.audit.findings import Finding, FindingCode, found
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme.clients import INVOICE_KEY
from dca_bot.ledger.store.database import Database, Tx


@dataclass(frozen=True, slots=True)
class Expected:
    """A payout that a client's wallet at LNbits must have as a credit.

    `is_by_hand`: an operator settled the payout by hand.
    """

    payout_id: str
    amount_sat: int
    is_by_hand: bool


async def audit_credits(database: Database, wallet: Wallet) -> tuple[list[Finding], list[Finding]]:
    """Compare the credits in clients' wallets with the payouts; return findings and notes.

    Memory holds one client's payouts at a time. A refused invoice key is a note: the payouts to that wallet
    can't be checked. Raise LnbitsUnavailable.
    """
    findings, notes, refused = list[Finding](), list[Finding](), dict[str, int]()
    for client_id in await database.read(_clients):
        expected = await database.read(partial(_expected_credits, client_id=client_id))
        for invoice_key, due in expected.items():
            if invoice_key in refused:
                refused[invoice_key] += len(due)
                continue
            try:
                wrong = await _wrong(wallet, invoice_key, due)
            except LnbitsRefused:
                refused[invoice_key] = len(due)
                continue
            for one, credit in wrong:
                if one.is_by_hand:
                    notes.append(found(FindingCode.SETTLED_BY_HAND, id=short_id(one.payout_id)))
                else:
                    findings.append(_credit_finding(one, credit))
    notes += [
        found(FindingCode.KEY_REFUSED, count=count, key=f"{invoice_key[:4]}…")
        for invoice_key, count in refused.items()
    ]
    return findings, notes


def _clients(tx: Tx) -> list[int]:
    return [row["id"] for row in tx.execute("SELECT id FROM client ORDER BY id")]


def _expected_credits(tx: Tx, client_id: int) -> dict[str, dict[str, Expected]]:
    """Return the credits that a client's wallets at LNbits must have, by invoice key and payment hash."""
    rows = tx.execute(
        "SELECT payout.id, payout.destination, amount_sat, payment_hash, EXISTS (SELECT 1 FROM hold"
        "   WHERE kind = 'payout' AND ref = payout.id AND reason = ? AND outcome = 'accepted')"
        " AS by_hand FROM payout JOIN attempt ON payout_id = payout.id AND number = attempt"
        " WHERE client_id = ? AND state = 'DONE' AND destination_kind = ?",
        (HoldReason.ALERTED, client_id, INVOICE_KEY),
    )
    by_key: dict[str, dict[str, Expected]] = {}
    for row in rows:
        one = Expected(row["id"], row["amount_sat"], is_by_hand=bool(row["by_hand"]))
        by_key.setdefault(row["destination"], {})[row["payment_hash"]] = one
    return by_key


async def _wrong(
    wallet: Wallet, invoice_key: str, due: Mapping[str, Expected]
) -> list[tuple[Expected, Credit | None]]:
    """Return the payouts that a wallet has not credited as it must, each with what the wallet has.

    Raise LnbitsUnavailable or LnbitsRefused.
    """
    got = {
        payment_hash: credit
        async for payment_hash, credit in wallet.credits_of(invoice_key)
        if payment_hash in due
    }
    pairs = ((one, got.get(payment_hash)) for payment_hash, one in due.items())
    return [(one, credit) for one, credit in pairs if _is_other(one, credit)]


def _is_other(one: Expected, credit: Credit | None) -> bool:
    """Tell whether a client's wallet has no settled credit of the payout's amount."""
    return credit != Credit(PaymentStatus.SUCCESS, one.amount_sat * 1000)


def _credit_finding(one: Expected, credit: Credit | None) -> Finding:
    name = short_id(one.payout_id)
    if credit is None:
        return found(FindingCode.NO_CREDIT, id=name)
    if credit.status is not PaymentStatus.SUCCESS:
        return found(FindingCode.CREDIT_NOT_SETTLED, id=name, status=credit.status)
    return found(
        FindingCode.CREDIT_OF_OTHER_AMOUNT,
        id=name,
        sats=one.amount_sat,
        got_msat=credit.amount_msat,
    )
