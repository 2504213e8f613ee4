"""The rows of the table of benchmarks, as data; the quick ones first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """The most that a figure, or the ratio to the floor, should be; of two bounds one is enough."""

    figure: float | None = None
    ratio: float | None = None

    def text(self, unit: str) -> str:
        bounds = []
        if self.figure is not None:
            bounds.append(f"{self.figure:g} {unit}")
        if self.ratio is not None:
            bounds.append(f"{self.ratio:.3g} x")
        return " or ".join(bounds)

    def is_kept(self, figure: float, ratio: float) -> bool:
        by_figure = self.figure is not None and figure <= self.figure
        return by_figure or (self.ratio is not None and ratio <= self.ratio)


@dataclass(frozen=True)
class Row:
    """A line of the table: a work, of what size, and what it should cost.

    `sizes`: one for a try, one in the middle, and the one that the goal is for. `measure`: module and name of
    an asynchronous generator that yields rounds for a folder and a size: {row's name: sample}.
    """

    name: str
    work: str
    of: str
    unit: str
    goal: Goal
    sizes: tuple[int, ...]
    measure: str


_CPU_S, _CPU_MS = "CPU s", "CPU ms"
_EXPORT = (1_000, 100_000, 1_000_000)
_KNOWN = (1_000, 10_000, 100_000)
_SHARES = (1_000, 100_000, 1_000_000)

ROWS = (
    Row(
        "decide",
        "a cash-out's shares worked out; floor: the balances read",
        "clients",
        _CPU_MS,
        Goal(figure=20),
        (100, 1_000, 10_000),
        "bench.sharing:distribution",
    ),
    Row(
        "record",
        "a cash-out shared out, whole; floor: executemany of the same rows",
        "clients",
        _CPU_MS,
        Goal(figure=300),
        (100, 1_000, 10_000),
        "bench.sharing:distribution",
    ),
    Row(
        "idle-window",
        "a poll that finds nothing new; floor: repr of each row",
        "rows",
        _CPU_S,
        Goal(figure=0.1),
        (140, 1_000, 7_700),
        "bench.reading:idle_window",
    ),
    Row(
        "payouts",
        "a payout at LNbits, planned to verified; floor: LNbits' two calls",
        "payouts",
        "ms",
        Goal(ratio=1 / 0.95),
        (5, 20, 50),
        "bench.paying:payouts",
    ),
    Row(
        "balance",
        "an answer to balance, NIP-17, 32 in flight; floor: a bot that only answers",
        "questions",
        _CPU_MS,
        Goal(figure=1.3),
        (50, 250, 1_000),
        "bench.answering:balances",
    ),
    Row(
        "bytes",
        "room of a share in the ledger; floor: the same rows without indexes",
        "shares",
        "bytes",
        Goal(figure=900),
        _SHARES,
        "bench.whole_ledger:room",
    ),
    Row(
        "record-history",
        "as record, 1,000 clients with a history; floor: executemany",
        "shares",
        _CPU_MS,
        Goal(figure=40),
        _SHARES,
        "bench.sharing:with_history",
    ),
    Row(
        "backup",
        "the day's copy; floor: SQLite's backup",
        "shares",
        _CPU_S,
        Goal(figure=6),
        _SHARES,
        "bench.whole_ledger:backup",
    ),
    Row(
        "export",
        "the ledger as CSV; floor: csv.writer on the tables",
        "shares",
        _CPU_S,
        Goal(figure=30),
        _SHARES,
        "bench.whole_ledger:export",
    ),
    Row(
        "audit",
        "the chat's audit; floor: each row looked at once",
        "shares",
        _CPU_S,
        Goal(figure=10),
        _SHARES,
        "bench.whole_ledger:audit",
    ),
    Row(
        "audit-memory",
        "memory of a process that audits; floor: each row once",
        "shares",
        "MiB",
        Goal(figure=100),
        _SHARES,
        "bench.whole_ledger:audit",
    ),
    Row(
        "memory-start",
        "a bot that reads over SSH, started; floor: its modules loaded",
        "shares",
        "MiB",
        Goal(figure=80),
        _SHARES,
        "bench.running:memory",
    ),
    Row(
        "memory-all",
        "its most, once everything was asked and paid; floor: started",
        "shares",
        "MiB",
        Goal(figure=150),
        _SHARES,
        "bench.running:memory",
    ),
    Row(
        "reread",
        "all known rows read again, as once a day; floor: csv.reader",
        "rows",
        _CPU_S,
        Goal(ratio=3),
        _KNOWN,
        "bench.reading:known_rows",
    ),
    Row(
        "reread-window",
        "a poll of files written again; floor: csv.reader",
        "rows",
        _CPU_S,
        Goal(ratio=3),
        _KNOWN,
        "bench.reading:known_rows",
    ),
    Row(
        "idle-folder",
        "a poll of an unchanged folder; floor: csv.reader",
        "rows",
        _CPU_S,
        Goal(figure=0.1, ratio=3),
        _KNOWN,
        "bench.reading:known_rows",
    ),
    Row(
        "first-read",
        "an export read into an empty ledger; floor: csv.reader, one bulk insert",
        "rows",
        _CPU_S,
        Goal(ratio=5),
        _EXPORT,
        "bench.reading:first_read",
    ),
    Row(
        "read-stall",
        "the event loop's longest stall meanwhile; floor: beside a thread with that",
        "rows",
        "ms",
        Goal(figure=50),
        _EXPORT,
        "bench.reading:first_read",
    ),
    Row(
        "read-memory",
        "memory of a process that does so; floor: of one that does that",
        "rows",
        "MiB",
        Goal(figure=150),
        _EXPORT,
        "bench.reading:first_read",
    ),
)
