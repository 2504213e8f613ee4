"""The schema of the ledger: numbered migrations, and a fingerprint by which foreign tables are noticed.

A migration is frozen, because ledgers made by the migration exist. Every later change is a new migration.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources

from dca_bot.errors import LedgerError
from dca_bot.ledger.store import old_texts


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema.

    `sha256`: the first digits of the SHA-256 of the script `file`.
    `fingerprint`: the fingerprint of the schema after the step.
    `changes`: what the step brings, in words for an operator.
    """

    file: str
    sha256: str
    fingerprint: str
    changes: str


MIGRATIONS = (
    Migration(
        "0001_ledger.sql",
        "63f84f707261",
        "361fb117e54ed3a5",
        "clients, deposits, cash-outs and payouts",
    ),
    Migration(
        "0002_programme.sql",
        "c718aa716b0f",
        "706437965b5175a0",
        "fixed mode, shares of the commission, the machines' cash, and a log of commands",
    ),
    Migration(
        "0003_field.sql",
        "9e70a038a820",
        "6d30b5ef603b8951",
        "fixed fees, look-alike names, and a lease that keeps two bots apart; payouts to Lightning"
        " addresses that were given up on LNbits' word alone wait for yours (`holds`)",
    ),
    Migration(
        "0004_codes.sql",
        "2c73fa59434e",
        "ea81bc3253e7385b",
        "reasons as codes, which each language words for itself",
    ),
    Migration(
        "0005_columns.sql",
        "91b3c7bc5762",
        "d2b33f1a725ed18b",
        "Lamassu's amounts of a cash-out, the newest price and the last top-up have columns of their own",
    ),
    Migration(
        "0006_reach.sql",
        "d6aae2d098c3",
        "a692702da7383698",
        "where people read, whom messages reach, how far each relay was heard, and strangers' knocks",
    ),
    Migration(
        "0007_conversation.sql",
        "79ba43e1210e",
        "23eb66d3e833e5a5",
        "the bot's last question to each person, what clients ask of the operators, and LNURL-pay codes as"
        " destinations",
    ),
    Migration(
        "0008_sealed_postings.sql",
        "600449590ebd",
        "54abe3a397e7cdaa",
        "postings that are closed like distributions, and invoices that are forgotten 90 days after payment",
    ),
    Migration(
        "0009_records.sql",
        "11209eb6b649",
        "eb33a5175ffa2585",
        "weekly and monthly amounts, a day's cap, margins, what receipts are worked out from, settings of"
        " statements, and files",
    ),
    Migration(
        "0010_home.sql",
        "358d96b145b7",
        "a7a2b6c55cc98d1f",
        "rehearsals' ledgers, and what was moved in from another program",
    ),
)
"""Migration number n makes version n of the ledger. Only files listed here are run: an old installation
can leave removed scripts behind in the folder."""
VERSION = len(MIGRATIONS)

_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')|["`](?P<name>(?:[^"`]|"")*)["`]
      |(?P<space>--[^\n]*|/\*.*?\*/|\s+)|(?P<word>\w+|.)""",
    re.DOTALL | re.VERBOSE,
)
_OBJECTS = (
    "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"
    " WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type, name"
)


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """A table, view, index or trigger; `sql` is in normal form."""

    kind: str
    name: str
    table: str
    sql: str


def version_of(tx: sqlite3.Connection) -> int:
    """Return the version of a ledger's schema; 0 for an empty file."""
    return int(tx.execute("PRAGMA user_version").fetchone()[0])


def script(number: int) -> str:
    """Return the script of a migration; raise LedgerError if the file isn't the frozen script."""
    migration = MIGRATIONS[number - 1]
    content = (
        resources.files("dca_bot.ledger.store").joinpath("migrations", migration.file).read_bytes()
    )
    if not hashlib.sha256(content).hexdigest().startswith(migration.sha256):
        raise LedgerError(
            f"This installation of dca-bot is mixed up: {migration.file} isn't the script that belongs"
            " to it. Install dca-bot anew, into a new virtual environment."
        )
    return content.decode()


