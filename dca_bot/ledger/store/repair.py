"""Repairs ledgers that were migrated by an early edition of the script 0002.

Two builds ran early editions: the published version 2 of 24 November 2026, and a build of 25 November.
No row is lost.
"""

import sqlite3

from dca_bot.ledger.store.schema import MIGRATIONS, altering, fingerprint, published

_KNOWN = {
    2: ("ae01fc167dbe335f", "9e146aa699da027b"),
    3: ("845f03ae44fa7789", "a0dea94b6c5d4e4a"),
}
"""Fingerprints of the schemas of both builds, at version 2 and after migration 0003."""
_BEFORE = "before_repair_"


def is_repairable(version: int, found: str) -> bool:
    """Tell whether `found` is the fingerprint of a schema that `repair` mends."""
    return found in _KNOWN.get(version, ())


def repair(tx: sqlite3.Connection, version: int) -> None:
    """Rebuild tables, views, indexes and triggers as published in `version`, and keep every row.

    Raise sqlite3.IntegrityError if a row would lose a row that it refers to.
    """
    with altering(tx):
        tx.execute("BEGIN IMMEDIATE")
        _drop(tx, "trigger", "view", "index")
        tables = {row[0]: row[1] for row in _parts(tx, "table")}
        for kind, name, sql in published(version):
            if kind == "table" and tables.get(name) != sql:
                _make_table(tx, name, sql, is_new=name not in tables)
        for wanted in ("index", "view", "trigger"):
            for kind, _, sql in published(version):
                if kind == wanted:
                    tx.execute(sql)
        _fill(tx, has_sums="client_sum" in tables, has_told="told_at" in tables["alarm"])
        assert fingerprint(tx) == MIGRATIONS[version - 1].fingerprint, (
            "the tables are the version's"
        )


def _parts(tx: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    rows = tx.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL"
        " AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
        (kind,),
    )
    return [(row[0], row[1]) for row in rows]


def _drop(tx: sqlite3.Connection, *kinds: str) -> None:
    for kind in kinds:
        for name, _ in _parts(tx, kind):
            tx.execute(f"DROP {kind} {name}")


def _make_table(tx: sqlite3.Connection, name: str, sql: str, *, is_new: bool) -> None:
    """Make a table by its published SQL, and copy the rows of the old table."""
    if is_new:
        tx.execute(sql)
        return
    tx.execute(f"ALTER TABLE {name} RENAME TO {_BEFORE}{name}")
    tx.execute(sql)
    columns = ", ".join(row[1] for row in tx.execute(f"PRAGMA table_info({_BEFORE}{name})"))
    tx.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_BEFORE}{name}")
    tx.execute(f"DROP TABLE {_BEFORE}{name}")


def _fill(tx: sqlite3.Connection, *, has_sums: bool, has_told: bool) -> None:
    """Write the sums per client and the times of told alarms, as the last edition of 0002 does."""
    if not has_sums:
        tx.execute("INSERT INTO client_sum SELECT * FROM client_got")
    if not has_told:
        tx.execute("UPDATE alarm SET told_at = since")
