"""`make bench`: every row is measured, picked and printed, and JSON has the same."""

from pathlib import Path

import pytest

from bench.results import Result, read_json, table, verdict
from bench.rows import ROWS, Goal
from bench.run import main, picked, take, works
from bench.spending import Sample

NAMES = (
    "decide",
    "record",
    "idle-window",
    "payouts",
    "balance",
    "balance-wait",
    "bytes",
    "bytes-later",
    "record-history",
    "backup",
    "export",
    "audit",
    "audit-memory",
    "memory-start",
    "memory-all",
    "reread",
    "reread-window",
    "idle-folder",
    "first-read",
    "read-stall",
    "read-memory",
)
TINY = {"payouts": 1, "balance": 5, "bytes": 100, "record-history": 100, "memory-start": 100}
QUICK = ("decide", "bytes")
WORKS = [
    pytest.param(
        work,
        of,
        TINY.get(of[0].name, 50),
        id=of[0].name,
        marks=() if of[0].name in QUICK else pytest.mark.long,
    )
    for work, _, of in works(ROWS, ["small"])
]


def cells(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def result(row, size, *figures, floor=1.0):
    return Result(row.name, size, tuple(Sample(one, floor, 0.5, 2.0) for one in figures))


def row_named(name):
    return next(row for row in ROWS if row.name == name)


def test_no_row_is_lost():
    assert tuple(row.name for row in ROWS) == NAMES


def test_page_of_figures_has_each_row():
    page = Path(__file__).parents[2] / "docs" / "scale.md"
    shown = {line[0] for line in cells(page.read_text(encoding="utf-8")) if line}
    assert shown >= set(NAMES)


@pytest.mark.parametrize(("work", "of", "size"), WORKS)
def test_work_measures_its_rows_beside_a_floor(work, of, size, tmp_path):
    found = take(work, size, tmp_path, 1)
    assert found.keys() == {row.name for row in of}
    for (sample,) in found.values():
        assert sample.figure > 0
        assert sample.floor > 0
        assert sample.cpu_s > 0


def test_rows_are_picked_measured_printed_and_written(tmp_path, capsys):
    path = tmp_path / "found.json"
    main(["--rows", "record,bytes", "--size", "small", "--rounds", "2", "--json", str(path)])
    head, rule, *lines = cells(capsys.readouterr().out)
    assert {len(line) for line in (head, rule, *lines)} == {len(head)}
    assert [line[0] for line in lines] == ["record", "bytes"]
    assert [line[head.index("rounds")] for line in lines] == ["2", "1"], "a ledger's size is one"
    found = read_json(path)
    assert [(one.row, len(one.samples)) for one in found] == [("record", 2), ("bytes", 1)]
    assert cells(table(found, ROWS)) == [head, rule, *lines]


def test_work_of_several_rows_is_done_once():
    wanted = picked("audit-memory,audit")
    assert [row.name for row in wanted] == ["audit", "audit-memory"]
    assert [(size, of) for _, size, of in works(wanted, ["small"])] == [(1_000, wanted)]


def test_growth_has_three_sizes():
    sizes = [size for _, size, _ in works(picked("record"), ["small", "middle", "full"])]
    assert sizes == [100, 1_000, 10_000]


def test_unknown_row_is_refused_with_the_rows_that_there_are():
    with pytest.raises(SystemExit, match="no row nonsense; rows: decide,"):
        picked("decide,nonsense")


def test_row_shows_least_median_floor_ratio_goal_and_a_miss():
    row = row_named("audit")
    (_, _, line) = cells(table([result(row, 1_000_000, 40.0, 20.0, 25.0, floor=4.0)], ROWS))
    shown = ["3", "20.0", "25.0", "4.00 CPU s", "5.00", "10 CPU s", "missed", "0.500", "2.00"]
    assert line[2:] == ["1,000,000 shares", *shown]


@pytest.mark.parametrize(
    ("size", "figure", "said"),
    [
        (1_000_000, 10.0, "kept"),
        (1_000_000, 10.1, "missed"),
        (100_000, 10.1, "missed"),
        (100_000, 1.0, ""),
        (1_000, 10.1, ""),
    ],
)
def test_goal_is_kept_at_its_own_size_alone_and_missed_at_a_smaller(size, figure, said):
    row = row_named("audit")
    assert verdict(result(row, size, figure), row) == said


def test_of_two_bounds_one_is_enough():
    goal = Goal(figure=0.1, ratio=3)
    assert goal.is_kept(0.1, 9)
    assert goal.is_kept(7, 3)
    assert not goal.is_kept(0.2, 3.1)
    assert goal.text("CPU s") == "0.1 CPU s or 3 x"
