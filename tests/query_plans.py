"""Judges by SQLite's own plans whether a statement takes longer the longer the bot has run.

A ledger has tables that grow for ever. A statement may look up a row of theirs by its key, walk what an
index holds of the few that are still open, or break off at a LIMIT; it may not walk through the rest.
"""

import re
from contextlib import contextmanager

# Not here: confirmation, as each new code deletes those that are over.
GROWING = {
    "attempt",
    "cash_move",
    "cash_out",
    "command_log",
    "command_subject",
    "deposit",
    "distribution",
    "distribution_sum",
    "entry",
    "fixed_run",
    "foreign_payment",
    "hold",
    "inbox",
    "missed_sale",
    "outbox",
    "payout",
    "posting",
    "share",
    "task",
}
# These hold what is still open, and lose it again.
OPEN = {
    "cash_move_unnamed",
    "cash_out_undecided",
    "deposit_pending",
    "deposit_pending_of",
    "fixed_run_waiting",
    "hold_open",
    "outbox_open",
    "outbox_turn",
    "outbox_waiting",
    "payout_digest",
    "payout_open",
    "payout_open_of",
    "share_unplanned",
    "task_open",
    "task_withdrawal",
}
# What is found by these columns is a few rows, or those of a span of time, however long the history.
NARROW = {
    ("cash_out_at", "at>? AND at<?"),  # a span of time that was asked for
    ("cash_out_machine", "device_id=? AND at>? AND at<?"),  # the same, of one machine
    ("cash_out_at", "at>?"),  # beyond the newest row of a reading
    ("cash_move_count", "count_id=?"),  # what a count made up for
    ("cash_move_ref", "kind=? AND ref=?"),  # the moves of one deposit or row
    ("deposit_client", "client_id=? AND confirmed_at=?"),  # never confirmed
    ("deposit_client", "client_id=? AND confirmed_at>?"),  # after a cash-out, or in a span of time
    ("distribution_at", "at>?"),  # two weeks
    ("distribution_at", "at>? AND at<?"),  # the span that an operator asks for
    ("payout_fee", "done_at>? AND done_at<?"),  # the same
    ("posting_cancelled", "posted_at>? AND posted_at<?"),  # the same
    ("distribution_processed", "processed_at>?"),  # a day
    ("distribution_processed", "processed_at>? AND processed_at<?"),  # a day
    ("entry_posting", "posting_id=?"),
    ("foreign_distribution", "distribution_id=?"),
    ("foreign_distribution", "distribution_id>? AND distribution_id<?"),  # a day's runs
    ("foreign_external", "external_id=?"),
    ("foreign_payment", "payment_hash=?"),
    ("foreign_status", "status=?"),  # pending
    ("foreign_status", "status=? AND seen_at>?"),  # failed within the last week
    ("hold_ref", "ref=?"),
    ("inbox_stranger_at", "received_at>? AND received_at<?"),  # an hour
    ("missed_sale", "distribution_id=?"),  # one for each client at most
    ("outbox_recipient", "recipient=? AND created_at<?"),  # the oldest hundred
    ("outbox_recipient", "recipient=? AND created_at>?"),  # an hour
    ("payout_done", "done_at>?"),  # a day
    ("payout_done", "done_at>? AND done_at<?"),  # an hour's work, or the payouts of an hour
    ("payout_submitted", "submitted_at>?"),  # a day
    ("share_day", "client_id=? AND day=?"),
    ("share_payout", "payout_id=?"),
    ("task_of_client", "client_id=? AND asked_at>?"),  # a day
    ("share", "distribution_id=?"),  # one for each client at most
    ("attempt", "payout_id=?"),
    ("payout", "id>? AND id<?"),  # the ids that begin alike
    ("cash_out", "id>? AND id<?"),
}
# (a part of the statement, the index, why it may do what it does)
ALLOWED = (
    (
        "SELECT max(created_at) AS last FROM outbox",
        "outbox_recipient",
        "an end of the index is enough",
    ),
    (
        "SELECT min(confirmed_at) AS at FROM deposit",
        "deposit_client",
        "an end of the index is enough",
    ),
    ("EXISTS (SELECT 1 FROM outbox", "outbox_recipient", "stops at the first that has left"),
    ("EXISTS (SELECT 1 FROM cash_out)", "cash_out_at", "stops at the first one"),
    (
        "ORDER BY submitted_at DESC LIMIT 1",
        "payout_submitted",
        "stops at the newest that was debited",
    ),
    ("ORDER BY share.id DESC", "share_client", "purchases and statements end with their range"),
    (
        "SELECT payout_id FROM share WHERE client_id = ? ORDER BY share.id DESC",
        "share_client",
        "the walk ends with the page",
    ),
    ("WHERE to_account =", "entry_to", "forecast ends with its window"),
    ("WHERE from_account =", "entry_from", "forecast and statements end with their range"),
    ("SELECT payment_hash, payout.id, amount_sat", "attempt", "audit reads everything"),
    (
        "SELECT id FROM deposit WHERE state <> 'voided' AND id BETWEEN",
        "deposit",
        "ends with the typed range, or the first hundred that stand",
    ),
    (
        "SELECT payment_hash FROM foreign_payment AS one",
        "foreign_payment",
        "audit reads everything",
    ),
    (
        "SELECT 1 FROM foreign_payment AS one",
        "foreign_payment",
        "what a restored ledger lacks, once an operator settles a client",
    ),
    (
        "created_at >= ? AND row_crypto_code IS NOT NULL",
        "cash_out",
        "once a day, beside a full read of Lamassu",
    ),
    (
        "SELECT DISTINCT distribution_id FROM foreign_payment",
        "foreign_distribution",
        "once a day, beside a full read of Lamassu",
    ),
)

