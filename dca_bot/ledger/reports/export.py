"""Writes the ledger's tables as CSV files for a bookkeeper.

All files show one state of the ledger, read by a connection of its own, so a running bot never waits. Rows
are streamed. A spreadsheet can open each file: fiat is decimal, sats are whole, and no text counts as a
formula.
"""

import csv
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from dca_bot.core.market import rate_minor
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.errors import LedgerError, LedgerFault, in_words
from dca_bot.ledger.reports.export_tables import TABLES, Table
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import connect_to_read
from dca_bot.ledger.store.faults import fault_of
from dca_bot.ledger.store.instants import instant
from dca_bot.ledger.store.ledger_files import existing_ledger
from dca_bot.ledger.store.migrate import refuse_other_version
from dca_bot.ledger.store.private_files import (
    claim_private_file,
    make_private_file,
    make_private_folder,
)

_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones too
_UNFINISHED = ".unfinished"
"""Stands in a folder for as long as an export writes into it."""
_BATCH = 1000
_LINE_END = "\r\n"
_TO_SECONDS = len("2026-03-01T12:00:00")
_MSAT_DIGITS = 3
_PERCENT_DIGITS = 2
_Write = Callable[[Any], str]
"""Writes a value of a column; a column without one has values that stand as they are."""


@dataclass(frozen=True, slots=True)
class Form:
    """How amounts, instants and public keys are written; `is_rehearsal`: the kind of the ledger."""

    currency: str
    timezone: ZoneInfo
    npub: Callable[[str], str]
    is_rehearsal: bool = False


def export_ledger(
    data_dir: Path, folder: Path, form: Form, *, stop: threading.Event | None = None
) -> Mapping[str, int]:
    """Write each table into a file of `folder`; return the number of rows of each table.

    The folder is made, or must be empty; files of a killed export are replaced. Raise LedgerError, and leave
    no file, if the folder has other content, can be read by others, is being written or can't be written, or
    once `stop` is set.
    """
    ledger = existing_ledger(data_dir)
    make_private_folder(folder, setting="folder")
    try:
        with _claimed(folder), closing(connect_to_read(ledger)) as tx:
            tx.set_progress_handler((stop or threading.Event()).is_set, 100_000)
            tx.create_function("price_minor", 2, rate_minor, deterministic=True)
            tx.create_function("npub", 1, form.npub, deterministic=True)
            tx.execute("BEGIN")
            refuse_other_version(tx)
            bot_state.check_kind(tx, rehearsal=form.is_rehearsal)
            bot_state.check_currency(tx, form.currency)
            return _write_all(tx, folder, form)
    except BlockingIOError:
        raise LedgerError(
            f"An export to {folder} is just being written.",
            LedgerFault.BEING_WRITTEN,
            path=str(folder),
        ) from None
    except FileExistsError as error:
        raise LedgerError(
            f"{error} is there, and is nothing that an export has left; choose a new folder.",
            LedgerFault.OCCUPIED,
            path=str(error),
        ) from None
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(
            f"The export to {folder} could not be made ({in_words(error)}).",
            fault_of(error),
            path=str(folder),
        ) from error


def is_being_written(folder: Path) -> bool:
    """Tell whether an export into a folder is under way; files of a killed export are removed."""
    mark = folder.joinpath(_UNFINISHED)
    if not mark.exists():
        return False
    try:
        claim = claim_private_file(mark)
    except OSError:
        return True
    _remove_files(folder)
    mark.unlink()
    os.close(claim)
    return False


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold a folder that is empty or has the files of a killed export."""
    mark = folder.joinpath(_UNFINISHED)
    if not mark.exists():
        _refuse_full(folder)
    claim = claim_private_file(mark)
    try:
        _remove_files(folder)
        _refuse_full(folder)
        yield
    finally:
        mark.unlink(missing_ok=True)
        os.close(claim)


def _refuse_full(folder: Path) -> None:
    if any(path.name != _UNFINISHED for path in folder.iterdir()):
        raise LedgerError(
            f"{folder} is not empty; choose a new folder, nothing is overwritten.",
            LedgerFault.NOT_EMPTY,
            path=str(folder),
        )


def _remove_files(folder: Path) -> None:
    for table in TABLES:
        folder.joinpath(f"{table.name}.csv").unlink(missing_ok=True)


def neutral(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, by an apostrophe in front.

    >>> neutral("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.strip(" ").startswith(_FORMULA_STARTS) else text


def _write_all(tx: sqlite3.Connection, folder: Path, form: Form) -> Mapping[str, int]:
    written: list[Path] = []
    try:
        counts = {}
        for table in TABLES:
            path = folder.joinpath(f"{table.name}.csv")
            descriptor = make_private_file(path)
            written.append(path)
            # With a mark that it is UTF-8, without which Excel spoils names like Núñez.
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write("\ufeff")
                counts[table.name] = _write(tx, table, file, form)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return counts


def _write(tx: sqlite3.Connection, table: Table, file: TextIO, form: Form) -> int:
    rows = tx.execute(table.query)
    columns = [
        (place, header, write)
        for place, (name, *_) in enumerate(rows.description)
        for header, write in _columns(name, form)
    ]
    csv.writer(file).writerow([header for _, header, _ in columns])
    count = 0
    while batch := rows.fetchmany(_BATCH):
        values = list(zip(*batch, strict=True))
        _write_lines(file, [_written(values[at], write) for at, _, write in columns])
        count += len(batch)
    return count


def _write_lines(file: TextIO, columns: Sequence[Sequence[str]]) -> None:
    """Write columns of texts as lines; csv.writer, which takes twice as long, if a text needs quotes."""
    rows = list(zip(*columns, strict=True))
    lines = "".join([",".join(row) + _LINE_END for row in rows])
    counts = [lines.count(mark) for mark in ',\r\n"']
    if counts == [len(rows) * (len(columns) - 1), len(rows), len(rows), 0]:
        file.write(lines)
    else:
        csv.writer(file).writerows(rows)


def _written(column: Sequence[Any], write: _Write | None) -> Sequence[str]:
    """Write a column's values, None as nothing; what is worked out for many rows is worked out once."""
    if write is None:
        # Most are numbers, or texts that begin like a word: no function is called for them.
        safe = [
            neutral(value) if isinstance(value, str) and not value[:1].isalnum() else value
            for value in column
        ]
        return ["" if value is None else str(value) for value in safe]
    texts = {value: "" if value is None else write(value) for value in set(column)}
    return [texts[value] for value in column]


def _columns(name: str, form: Form) -> list[tuple[str, _Write | None]]:
    """Return header and writer of each column that a query's column becomes."""
    stem, _, unit = name.rpartition("_")
    match unit:
        case "at":
            return [(f"{name}_utc", _utc), (f"{name}_local", partial(_local, form.timezone))]
        case "minor":
            decimal = partial(plain_decimal, digits=minor_digits(form.currency))
            return [(f"{stem}_{form.currency}", decimal)]
        case "whole":
            return [(f"{stem}_{form.currency}", None)]
        case "bp":
            return [(stem, partial(plain_decimal, digits=_PERCENT_DIGITS))]
        case "msat":
            return [(f"{stem}_sat", partial(plain_decimal, digits=_MSAT_DIGITS))]
        case _:
            return [(name, None)]


def _utc(at_us: int) -> str:
    return f"{instant(at_us).isoformat(timespec='seconds')[:_TO_SECONDS]}Z"


def _local(timezone: ZoneInfo, at_us: int) -> str:
    return instant(at_us).astimezone(timezone).isoformat(" ", "seconds")[:_TO_SECONDS]
