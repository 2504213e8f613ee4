"""Proves the ledger from its entries up: each finding is a code with fields, none means that all is well."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dca_bot.ledger.audit.cash import CASH_CHECKS
from dca_bot.ledger.audit.commission import commission_findings
from dca_bot.ledger.audit.findings import Finding, FindingCode, found
from dca_bot.ledger.store.database import Tx, connect_to_read
from dca_bot.ledger.store.ledger_files import existing_ledger


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """What was looked at, and what is wrong."""

    entries: int
    distributions: int
    payouts: int
    findings: tuple[Finding, ...]


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
    findings = [one for code, query in _CHECKS + CASH_CHECKS for one in _found(tx, code, query)]
    findings += commission_findings(tx)
    findings += [
        found(FindingCode.FILE_DAMAGED, said=str(row[0])[:_SAID_MAX])
        for row in tx.execute("PRAGMA integrity_check(5)")
        if row[0] != "ok"
    ]
    findings += [
        found(FindingCode.ROW_MISSING, table=row[0], missing=row[2])
        for row in tx.execute("PRAGMA foreign_key_check")
    ]
    return LedgerAudit(
        entries=_count(tx, "entry"),
        distributions=_count(tx, "distribution"),
        payouts=_count(tx, "payout"),
        findings=tuple(findings),
    )


def _count(tx: Tx, table: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _found(tx: Tx, code: FindingCode, query: str) -> list[Finding]:
    """Return a finding for each row of a query; the row's first column names the thing in question."""
    name = _NAMES.get(code, "id")
    return [found(code, **{name: row[0]}) for row in tx.execute(query)]