def run_script(tx: sqlite3.Connection, number: int) -> None:
    """Bring a ledger from version `number - 1` to version `number`, wholly or not at all.

    Raise LedgerError if the script isn't the frozen script, and sqlite3.IntegrityError if a row of the
    ledger breaks a rule of the new version.
    """
    old_texts.offer(tx)
    with altering(tx):
        # executescript() commits an open transaction first: the script has to begin a transaction itself.
        tx.executescript(f"BEGIN IMMEDIATE;\n{script(number)}\nPRAGMA user_version = {number};")


@contextmanager
def altering(tx: sqlite3.Connection) -> Iterator[None]:
    """Commit the block's changes of tables, or roll all of them back.

    The block begins the transaction. Foreign keys are checked at the end, so the block can replace
    tables that other tables refer to. Raise sqlite3.IntegrityError if a row then lacks its referred row.
    """
    enforced = tx.execute("PRAGMA foreign_keys").fetchone()[0]
    tx.execute("PRAGMA foreign_keys = OFF")
    tx.execute("PRAGMA legacy_alter_table = ON")
    try:
        yield
        _refuse_torn(tx)
        tx.execute("COMMIT")
    except BaseException:
        if tx.in_transaction:
            tx.execute("ROLLBACK")
        raise
    finally:
        tx.execute("PRAGMA legacy_alter_table = OFF")
        tx.execute(f"PRAGMA foreign_keys = {enforced}")


def _refuse_torn(tx: sqlite3.Connection) -> None:
    torn = tx.execute("PRAGMA foreign_key_check").fetchone()
    if torn:
        raise sqlite3.IntegrityError(f"a row of {torn[0]} lacks its row of {torn[2]}")


def fingerprint(tx: sqlite3.Connection) -> str:
    """Return a digest of the schema that doesn't depend on the version of SQLite.

    ALTER TABLE rewrites the SQL in the schema, with other quotes and spaces in each version of SQLite.
    The tables of ANALYZE don't count.
    """
    lines = (f"{one.kind}|{one.name}|{one.sql}" for one in objects(tx))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def text_digest(tx: sqlite3.Connection) -> str:
    """Return a digest of the schema letter by letter: quicker than `fingerprint`, and stricter."""
    rows = tx.execute(_OBJECTS).fetchall()
    return hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()[:16]


def objects(tx: sqlite3.Connection) -> list[SchemaObject]:
    """Return the tables, views, indexes and triggers of a schema, in order of kind and name."""
    rows = tx.execute(_OBJECTS).fetchall()
    return [SchemaObject(kind, name, table, _normal(sql)) for kind, name, table, sql in rows]


@cache
def published(version: int) -> tuple[tuple[str, str, str], ...]:
    """Return kind, name and SQL of each object in the schema of a version, in order of creation."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as tx:
        for number in range(1, version + 1):
            run_script(tx, number)
        rows = tx.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
    return tuple((kind, name, sql) for kind, name, sql in rows)


def differences(tx: sqlite3.Connection, version: int) -> list[str]:
    """Return the objects of a ledger's schema that differ from a version's, each as `table client`.

    Added tables, views and plain indexes don't count: those of a replicator, say, change nothing.
    """
    wanted = {(kind, name): _normal(sql) for kind, name, sql in published(version)}
    found = {(one.kind, one.name): one for one in objects(tx)}
    changed = [key for key, sql in wanted.items() if key not in found or found[key].sql != sql]
    ours = {name for kind, name in wanted if kind in ("table", "view")}
    added = [
        (one.kind, one.name)
        for key, one in found.items()
        if key not in wanted and one.table.lower() in ours and _acts(one)
    ]
    return [f"{kind} {name}" for kind, name in changed + added]


def _acts(one: SchemaObject) -> bool:
    """Tell whether an object added to a table can change or refuse the rows that are written."""
    return one.kind == "trigger" or one.sql.startswith("create unique")


def _normal(sql: str) -> str:
    """Return SQL without comments, quotes around names, spaces and capitals; texts in quotes stay."""
    return " ".join(_normal_tokens(sql))


def _normal_tokens(sql: str) -> Iterator[str]:
    for token in _TOKEN.finditer(sql):
        if token["text"] is not None:
            yield token["text"]
        elif token["space"] is None:
            yield (token["word"] if token["name"] is None else token["name"]).lower()
