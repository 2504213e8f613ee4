"""Proves the ledger from its entries up: each finding is a code with fields, none means that all is well."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dca_bot.ledger.audit.cash import CASH_CHECKS
from dca_bot.ledger.audit.commission import commission_findings
from dca_bot.ledger.audit.findings import Finding, FindingCode, found
from dca_bot.ledger.audit.sweeps import sweep_findings
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
    """Sum the ledger up over a connection of one's own, so that a running bot isn't held up.

    Indexes aren't held against their tables: the daily copy does that, each seventh day.
    Raise LedgerError where there is no ledger, and sqlite3.OperationalError once `stop` is set.
    """
    with closing(connect_to_read(existing_ledger(data_dir))) as tx:
        tx.row_factory = sqlite3.Row
        tx.set_progress_handler(stop.is_set, 100_000)
        tx.execute("BEGIN")
        return audit_ledger(tx, proves=False)


def audit_ledger(tx: Tx, *, proves: bool = True) -> LedgerAudit:
    """Sum everything up again; reads the whole ledger.

    `proves`: hold each index against its table too, which takes longer than all the rest.
    """
    tx.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    findings = [one for code, query in _CHECKS + CASH_CHECKS for one in _found(tx, code, query)]
    findings += [*sweep_findings(tx), *commission_findings(tx)]
    findings += [
        found(FindingCode.FILE_DAMAGED, said=str(row[0])[:_SAID_MAX])
        for row in tx.execute(f"PRAGMA {'integrity_check' if proves else 'quick_check'}(5)")
        if row[0] != "ok"
    ]
    findings += [
        found(FindingCode.ROW_MISSING, table=table, missing=missing)
        for table, missing in _torn_references(tx)
    ]
    return LedgerAudit(
        entries=_count(tx, "entry"),
        distributions=_count(tx, "distribution"),
        payouts=_count(tx, "payout"),
        findings=tuple(findings),
    )


def _torn_references(tx: Tx) -> Iterator[tuple[str, str]]:
    """Yield (table, missing table) for each missing row that rows of a table refer to.

    Both sides of a reference are read once, in the order of their indexes, and held side by side. SQLite's
    own check looks each reference up, in the order of the rows.
    """
    tables = tx.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        columns = tx.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        for _, grouped in groupby(sorted(columns, key=_reference), _reference):
            reference = list(grouped)
            parent, names = reference[0]["table"], [row["from"] for row in reference]
            is_set = " AND ".join(f"{name} IS NOT NULL" for name in names)
            for _ in tx.execute(
                f"SELECT {', '.join(names)} FROM {table} WHERE {is_set}"
                f" EXCEPT SELECT {', '.join(row['to'] for row in reference)} FROM {parent}"
                f" ORDER BY {', '.join(names)}"
            ):
                yield table, parent


def _reference(column: sqlite3.Row) -> int:
    """Return the number of the reference that a column of a table is part of."""
    return int(column["id"])


def _count(tx: Tx, table: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _found(tx: Tx, code: FindingCode, query: str) -> list[Finding]:
    """Return a finding for each row of a query; the row's first column names the thing in question."""
    name = _NAMES.get(code, "id")
    return [found(code, **{name: row[0]}) for row in tx.execute(query)]


_SAID_MAX = 200
_CACHE_KIB = 8 * 1024
"""What a connection keeps of the file in memory while the whole ledger is read, and what it sorts there."""
_NAMES = {FindingCode.ACCOUNTS_UNBALANCED: "unit", FindingCode.DAY_LIMIT_EXCEEDED: "day"}
_CHECKS = (
    (
        FindingCode.ACCOUNTS_UNBALANCED,
        "SELECT unit FROM account GROUP BY unit HAVING sum(balance) <> 0",
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
        " (SELECT day, sum(minor) AS minor FROM share WHERE day IS NOT NULL AND distribution_id NOT IN"
        "   (SELECT id FROM fixed_run WHERE settles_client IS NOT NULL) GROUP BY client_id, day) AS given"
        " WHERE minor > (SELECT max(ceiling_minor) FROM fixed_run WHERE fixed_run.day = given.day)"
        " AND NOT EXISTS (SELECT 1 FROM fixed_run WHERE fixed_run.day = given.day"
        "   AND state = 'done' AND ceiling_minor IS NULL AND settles_client IS NULL)",
    ),
)
