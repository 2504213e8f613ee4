"""Proves the ledger from its entries up: each finding is a sentence, none means that all is well."""

import sqlite3
import threading
from collections.abc import Container, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dca_bot.core.ports import Payment, PaymentStatus, Wallet
from dca_bot.ledger import foreign
from dca_bot.ledger.audit_commission import commission_findings
from dca_bot.ledger.database import Database, Tx, connect_to_read, existing_ledger


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """What was looked at, and what is wrong."""

    entries: int
    distributions: int
    payouts: int
    findings: tuple[str, ...]


async def audit_payments(database: Database, wallet: Wallet) -> tuple[int, tuple[str, ...]]:
    """Hold the source wallet's tagged rows against the ledger; return (rows, findings).

    The ledger moves while LNbits is read, so a difference counts only if it is there against both
    the ledger before and the ledger after. Raise LnbitsUnavailable or LnbitsRefused.
    """
    before = await database.read(paid_by_hash)
    payments = [payment async for payment in wallet.tagged_payments()]
    after = await database.read(paid_by_hash)
    settled = await database.read(foreign.settled_hashes)
    earlier = set(compare_payments(before, payments, settled))
    lasting = [text for text in compare_payments(after, payments, settled) if text in earlier]
    return len(payments), tuple(lasting)


def audit_beside(data_dir: Path, stop: threading.Event) -> LedgerAudit:
    """Prove the ledger over a connection of one's own, so that a running bot isn't held up.

    Raise LedgerError where there is no ledger, and sqlite3.OperationalError once `stop` is set.
    """
    with closing(connect_to_read(existing_ledger(data_dir))) as tx:
        tx.row_factory = sqlite3.Row
        tx.set_progress_handler(stop.is_set, 100_000)
        tx.execute("BEGIN")
        return audit_ledger(tx)


def audit_ledger(tx: Tx) -> LedgerAudit:
    """Sum everything up again; reads the whole ledger."""
    findings = [text for text, query in _CHECKS for text in _found(tx, text, query)]
    findings += commission_findings(tx)
    findings += [
        f"The file is damaged: {row[0]}."
        for row in tx.execute("PRAGMA integrity_check(5)")
        if row[0] != "ok"
    ]
    findings += [
        f"A row of {row[0]} refers to a missing row of {row[2]}."
        for row in tx.execute("PRAGMA foreign_key_check")
    ]
    return LedgerAudit(
        entries=_count(tx, "entry"),
        distributions=_count(tx, "distribution"),
        payouts=_count(tx, "payout"),
        findings=tuple(findings),
    )


def paid_by_hash(tx: Tx) -> dict[str, tuple[str, int, bool]]:
    """Return (payout id, sats, debited) for every recorded payment hash."""
    rows = tx.execute(
        "SELECT payment_hash, payout.id, amount_sat, number = payout.attempt AND debited_at IS NOT NULL"
        " AS debited FROM attempt JOIN payout ON payout.id = payout_id"
    )
    return {
        row["payment_hash"]: (row["id"], row["amount_sat"], bool(row["debited"])) for row in rows
    }


def compare_payments(
    recorded: Mapping[str, tuple[str, int, bool]],
    payments: Iterable[Payment],
    settled: Container[str] = (),
) -> list[str]:
    """Hold the source wallet's tagged rows against the ledger's payouts.

    `settled` are the hashes of payments that the operator has settled by hand.
    """
    findings: list[str] = []
    paid: set[str] = set()
    for payment in payments:
        known = recorded.get(payment.payment_hash)
        is_by_hand = payment.payment_hash in settled and not (known and known[2])
        if payment.status is not PaymentStatus.SUCCESS or is_by_hand:
            continue
        if known is None:
            findings.append(
                f"LNbits paid {-payment.amount_msat // 1000} sats for payout"
                f" {payment.external_id[:8]}, which the ledger doesn't know."
            )
            continue
        payout_id, amount_sat, debited = known
        if payment.amount_msat != -amount_sat * 1000:
            findings.append(
                f"Payout {payout_id[:8]} is {amount_sat} sats, LNbits paid {-payment.amount_msat} msat."
            )
        if not debited:
            findings.append(f"LNbits has paid payout {payout_id[:8]}, the ledger doesn't say so.")
        if payout_id in paid:
            findings.append(f"Payout {payout_id[:8]} was paid twice.")
        paid.add(payout_id)
    missing = {known[0] for known in recorded.values() if known[2]} - paid
    findings += [
        f"Payout {payout_id[:8]} is paid in the ledger, LNbits doesn't have it."
        for payout_id in sorted(missing)
    ]
    return findings


