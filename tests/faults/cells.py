"""A cell of the matrix: one fault on one kind of request, and what became of everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Cell:
    """The outcome of one fault on one kind of request.

    `codes`: what the program says. `settled_after`: time until all was paid, or read, in the bot's own
    hours; None: never. `wrongs`: what was lost, doubled, or told otherwise than once. `told`: how many
    notices the operators got.
    """

    room: str
    kind: str
    fault: str
    codes: Sequence[str]
    settled_after: timedelta | None
    wrongs: Sequence[str] = field(default=())
    told: int = 0

    @property
    def is_right(self) -> bool:
        return self.settled_after is not None and not self.wrongs

    def line(self) -> str:
        said = ", ".join(self.codes) or "-"
        after = "NEVER" if self.settled_after is None else _short(self.settled_after)
        once = "once" if not self.wrongs else f"WRONG: {'; '.join(self.wrongs)}"
        return (
            f"{self.kind:<18} {self.fault:<30} {said:<44} {after:>8} {self.told or '-':>5}  {once}"
        )


def table(cells: Sequence[Cell]) -> str:
    """Write the cells as a table, by room, with a sum at the end."""
    lines = []
    for room in dict.fromkeys(cell.room for cell in cells):
        lines += ["", f"== {room}"]
        lines.append(
            f"{'request':<18} {'fault':<30} {'code':<44} {'settled':>8} {'told':>5}  paid and told"
        )
        lines += [cell.line() for cell in cells if cell.room == room]
    wrong = sum(not cell.is_right for cell in cells)
    lines += ["", f"{len(cells)} cells, {wrong} wrong"]
    return "\n".join(lines).lstrip("\n")


def _short(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