_SAID_MAX = 200
_NAMES = {FindingCode.ACCOUNTS_UNBALANCED: "unit", FindingCode.DAY_LIMIT_EXCEEDED: "day"}
_CHECKS = (
    (
        FindingCode.ACCOUNTS_UNBALANCED,
        "SELECT unit FROM account GROUP BY unit HAVING sum(balance) <> 0",
    ),
    (
        FindingCode.ACCOUNT_NOT_ITS_ENTRIES,
        "SELECT id FROM account WHERE balance <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE to_account = account.id)"
        " - (SELECT coalesce(sum(amount), 0) FROM entry WHERE from_account = account.id)",
    ),
    (
        FindingCode.ACCOUNT_BELOW_ZERO,
        "SELECT id FROM account WHERE balance < 0 AND kind NOT IN ('cash', 'machine', 'treasury')",
    ),
    (
        FindingCode.SHARES_NOT_PRINCIPAL,
        "SELECT id FROM distribution WHERE principal_sat <> unallocated_sat +"
        " (SELECT coalesce(sum(sat), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        FindingCode.SHARES_ABOVE_PRINCIPAL,
        "SELECT id FROM distribution WHERE principal_minor <"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        FindingCode.SUM_NOT_SHARES,
        "SELECT id FROM distribution LEFT JOIN distribution_sum ON distribution_id = distribution.id"
        " WHERE shared_minor IS NOT"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        FindingCode.ENTRIES_NOT_SHARES,
        "WITH given AS (SELECT *, CASE kind WHEN 'flow' THEN 'machine' WHEN 'fixed' THEN 'treasury'"
        "   ELSE 'commission' END AS source FROM distribution),"
        " move AS (SELECT given.id, source, 'owed' AS target, client_id, sat AS amount"
        "   FROM given JOIN share ON distribution_id = given.id"
        " UNION ALL SELECT distribution_id, 'balance', 'converted', client_id, minor FROM share"
        " UNION ALL SELECT id, source, 'commission', NULL, commission_sat FROM given"
        " UNION ALL SELECT id, source, 'operator', NULL, unallocated_sat FROM given"
        "   WHERE kind <> 'commission'"
        " UNION ALL SELECT distribution_id, source.kind, target.kind,"
        "   coalesce(source.client_id, target.client_id), -amount"
        "   FROM posting JOIN entry ON posting_id = posting.id"
        "   JOIN account source ON source.id = from_account JOIN account target ON target.id = to_account"
        "   WHERE distribution_id IS NOT NULL)"
        " SELECT DISTINCT id FROM (SELECT id FROM move GROUP BY id, source, target, client_id"
        "   HAVING sum(amount) <> 0)",
    ),
    (
        FindingCode.NO_ENTRIES,
        "SELECT id FROM distribution WHERE NOT EXISTS"
        " (SELECT 1 FROM posting WHERE distribution_id = distribution.id AND kind = 'distribution')",
    ),
    (
        FindingCode.CASH_OUT_WITHOUT_DISTRIBUTION,
        "SELECT id FROM cash_out WHERE (state = 'distributed')"
        " <> EXISTS (SELECT 1 FROM distribution d WHERE d.id = cash_out.id AND d.kind = 'flow')",
    ),
    (
        FindingCode.DISTRIBUTION_WITHOUT_CASH_OUT,
        "SELECT id FROM distribution d WHERE kind = 'flow' AND NOT EXISTS"
        " (SELECT 1 FROM cash_out c WHERE c.id = d.id AND"
        " (c.principal_sat, c.principal_minor, c.commission_sat)"
        " = (d.principal_sat, d.principal_minor, d.commission_sat))",
    ),
    (
        FindingCode.RUN_NOT_DISTRIBUTION,
        "SELECT id FROM fixed_run WHERE coalesce(clients, 0) <>"
        " (SELECT count(*) FROM share WHERE distribution_id = fixed_run.id)"
        " UNION ALL SELECT id FROM distribution WHERE kind = 'fixed'"
        " AND NOT EXISTS (SELECT 1 FROM fixed_run WHERE fixed_run.id = distribution.id)",
    ),
    (
        FindingCode.RUN_NOT_SHARES,
        "SELECT id FROM distribution WHERE kind = 'fixed' AND principal_minor <>"
        " (SELECT coalesce(sum(minor), 0) FROM share WHERE distribution_id = distribution.id)",
    ),
    (
        FindingCode.SHARE_OF_ANOTHER_DAY,
        "SELECT DISTINCT distribution_id FROM share LEFT JOIN fixed_run ON fixed_run.id = distribution_id"
        " WHERE share.day IS NOT fixed_run.day",
    ),
    (
        FindingCode.DAY_LIMIT_EXCEEDED,
        "SELECT DISTINCT day FROM"
        " (SELECT day, sum(minor) AS minor FROM share WHERE day IS NOT NULL GROUP BY client_id, day) AS given"
        " WHERE minor > (SELECT max(ceiling_minor) FROM fixed_run WHERE fixed_run.day = given.day)"
        " AND NOT EXISTS (SELECT 1 FROM fixed_run WHERE fixed_run.day = given.day"
        "   AND state = 'done' AND ceiling_minor IS NULL)",
    ),
    (
        FindingCode.PAYOUT_NOT_SHARES,
        "SELECT id FROM payout WHERE state <> 'MERGED' AND amount_sat <>"
        " (SELECT coalesce(sum(sat), 0) FROM share WHERE payout_id = payout.id)",
    ),
    (
        FindingCode.MERGED_WITH_SHARES,
        "SELECT id FROM payout WHERE state = 'MERGED'"
        " AND EXISTS (SELECT 1 FROM share WHERE payout_id = payout.id)",
    ),
    (
        FindingCode.SHARES_OF_ANOTHER_CLIENT,
        "SELECT DISTINCT payout.id FROM payout JOIN share ON payout_id = payout.id"
        " WHERE share.client_id <> payout.client_id",
    ),
    (
        FindingCode.PAYOUT_NOT_ENTRIES,
        "SELECT id FROM payout WHERE (debited_at IS NOT NULL) <> EXISTS"
        " (SELECT 1 FROM posting WHERE payout_id = payout.id AND kind = 'payout')"
        " OR iif(debited_at IS NULL, state IN ('DEBITED', 'DONE'), state NOT IN ('DEBITED', 'DONE', 'ALERT'))"
        " OR (state = 'CANCELLED') <> EXISTS"
        " (SELECT 1 FROM posting WHERE payout_id = payout.id AND kind = 'cancel')",
    ),
    (
        FindingCode.OWED_NOT_SHARES,
        "SELECT client_id FROM account WHERE kind = 'owed' AND balance <>"
        " (SELECT coalesce(sum(sat), 0) FROM share LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = account.client_id"
        " AND (payout.id IS NULL OR (debited_at IS NULL AND payout.state <> 'CANCELLED')))",
    ),
    (
        FindingCode.GIVEN_NOT_SHARES,
        "SELECT client_id FROM account WHERE kind = 'balance' AND"
        " (SELECT coalesce(sum(amount), 0) FROM entry JOIN account c ON c.id = to_account"
        "   WHERE from_account = account.id AND c.kind = 'converted')"
        " - (SELECT coalesce(sum(amount), 0) FROM entry JOIN account c ON c.id = from_account"
        "   WHERE to_account = account.id AND c.kind = 'converted') <>"
        " (SELECT coalesce(sum(minor), 0) FROM share LEFT JOIN payout ON payout.id = payout_id"
        "   WHERE share.client_id = account.client_id AND coalesce(payout.state, '') <> 'CANCELLED')",
    ),
    (
        FindingCode.GOT_NOT_SHARES,
        "SELECT client_id FROM (SELECT * FROM client_got UNION ALL"
        " SELECT client_id, -bought_sat, -spent_minor, -earned_sat FROM client_sum) GROUP BY client_id"
        " HAVING sum(bought_sat) <> 0 OR sum(spent_minor) <> 0 OR sum(earned_sat) <> 0",
    ),
    (
        FindingCode.PAYOUT_OF_ANOTHER_AMOUNT,
        "SELECT payout.id FROM payout JOIN posting ON posting.payout_id = payout.id"
        " WHERE posting.kind = 'payout' AND amount_sat <>"
        " (SELECT coalesce(sum(amount), 0) FROM entry WHERE posting_id = posting.id)",
    ),
)