def _count(tx: Tx, table: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _found(tx: Tx, text: str, query: str) -> list[str]:
    return [text.format(row[0]) for row in tx.execute(query)]


_CHECKS = (
    (
        "The accounts in {} don't add up to zero.",
        "SELECT unit FROM account GROUP BY unit HAVING sum(balance) <> 0",
    ),
    (
        "Account {}'s balance isn't the sum of its entries.",
        "SELECT id FROM account WHERE balance <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE to_account = account.id)"
        " - (SELECT coalesce(sum(amount), 0) FROM entry WHERE from_account = account.id)",
    ),
    (
        "Account {} is below zero.",
        "SELECT id FROM account WHERE balance < 0 AND kind NOT IN ('cash', 'machine', 'treasury')",
    ),
    (
        "Distribution {}'s shares don't add up to its principal.",
        "SELECT id FROM distribution WHERE principal_sat <> unallocated_sat +"
        " (SELECT coalesce(sum(sat), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        "Distribution {} has given more fiat than its principal.",
        "SELECT id FROM distribution WHERE principal_minor <"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        "Distribution {}'s entries aren't its shares, rest and commission.",
        "SELECT d.id FROM distribution d JOIN posting p ON p.distribution_id = d.id"
        " WHERE CASE d.kind WHEN 'flow' THEN d.principal_sat + d.commission_sat"
        " ELSE d.principal_sat - d.unallocated_sat END"
        " + (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = d.id)"
        " <> (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = p.id)",
    ),
    (
        "Distribution {} has no entries.",
        "SELECT id FROM distribution WHERE NOT EXISTS"
        " (SELECT 1 FROM posting WHERE distribution_id = distribution.id)",
    ),
    (
        "Cash-out {} is distributed without a distribution, or the other way round.",
        "SELECT id FROM cash_out WHERE (state = 'distributed')"
        " <> EXISTS (SELECT 1 FROM distribution d WHERE d.id = cash_out.id AND d.kind = 'flow')",
    ),
    (
        "Fixed run {} and its distribution contradict each other.",
        "SELECT id FROM fixed_run WHERE coalesce(clients, 0) <>"
        " (SELECT count(*) FROM share WHERE distribution_id = fixed_run.id AND share.day = fixed_run.day)"
        " UNION ALL SELECT id FROM distribution WHERE kind = 'fixed'"
        " AND NOT EXISTS (SELECT 1 FROM fixed_run WHERE fixed_run.id = distribution.id)",
    ),
    (
        "On {} fixed mode has taken more of a client than a day may.",
        "SELECT DISTINCT day FROM"
        " (SELECT day, sum(minor) AS minor FROM share WHERE day IS NOT NULL GROUP BY client_id, day) AS given"
        " WHERE minor > (SELECT max(ceiling_minor) FROM fixed_run WHERE fixed_run.day = given.day)"
        " AND NOT EXISTS (SELECT 1 FROM fixed_run WHERE fixed_run.day = given.day"
        "   AND state = 'done' AND ceiling_minor IS NULL)",
    ),
    (
        "Payout {}'s amount isn't the sum of its shares.",
        "SELECT id FROM payout WHERE state <> 'MERGED' AND amount_sat <>"
        " (SELECT coalesce(sum(sat), 0) FROM share WHERE payout_id = payout.id)",
    ),
    (
        "Payout {}'s state and its entries contradict each other.",
        "SELECT id FROM payout WHERE (debited_at IS NOT NULL) <> EXISTS"
        " (SELECT 1 FROM posting WHERE payout_id = payout.id AND kind = 'payout')"
        " OR (state = 'CANCELLED') <> EXISTS"
        " (SELECT 1 FROM posting WHERE payout_id = payout.id AND kind = 'cancel')",
    ),
    (
        "What client {} is owed isn't the sum of the unpaid shares.",
        "SELECT client_id FROM account WHERE kind = 'owed' AND balance <>"
        " (SELECT coalesce(sum(sat), 0) FROM share LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = account.client_id"
        " AND (payout.id IS NULL OR (debited_at IS NULL AND payout.state <> 'CANCELLED')))",
    ),
    (
        "What client {} has given isn't the fiat of the client's shares.",
        "SELECT client_id FROM account WHERE kind = 'balance' AND"
        " (SELECT coalesce(sum(amount), 0) FROM entry JOIN account c ON c.id = to_account"
        "   WHERE from_account = account.id AND c.kind = 'converted')"
        " - (SELECT coalesce(sum(amount), 0) FROM entry JOIN account c ON c.id = from_account"
        "   WHERE to_account = account.id AND c.kind = 'converted') <>"
        " (SELECT coalesce(sum(minor), 0) FROM share LEFT JOIN payout ON payout.id = payout_id"
        "   WHERE share.client_id = account.client_id AND coalesce(payout.state, '') <> 'CANCELLED')",
    ),
    (
        "What client {} has got isn't the sum of the shares.",
        "SELECT client_id FROM (SELECT * FROM client_got UNION ALL"
        " SELECT client_id, -bought_sat, -spent_minor, -earned_sat FROM client_sum) GROUP BY client_id"
        " HAVING sum(bought_sat) <> 0 OR sum(spent_minor) <> 0 OR sum(earned_sat) <> 0",
    ),
    (
        "Payout {} has entries of another amount.",
        "SELECT payout.id FROM payout JOIN posting ON posting.payout_id = payout.id"
        " WHERE posting.kind = 'payout' AND amount_sat <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id)",
    ),
    (
        "Deposit {} has entries of another amount.",
        "SELECT deposit.id FROM deposit JOIN posting ON posting.deposit_id = deposit.id"
        " WHERE amount_minor <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id)",
    ),
    (
        "Deposit {}'s state and its entries contradict each other.",
        "SELECT id FROM deposit WHERE (confirmed_at IS NOT NULL) <> EXISTS"
        " (SELECT 1 FROM posting WHERE deposit_id = deposit.id AND kind = 'deposit')"
        " OR (confirmed_at IS NOT NULL AND state = 'voided') <> EXISTS"
        " (SELECT 1 FROM posting WHERE deposit_id = deposit.id AND kind = 'deposit void')",
    ),
    (
        "The cash of deposit {} isn't in the machines as it should be.",
        "SELECT id FROM deposit WHERE iif(state = 'confirmed', amount_minor, 0) <>"
        " (SELECT coalesce(sum(amount_minor), 0) FROM cash_move"
        "   WHERE kind = 'deposit' AND ref = CAST(deposit.id AS TEXT))",
    ),
    (
        "The cash of withdrawal {} hasn't left the machines as it should have.",
        "SELECT id FROM posting WHERE kind = 'withdrawal' AND"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id) <>"
        " (SELECT coalesce(-sum(amount_minor), 0) FROM cash_move"
        "   WHERE kind = 'withdrawal' AND ref = CAST(posting.id AS TEXT))",
    ),
    (
        "What should be in machine {} isn't the sum of its moves.",
        "SELECT DISTINCT device_id FROM (SELECT device_id, kind, amount_minor AS total,"
        " iif(count_id IS NULL AND id > coalesce((SELECT max(after_move) FROM cash_count"
        "   WHERE device_id = cash_move.device_id), 0), amount_minor, 0) AS since FROM cash_move"
        " UNION ALL SELECT device_id, kind, -total_minor, -since_minor FROM cash_sum)"
        " GROUP BY device_id, kind HAVING sum(total) <> 0 OR sum(since) <> 0",
    ),
    (
        "Count {} of a machine's cash isn't what is recorded up to it.",
        "WITH seen AS (SELECT amount_minor, coalesce(count_id, (SELECT id FROM cash_count"
        "   WHERE device_id = cash_move.device_id AND after_move >= cash_move.id"
        "   ORDER BY id LIMIT 1)) AS count_id FROM cash_move),"
        " change AS (SELECT count_id, sum(amount_minor) AS minor FROM seen GROUP BY count_id)"
        " SELECT id FROM cash_count WHERE counted_minor - coalesce((SELECT counted_minor"
        "   FROM cash_count earlier WHERE earlier.device_id = cash_count.device_id"
        "   AND earlier.id < cash_count.id ORDER BY id DESC LIMIT 1), 0)"
        " <> coalesce((SELECT minor FROM change WHERE count_id = cash_count.id), 0)",
    ),
)
