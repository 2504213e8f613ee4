"""Transactions that share a COMMIT: durable together, whole or undone each by itself."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca_bot.ledger.store.shared_commits import SHARED_MAX, SharedCommits, Transaction

SCHEMA = """
CREATE TABLE done (place INTEGER PRIMARY KEY);
CREATE TABLE parent (id INTEGER PRIMARY KEY);
CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
"""
FAULTS = ("", "", "", "raises", "reads", "refers nowhere", "undoes all")


class Ledger:
    def __init__(self, path):
        self.tx = sqlite3.connect(path, isolation_level=None)
        self.tx.execute("PRAGMA journal_mode = WAL")
        self.tx.executescript(SCHEMA)
        self.tx.execute("PRAGMA foreign_keys = ON")
        self.other = sqlite3.connect(path, isolation_level=None)
        self.commits = 0
        self.tx.set_trace_callback(self._count)

    def _count(self, statement):
        self.commits += statement == "COMMIT"

    def done(self):
        """Return what another connection sees: what is durable."""
        return [place for (place,) in self.other.execute("SELECT place FROM done ORDER BY place")]

    def work(self, place, fault=""):
        def work(tx):
            if fault == "reads":
                return len(tx.execute("SELECT place FROM done").fetchall())
            tx.execute("INSERT INTO done VALUES (?)", (place,))
            if fault == "raises":
                raise KeyError(place)
            if fault == "refers nowhere":
                tx.execute("INSERT INTO child VALUES (?)", (place,))
            if fault == "undoes all":
                tx.execute("INSERT OR ROLLBACK INTO done VALUES (?)", (place,))
            return place

        return Transaction(work, writes=fault != "reads")

    def run(self, works):
        commits = SharedCommits()
        for one in works:
            commits.hand_in(one)
        for _ in works:
            commits.run(self.tx)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger")
    with closing(opened.tx), closing(opened.other):
        yield opened


def outcome(one):
    try:
        return one.result()
    except (KeyError, sqlite3.Error) as error:
        return type(error)


def test_transactions_that_wait_share_one_commit(ledger):
    works = [ledger.work(place) for place in range(SHARED_MAX)]
    ledger.run(works)
    assert [one.result() for one in works] == ledger.done() == list(range(SHARED_MAX))
    assert ledger.commits == 1


def test_no_transaction_is_forgotten_where_more_wait_than_share_a_commit(ledger):
    works = [ledger.work(place) for place in range(2 * SHARED_MAX + 1)]
    ledger.run(works)
    assert ledger.done() == list(range(2 * SHARED_MAX + 1))
    assert ledger.commits == 3


def test_long_transactions_do_not_keep_results_back_for_each_other(ledger, monkeypatch):
    monkeypatch.setattr("dca_bot.ledger.store.shared_commits._CHANGES_MAX", 1)
    ledger.run([ledger.work(place) for place in range(5)])
    assert ledger.done() == list(range(5))
    assert ledger.commits == 5


def test_reference_that_leads_nowhere_undoes_no_other_transaction(ledger):
    works = [ledger.work(1), ledger.work(2, "refers nowhere"), ledger.work(3)]
    ledger.run(works)
    assert [outcome(one) for one in works] == [1, sqlite3.IntegrityError, 3]
    assert ledger.done() == [1, 3]


def test_nothing_has_run_before_the_commit(ledger):
    first = ledger.work(1)
    seen = []

    def look(tx):
        seen.append((first.has_run, ledger.done()))
        return tx.execute("SELECT count(*) FROM done").fetchone()[0]

    second = Transaction(look, writes=False)
    ledger.run([first, second])
    assert seen == [(False, [])]
    assert (first.has_run, second.result()) == (True, 1)


def test_connection_that_is_closed_fails_each_transaction(ledger):
    works = [ledger.work(1), ledger.work(2)]
    ledger.tx.close()
    ledger.run(works)
    assert [outcome(one) for one in works] == [sqlite3.ProgrammingError] * 2


def test_ledger_that_another_program_locks_fails_each_transaction(ledger):
    ledger.tx.execute("PRAGMA busy_timeout = 1")
    ledger.other.execute("BEGIN IMMEDIATE")
    works = [ledger.work(1), ledger.work(2, "reads")]
    ledger.run(works)
    assert [outcome(one) for one in works] == [sqlite3.OperationalError, 0]
    ledger.other.execute("ROLLBACK")


@settings(max_examples=30)
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=12))
def test_each_transaction_fares_as_it_would_alone(faults, tmp_path_factory):
    shared = Ledger(tmp_path_factory.mktemp("shared") / "ledger")
    apart = Ledger(tmp_path_factory.mktemp("apart") / "ledger")
    with closing(shared.tx), closing(shared.other), closing(apart.tx), closing(apart.other):
        works = [shared.work(place, fault) for place, fault in enumerate(faults)]
        shared.run(works)
        alone = [apart.work(place, fault) for place, fault in enumerate(faults)]
        for one in alone:
            apart.run([one])
        assert [outcome(one) for one in works] == [outcome(one) for one in alone]
        assert shared.done() == apart.done()
        assert not shared.tx.in_transaction
