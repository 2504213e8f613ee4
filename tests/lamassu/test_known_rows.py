"""Known rows are passed over unparsed, as long as each of their records is the same."""

import re
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO

import pytest

from dca_bot.core.ports import NOTHING_KNOWN, RowKind
from dca_bot.errors import ExportBroken
from dca_bot.files import spill
from dca_bot.lamassu import records as records_by_row
from dca_bot.lamassu.rows import read_export

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
ID = b"696b7071-d514-414e-8ec6-7adb2549fb78"


@pytest.fixture
def tables(sample):
    """The beginning of each table: 20 cash-outs and 20 cash-ins."""
    tables = {name: (sample / "export" / f"{name}.csv").read_bytes() for name in NAMES}
    lengths = (21, 100, 100, 21)
    return {
        name: b"".join(records(tables[name])[:n]) for name, n in zip(NAMES, lengths, strict=True)
    }


def records(table):
    return re.findall(rb'(?:[^"\n]|"[^"]*")*\n', table)


class Known:
    """Knows each row of a reading."""

    version = 1

    def __init__(self, export):
        self.digests = {
            RowKind.CASH_OUT: {row.id: row.digest for row in export.cash_outs},
            RowKind.CASH_IN: {row.id: row.digest for row in export.cash_ins},
        }
        self.read = {RowKind.CASH_OUT: {}, RowKind.CASH_IN: {}}
        self.others_forgotten = []
        self.all_forgotten = []

    def forget_others(self, kind, since):
        self.others_forgotten.append((kind, since))

    def forget_all(self, kind, since):
        self.all_forgotten.append((kind, since))

    def unchanged(self, kind, digests):
        self.read[kind] |= digests
        return {id_ for id_, digest in digests.items() if self.digests[kind].get(id_) == digest}


def fetch(tables, known=NOTHING_KNOWN, since=BEGINNING):
    with ExitStack() as files:
        opened = [
            None if tables[name] is None else files.enter_context(BytesIO(tables[name]))
            for name in NAMES
        ]
        return read_export(*opened[:3], cash_ins=opened[3], since=since, known=known)


def reread(tables, **changes):
    """(ids of the cash-outs that are parsed, number of cash-ins) of changed tables whose rows were known."""
    export = fetch({**tables, **changes}, Known(fetch(tables)))
    return {row.id for row in export.cash_outs}, len(export.cash_ins)


def test_unchanged_rows_are_not_parsed_in_any_order(tables):
    assert reread(tables) == (set(), 0)
    for name in ("cash_out_txs", "cash_out_actions", "cash_in_txs"):
        header, *rest = records(tables[name])
        assert reread(tables, **{name: b"".join([header, *rest[::-1]])}) == (set(), 0)


CHANGES = {
    "other value": lambda record: [record.replace(b",,", b",0,", 1)],
    "gone": lambda _record: [],
    "twice": lambda record: [record] * 2,
    "three times": lambda record: [record] * 3,
    "quoted": lambda record: [record.replace(ID, b'"%s"' % ID)],
}


@pytest.mark.parametrize("name", ["cash_out_txs", "cash_out_actions"])
@pytest.mark.parametrize("how", CHANGES)
def test_row_is_parsed_if_any_of_its_records_has_changed(tables, name, how):
    whole = records(tables[name])
    place = next(n for n, record in enumerate(whole) if ID in record)
    whole[place : place + 1] = CHANGES[how](whole[place])
    is_gone = (how, name) == ("gone", "cash_out_txs")
    assert reread(tables, **{name: b"".join(whole)}) == (set() if is_gone else {ID.decode()}, 0)


@pytest.mark.parametrize("name", ["cash_out_txs", "cash_out_actions", "cash_in_txs"])
def test_all_rows_of_a_table_with_another_header_are_parsed(tables, name):
    header, rest = tables[name].split(b"\n", 1)
    other = header.replace(b"to_address", b"to_address_2") + b"\n" + rest
    cash_outs, cash_ins = reread(tables, **{name: other})
    assert (len(cash_outs), cash_ins) == ((0, 20) if name == "cash_in_txs" else (20, 0))


def test_row_of_which_something_is_left_out_has_no_digest_and_is_told_each_time(tables):
    action = next(line for line in tables["cash_out_actions"].splitlines() if ID in line)
    tables["cash_out_actions"] += b"x" + action.replace(b"provisionAddress", b"dispense") + b"\n"
    known = Known(fetch(tables))
    assert known.digests[RowKind.CASH_OUT][ID.decode()] is None
    for _ in range(2):
        export = fetch(tables, known)
        assert [row.id for row in export.cash_outs] == [ID.decode()]
        assert len(export.left_out) == 1


def test_row_with_another_content_from_before_the_window_has_no_digest(tables):
    first, *_, last = sorted(fetch(tables).cash_outs, key=lambda row: row.created_at)
    record = next(one for one in records(tables["cash_out_txs"]) if first.id.encode() in one)
    tables["cash_out_txs"] += record.replace(first.id.encode(), last.id.encode())
    (row,) = fetch(tables, since=last.created_at).cash_outs
    assert (row.id, row.others, row.digest) == (last.id, (), None)


@pytest.mark.parametrize("limits", [(2**10, 2**8, 1), (2**12, 2**21, 3)])
def test_large_reading_has_the_same_rows_in_parts(tables, monkeypatch, limits):
    """Whatever fits into memory: parts of a KiB, and values that are written at once."""
    whole = fetch(tables)
    assert fetch(tables, Known(whole)).cash_outs == ()
    part_bytes, kept_bytes, kept_max = limits
    monkeypatch.setattr(records_by_row, "_PART_BYTES", part_bytes)
    monkeypatch.setattr(records_by_row, "_KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(spill, "_KEPT_MAX", kept_max)
    parts = fetch(tables)
    for found, expected in ((parts.cash_outs, whole.cash_outs), (parts.cash_ins, whole.cash_ins)):
        assert isinstance(found, spill.Spill)
        by_id = {row.id: row for row in found}
        assert by_id == {row.id: row for row in expected}
        assert {row.id: by_id[row.id].digest for row in expected} == {
            row.id: row.digest for row in expected
        }
    assert (parts.machines, set(parts.left_out)) == (whole.machines, set(whole.left_out))
    again = fetch(tables, Known(whole))
    assert (list(again.cash_outs), list(again.cash_ins)) == ([], [])
    broken = {**tables, "cash_out_actions": tables["cash_out_actions"][:-1]}
    with pytest.raises(ExportBroken):
        fetch(broken)


@pytest.mark.parametrize("cash_ins", [None, b"id,device_id\n"])
def test_cash_ins_that_cannot_be_read_are_known_no_more(tables, cash_ins):
    known = Known(fetch(tables))
    assert fetch({**tables, "cash_in_txs": cash_ins}, known).cash_ins == ()
    assert known.read[RowKind.CASH_IN] == {}
    assert {*known.others_forgotten, *known.all_forgotten} == {
        (kind, BEGINNING) for kind in RowKind
    }


def test_cash_ins_that_break_behind_the_first_part_are_known_no_more(tables, monkeypatch):
    known = Known(fetch(tables))
    monkeypatch.setattr(records_by_row, "_PART_BYTES", 2**9)
    *whole, last = records(tables["cash_in_txs"])
    broken = b"".join([*whole, b"one,field,too,few\n", last])
    assert fetch({**tables, "cash_in_txs": broken}, known).cash_ins == ()
    assert known.all_forgotten == [(RowKind.CASH_IN, BEGINNING)]