_LINE = re.compile(
    r"(?P<how>SCAN|SEARCH) (?P<name>\S+)"
    r"(?: USING (?P<automatic>AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?"
    r"(?:INDEX (?P<index>\w+)|INTEGER PRIMARY KEY|PRIMARY KEY|INDEX))?"
    r"(?: \((?P<bound>.*)\))?(?: LEFT-JOIN)?"
)
_MADE = re.compile(r"(?:CO-ROUTINE|MATERIALIZE) (\S+)")
_NAMED = re.compile(r"(?:FROM|JOIN|UPDATE|INTO|,) (\w+)(?= (?:AS )?(\w+))")
_ROW = re.compile(r"\b(NEW|OLD)\.(\w+)")


class Traced:
    """A ledger's connection that also takes down each statement's plan."""

    def __init__(self, tx, plans):
        self._tx = tx
        self._plans = plans

    def __getattr__(self, name):
        return getattr(self._tx, name)

    def execute(self, sql, values=()):
        self._take_down(sql, values)
        return self._tx.execute(sql, values)

    def executemany(self, sql, rows):
        many = list(rows)
        for values in many[:1]:
            self._take_down(sql, values)
        return self._tx.executemany(sql, many)

    def _take_down(self, sql, values):
        is_plain = sql.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
        if is_plain and sql not in self._plans:
            self._plans[sql] = plan_of(self._tx, sql, values)


class TracedConnection:
    """A database's connection that hands each function a traced connection."""

    def __init__(self, connection, plans):
        self._connection = connection
        self._plans = plans

    async def run(self, work):
        return await self._connection.run(lambda tx: work(Traced(tx, self._plans)))


@contextmanager
def traced(database):
    """Take down the plans of all statements that a database runs meanwhile: {statement: plan}."""
    connection, plans = database._connection, {}
    database._connection = TracedConnection(connection, plans)
    try:
        yield plans
    finally:
        database._connection = connection
    assert plans, "the database has run statements"


