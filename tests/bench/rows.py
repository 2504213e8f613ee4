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


def _rows(
    measure: str, of: str, sizes: tuple[int, ...], *found: tuple[str, str, str, Goal]
) -> tuple[Row, ...]:
    """Make the rows that one work measures: (name, work, unit, goal) of each."""
    return tuple(
        Row(name, work, of, unit, goal, sizes, f"bench.{measure}")
        for name, work, unit, goal in found
    )


_CPU_S, _CPU_MS = "CPU s", "CPU ms"
_CLIENTS = (100, 1_000, 10_000)
_SHARES = (1_000, 100_000, 1_000_000)
_KNOWN = (1_000, 10_000, 100_000)

ROWS = (
    *_rows(
        "sharing:distribution",
        "clients",
        _CLIENTS,
        ("decide", "a cash-out's shares worked out; floor: the balances read", _CPU_MS, Goal(20)),
        ("record", "a cash-out shared out, whole; floor: executemany", _CPU_MS, Goal(300)),
    ),
    *_rows(
        "reading:idle_window",
        "rows",
        (140, 1_000, 7_700),
        (
            "idle-window",
            "a poll that finds nothing new; floor: csv.reader",
            _CPU_S,
            Goal(0.1),
        ),
    ),
    *_rows(
        "paying:payouts",
        "payouts",
        (5, 20, 50),
        ("payouts", "a payout at LNbits; floor: LNbits' two calls", "ms", Goal(ratio=1 / 0.95)),
    ),
    *_rows(
        "answering:balances",
        "questions",
        (50, 250, 1_000),
        ("balance", "`balance`, 32 in flight; floor: a bot that only answers", _CPU_MS, Goal(1.3)),
        ("balance-wait", "from answer to answer; floor: as balance", "ms", Goal(ratio=1 / 0.9)),
    ),
    *_rows(
        "whole_ledger:room",
        "shares",
        _SHARES,
        ("bytes", "room of a share in the ledger; floor: without indexes", "bytes", Goal(900)),
        ("bytes-later", "the same, 91 days later, after a VACUUM", "bytes", Goal(900)),
    ),
    *_rows(
        "sharing:with_history",
        "shares",
        _SHARES,
        ("record-history", "as record, 1,000 clients; floor: executemany", _CPU_MS, Goal(40)),
    ),
    *_rows(
        "whole_ledger:backup",
        "shares",
        _SHARES,
        ("backup", "the day's copy; floor: SQLite's backup", _CPU_S, Goal(6)),
    ),
    *_rows(
        "whole_ledger:export",
        "shares",
        _SHARES,
        ("export", "the ledger as CSV; floor: csv.writer on the tables", _CPU_S, Goal(30)),
    ),
    *_rows(
        "whole_ledger:audit",
        "shares",
        _SHARES,
        ("audit", "the chat's audit; floor: each row looked at once", _CPU_S, Goal(10)),
        ("audit-memory", "a process that audits; floor: that looks", "MiB", Goal(100)),
    ),
    *_rows(
        "running:memory",
        "shares",
        _SHARES,
        ("memory-start", "a bot after its start; floor: its modules", "MiB", Goal(80)),
        ("memory-all", "its most, everything asked and paid; floor: started", "MiB", Goal(150)),
    ),
    *_rows(
        "reading:known_rows",
        "rows",
        _KNOWN,
        ("reread", "all known rows read again; floor: csv.reader", _CPU_S, Goal(ratio=3)),
        ("reread-window", "a poll of a changed file; floor: csv.reader", _CPU_S, Goal(ratio=3)),
        ("idle-folder", "a poll of an unchanged folder; floor: csv.reader", _CPU_S, Goal(0.1, 3)),
    ),
    *_rows(
        "reading:first_read",
        "rows",
        (1_000, 100_000, 1_000_000),
        (
            "first-read",
            "into an empty ledger; floor: csv.reader, bulk insert",
            _CPU_S,
            Goal(ratio=5),
        ),
        ("read-stall", "the loop's longest wait meanwhile; floor: beside that", "ms", Goal(50)),
        ("read-memory", "a process that does so; floor: that does that", "MiB", Goal(150)),
    ),
)
