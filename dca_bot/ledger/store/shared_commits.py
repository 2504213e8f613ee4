"""Group commit: transactions that wait for the ledger at the same time are made durable by one COMMIT.

The invariant: each transaction is whole or undone by itself, whatever the others of its COMMIT do; and nobody
has a result before the result is durable.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
SHARED_MAX = 32
"""The transactions of one COMMIT."""
_CHANGES_MAX = 1_000
"""No further transaction joins a COMMIT whose transactions have changed so many rows: that takes long."""


class Transaction(Generic[T]):
    """A transaction that was handed in: `work`, which only reads unless the transaction `writes`.

    `has_run`: all of it is durable, or undone.
    """

    def __init__(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> None:
        self.writes = writes
        self.has_run = False
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def result(self) -> T:
        """Return the result of a transaction that has run; raise the transaction's error."""
        assert self.has_run
        if self._error is not None:
            raise self._error
        return self._results[0]

    def run_alone(self, tx: sqlite3.Connection) -> None:
        """Run with a COMMIT of its own."""
        try:
            tx.execute(_begin(writes=self.writes))
            if self._succeeds(tx):
                tx.execute("COMMIT")
        except sqlite3.Error as error:
            self._error = error
        _undo(tx)
        self.has_run = True

    def run_within(self, tx: sqlite3.Connection) -> None:
        """Run within a transaction of SQLite; raise sqlite3.Error if SQLite has undone all of that."""
        tx.execute("SAVEPOINT shared")
        if not self._succeeds(tx):
            tx.execute("ROLLBACK TO shared")
        tx.execute("RELEASE shared")

    def _succeeds(self, tx: sqlite3.Connection) -> bool:
        """Run the work, and keep the result or the error."""
        self._results, self._error = [], None
        try:
            self._results.append(self._work(tx))
        except BaseException as error:  # noqa: BLE001 - raised to the caller, by `result`
            self._error = error
        return self._error is None


class SharedCommits:
    """The transactions that wait: handed in by the event loop, run by the ledger's thread."""

    def __init__(self) -> None:
        self._waiting: deque[Transaction[Any]] = deque()

    def hand_in(self, one: Transaction[T]) -> None:
        """Let a transaction wait for `run`, which the thread calls once for each that was handed in."""
        self._waiting.append(one)

    def run(self, tx: sqlite3.Connection) -> None:
        """Run the transaction that has waited longest, with others that wait; none may be left.

        A transaction runs a second time, alone, if SQLite has undone the shared COMMIT whole: because the
        disk is full, or a deferred reference of one of the transactions leads nowhere.
        """
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), SHARED_MAX))]
        if len(some) > 1 and (count := _share(tx, some)):
            self._waiting.extendleft(reversed(some[count:]))
        else:
            for one in some:
                one.run_alone(tx)


def _share(tx: sqlite3.Connection, some: Sequence[Transaction[Any]]) -> int:
    """Run transactions with one COMMIT; return how many have run: none, if SQLite has undone all."""
    count = 0
    try:
        tx.execute(_begin(writes=any(one.writes for one in some)))
        changes_max = tx.total_changes + _CHANGES_MAX
        for one in some:
            one.run_within(tx)
            count += 1
            if tx.total_changes >= changes_max:
                break
        tx.execute("COMMIT")
    except sqlite3.Error:
        _undo(tx)
        return 0
    for one in some[:count]:
        one.has_run = True
    return count


def _undo(tx: sqlite3.Connection) -> None:
    """Undo what isn't committed; a closed connection has undone it, and a fault shows at the next BEGIN."""
    with suppress(sqlite3.Error):
        if tx.in_transaction:
            tx.execute("ROLLBACK")


def _begin(*, writes: bool) -> str:
    return "BEGIN IMMEDIATE" if writes else "BEGIN"