def plan_of(tx, sql, values=()):
    return [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def trigger_plans(tx):
    """Return the plans of what each trigger asks and does; SQLite explains none within a statement."""
    plans = {}
    for (text,) in tx.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetchall():
        head, body = re.split(r"\bBEGIN\b", text.removesuffix("END"), maxsplit=1)
        steps = [step.strip() for step in body.split(";")]
        if " WHEN " in (flat := " ".join(head.split())):
            steps.append(f"SELECT {flat.split(' WHEN ', 1)[1]}")
        for step in steps:
            if step and "RAISE(" not in step:
                sql = _ROW.sub(r":\1_\2", step)
                plans[sql] = plan_of(tx, sql, _Nothing())
    return plans


class _Nothing(dict):
    """NULL for each parameter."""

    def __missing__(self, name):
        return None


def too_long(tx, plans):
    """Return (statement, line of its plan) for each that reads more the longer the history is."""
    schema = _Schema(tx)
    return [
        (" ".join(sql.split()), line)
        for sql, plan in plans.items()
        for line in plan
        if schema.walks(" ".join(sql.split()), plan, line)
    ]


class _Schema:
    def __init__(self, tx):
        objects = tx.execute("SELECT name, type, sql FROM sqlite_master").fetchall()
        self.sql = {name: sql for name, _, sql in objects}
        self.tables = set(self.sql)
        self.views = " ".join(" ".join(sql.split()) for _, type_, sql in objects if type_ == "view")
        self.indexes, self.unique = {}, set()
        for table in GROWING:
            for _, name, is_unique, origin, _ in tx.execute(
                f"PRAGMA index_list({table})"
            ).fetchall():
                columns = [row[2] for row in tx.execute(f"PRAGMA index_info({name})")]
                self.indexes[name] = table if origin != "c" else name
                if is_unique:
                    bound = " AND ".join(f"{column}=?" for column in columns)
                    self.unique.add((self.indexes[name], bound))

    def walks(self, sql, plan, line):
        found = _LINE.fullmatch(line)
        if not found:
            assert not line.startswith(("SCAN ", "SEARCH ")) or _is_made(line), line
            return False
        table = self._table(sql, plan, found["name"])
        if table not in GROWING or self._is_skipped(sql, table):
            return False
        bound, index = found["bound"], self.indexes.get(found["index"], table)
        # A search without columns is for max() or min(), which an end of the index answers.
        is_narrow = bound in (None, "rowid=?") or (index, bound) in self.unique | NARROW
        if found["how"] == "SEARCH" and is_narrow and not found["automatic"]:
            return False
        return not (index in OPEN or _breaks_off(sql, plan, bound) or _is_allowed(sql, index))

    def _is_skipped(self, sql, table):
        """Tell whether a look for rows that refer to a new one is planned only: nothing can be missing.

        It is carried out where the check is deferred, and something was missing until now.
        """
        found = re.match(r"INSERT INTO (\w+) [^)]*\) VALUES", sql)
        refers = found and re.search(rf"REFERENCES {found[1]} \(\w+\)(?! DEFER)", self.sql[table])
        return bool(refers)

    def _table(self, sql, plan, name):
        """Return the table that a plan calls `name`: itself, or as the statement calls it."""
        named = {alias: table for table, alias in _NAMED.findall(f"{self.views} {sql}")}
        table = name if name in self.tables else named.get(name)
        made = {found[1] for found in map(_MADE.fullmatch, plan) if found}
        assert table in self.tables or name in made or name.startswith("("), (sql, name)
        return table


def _is_made(line):
    """Tell whether a line is about rows that the statement has made itself, or was handed."""
    made = r"CONSTANT ROW|\d+ CONSTANT ROWS|\(subquery-\d+\)|json_each VIRTUAL TABLE"
    return bool(re.match(f"SCAN ({made})", line))


def _breaks_off(sql, plan, bound):
    """Tell whether the LIMIT ends the walk: it goes in the wanted order and passes nothing over."""
    found = re.fullmatch(r"SELECT .* FROM (?:.* WHERE (?P<where>.*))? ?.*ORDER BY .* LIMIT .*", sql)
    if not found or "USE TEMP B-TREE FOR ORDER BY" in plan or sql.count("SELECT") > 1:
        return False
    asked = (found["where"] or "").split(" ORDER BY ")[0].split(" AND ")
    asked = [one for one in asked if one.strip() not in ("", "true")]
    return len(asked) == (bound or "").count("?")


def _is_allowed(sql, index):
    return any(part in sql and index == where for part, where, _ in ALLOWED)
