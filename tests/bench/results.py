"""The figures of a run: the table for people, and JSON."""

import json
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.rows import Row
from bench.spending import Sample

_HEAD = ("row", "work", "size", "rounds", "least", "median", "floor", "ratio", "goal", "")
_HEAD_RIGHT = ("CPU s", "wall s")
_NUMBERS = {"size", "rounds", "least", "median", "floor", "ratio", *_HEAD_RIGHT}


@dataclass(frozen=True)
class Result:
    """A row's samples at one size."""

    row: str
    size: int
    samples: tuple[Sample, ...]

    def least(self, field: str) -> float:
        return min(getattr(one, field) for one in self.samples)

    def median(self, field: str) -> float:
        return statistics.median(getattr(one, field) for one in self.samples)

    @property
    def ratio(self) -> float:
        """The least figure by the least floor."""
        return self.least("figure") / self.least("floor")


def table(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """Return the results as a table in Markdown."""
    by_name = {row.name: row for row in rows}
    head = (*_HEAD, *_HEAD_RIGHT)
    cells = [_cells(result, by_name[result.row]) for result in results]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    rule = [
        "-" * (width - (name in _NUMBERS)) + ":" * (name in _NUMBERS)
        for name, width in zip(head, widths, strict=True)
    ]
    lines = [_aligned(one, head, widths) for one in (head, rule, *cells)]
    return "\n".join(lines)


def write_json(path: Path, results: Sequence[Result], rows: Sequence[Row]) -> None:
    """Write the results, with what was measured and on what."""
    by_name = {row.name: row for row in rows}
    machine = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.platform(),
    }
    found = [
        {
            "row": one.row,
            "work": by_name[one.row].work,
            "of": by_name[one.row].of,
            "unit": by_name[one.row].unit,
            "size": one.size,
            "ratio": one.ratio,
            "goal": asdict(by_name[one.row].goal),
            "verdict": verdict(one, by_name[one.row]),
            "samples": [sample._asdict() for sample in one.samples],
        }
        for one in results
    ]
    path.write_text(json.dumps({"machine": machine, "results": found}, indent=1) + "\n")


def read_json(path: Path) -> list[Result]:
    """Read results that `write_json` has written."""
    return [
        Result(one["row"], one["size"], tuple(Sample(**sample) for sample in one["samples"]))
        for one in json.loads(path.read_text())["results"]
    ]


def verdict(result: Result, row: Row) -> str:
    """Tell whether the goal is kept at the size that it is for; a middle size can only miss it."""
    is_kept = row.goal.is_kept(result.least("figure"), result.ratio)
    if result.size == row.sizes[-1]:
        return "kept" if is_kept else "missed"
    return "" if is_kept or result.size == row.sizes[0] else "missed"


def _cells(result: Result, row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.work,
        f"{result.size:,} {row.of}",
        f"{len(result.samples)}",
        _figure(result.least("figure")),
        _figure(result.median("figure")),
        f"{_figure(result.least('floor'))} {row.unit}",
        f"{result.ratio:.2f}",
        row.goal.text(row.unit),
        verdict(result, row),
        _figure(result.least("cpu_s")),
        _figure(result.least("wall_s")),
    )


def _figure(value: float) -> str:
    """Write a figure with three digits at least.

    >>> [_figure(value) for value in (1234.5, 12.34, 0.01234)]
    ['1,234', '12.3', '0.0123']
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _aligned(cells: Sequence[str], head: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
        for cell, name, width in zip(cells, head, widths, strict=True)
    )
    return f"| {' | '.join(padded)} |"
