"""Tables that are as they were are not parsed again, and what comes is what parsing them would give."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from dca_bot.lamassu import kept_reading
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.rows import read_export

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")


@pytest.fixture
def tables(sample):
    return {name: (sample / "export" / f"{name}.csv").read_bytes() for name in NAMES}


@pytest.fixture
def parsed(monkeypatch):
    """The instants since which tables have been parsed."""
    asked = []

    def read(*files, **how):
        asked.append(how["since"])
        return read_export(*files, **how)

    monkeypatch.setattr(kept_reading, "read_export", read)
    return asked


def fetch(read, tables, since=BEGINNING):
    with ExitStack() as files:
        opened = [files.enter_context(BytesIO(tables[name])) for name in NAMES[:3]]
        cash_ins = tables["cash_in_txs"]
        paid_in = None if cash_ins is None else files.enter_context(BytesIO(cash_ins))
        return read(*opened, cash_ins=paid_in, since=since)


def test_same_bytes_are_parsed_once(tables, parsed):
    kept = KeptReading()
    first = fetch(kept.read, tables)
    assert fetch(kept.read, tables) is first
    assert parsed == [BEGINNING]


@pytest.mark.parametrize("name", NAMES)
def test_any_other_byte_is_parsed(tables, parsed, name):
    kept = KeptReading()
    fetch(kept.read, tables)
    changed = tables | {name: tables[name].replace(b"7", b"8", 1)}
    assert changed != tables
    assert fetch(kept.read, changed) == fetch(read_export, changed)
    assert fetch(kept.read, tables) == fetch(read_export, tables)
    assert len(parsed) == 3


def test_table_of_cash_ins_that_is_missing_is_no_empty_one(tables, parsed):
    kept = KeptReading()
    header, *_ = tables["cash_in_txs"].splitlines(keepends=True)
    for cash_ins in (header, None, header):
        fetch(kept.read, tables | {"cash_in_txs": cash_ins})
    assert len(parsed) == 3


def test_later_window_of_the_same_tables_is_cut_out_and_an_earlier_one_parsed(tables, parsed):
    kept, whole = KeptReading(), fetch(read_export, tables)
    created = sorted(row.created_at for row in (*whole.cash_outs, *whole.cash_ins))
    second = timedelta(microseconds=1)
    for since in (BEGINNING, created[0], created[0] + second, created[200], created[-1] + second):
        assert fetch(kept.read, tables, since) == fetch(read_export, tables, since)
    assert parsed == [BEGINNING]
    assert fetch(kept.read, tables) == whole
    assert len(parsed) == 2


@pytest.mark.parametrize("is_odd", [False, True])
def test_later_window_of_odd_tables_is_parsed_as_what_is_odd_may_lie_before_it(
    tables, parsed, is_odd
):
    header, *rows = tables["cash_out_txs"].splitlines(keepends=True)
    if is_odd:
        tables["cash_out_txs"] = b"".join((header, *rows, rows[0].replace(b"GTQ", b"USD", 1)))
    kept, whole = KeptReading(), fetch(read_export, tables)
    assert any(row.others for row in whole.cash_outs) is is_odd
    created = sorted(row.created_at for row in whole.cash_outs)
    for since in (BEGINNING, created[9]):
        assert fetch(kept.read, tables, since) == fetch(read_export, tables, since)
    assert len(parsed) == 1 + is_odd


def test_big_reading_is_not_kept(tables, parsed, monkeypatch):
    monkeypatch.setattr(kept_reading, "_ROWS_MAX", 299)
    kept = KeptReading()
    for _ in range(2):
        fetch(kept.read, tables)
    assert len(parsed) == 2
