"""Sums what became of the messages into tables for people."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from reach.outcomes import ANSWER, IN, NOTICE, Outcome

WITHIN_S = (5, 60, 600)


@dataclass
class Figures:
    """How many messages were delivered within 5 s, 60 s, 10 min, and what else became of them."""

    count: int = 0
    within: Counter[int] = field(default_factory=Counter)
    shown: int = 0
    lost: int = 0
    twice: int = 0
    late: int = 0

    def add(self, one: Outcome) -> None:
        self.count += 1
        if one.took_s is not None:
            for limit_s in WITHIN_S:
                self.within[limit_s] += one.took_s <= limit_s
        self.shown += one.took_s is None and one.shown
        self.lost += one.is_lost
        self.twice += one.twice
        self.late += one.late

    @property
    def delivered(self) -> int:
        return self.within[WITHIN_S[-1]]

    def row(self) -> list[str]:
        shares = [_percent(self.within[limit_s], self.count) for limit_s in WITHIN_S]
        never = self.count - self.delivered
        last = (never, self.shown, self.lost, self.twice, self.late)
        return [f"{self.count}", *shares, *map(str, last)]


HEAD = ("messages", "5 s", "60 s", "10 min", "never", "shown", "lost", "twice", "disorder")
Key = Callable[[Outcome], str]


def sum_by(outcomes: Iterable[Outcome], key: Key) -> dict[str, Figures]:
    summed: dict[str, Figures] = defaultdict(Figures)
    for one in outcomes:
        summed[key(one)].add(one)
    return dict(summed)


def total(outcomes: Iterable[Outcome]) -> Figures:
    return sum_by(outcomes, lambda _: "").get("", Figures())


def report(outcomes: Sequence[Outcome]) -> str:
    """Write the tables: all messages by direction and kind, and the matrix of kinds and faults."""
    played = [one for one in outcomes if not one.column]
    matrix = [one for one in outcomes if one.column]
    parts = []
    if played:
        parts += ["Random combinations, each with a sound path", _table(played)]
    if matrix:
        parts += ["One fault at every relay", _table(matrix), _grid(matrix)]
    return "\n\n".join(parts)


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = [["", *HEAD], ["all", *total(outcomes).row()]]
    for key in (lambda one: one.direction, lambda one: one.kind):
        rows += [[name, *found.row()] for name, found in sum_by(outcomes, key).items()]
    return _aligned(rows)


def _grid(outcomes: Sequence[Outcome]) -> str:
    """Write for each fault and kind of person how long the slowest message took."""
    kinds = list(dict.fromkeys(one.kind for one in outcomes))
    cells: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        cells[one.column, one.kind].append(one)
    rows = [["slowest, in s", *kinds]]
    rows += [
        [column, *(_slowest(cells[column, kind]) for kind in kinds)]
        for column in dict.fromkeys(one.column for one in outcomes)
    ]
    return _aligned(rows)


def _slowest(outcomes: Sequence[Outcome]) -> str:
    if any(one.is_lost for one in outcomes):
        return "LOST"
    if any(one.took_s is None for one in outcomes):
        return "shown"
    slowest = max((one.took_s or 0.0 for one in outcomes), default=0.0)
    return f"{slowest:.1f}" + "!" * any(one.twice or one.late for one in outcomes)


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    """Describe each message that was lost, carried out twice, or came in the wrong order."""
    order = (IN, ANSWER, NOTICE)
    return [
        f"{one.world}: {one.kind} ({one.way}), {one.direction}, {one.text!r}: "
        + ", ".join(
            word
            for word, holds in (
                ("lost", one.is_lost),
                ("carried out twice", one.twice),
                ("out of order", one.late),
            )
            if holds
        )
        for one in sorted(outcomes, key=lambda one: (one.world, order.index(one.direction)))
        if one.is_lost or one.twice or one.late
    ]


def _percent(part: int, whole: int) -> str:
    """Write a share in percent, rounded down: 100 stands for all."""
    tenths = 1000 * part // whole if whole else 0
    return f"{tenths // 10}.{tenths % 10}%"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
