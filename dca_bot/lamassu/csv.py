"""Reads PostgreSQL's CSV, where an empty field is NULL and `""` an empty text.

The invariant: a transfer that broke off is noticed, never read as a shorter table.
"""

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import IO

from dca_bot.errors import ExportBroken, TableBroken
from dca_bot.faults import SourceFault
from dca_bot.lamassu.diagnosis import (
    HEAD_BYTES,
    UTF8_MARK,
    begins,
    not_text,
    not_the_export,
    odd_row,
    other_shape,
)

Row = dict[str, str | None]

_EMPTY_TEXT = '""'
_RECORD_BYTES_MAX = 2**24
_OTHER_NULLS = frozenset({r"\N", "NULL"})
# Words that a text column may hold in earnest.
_TYPED_NULLS = frozenset({"null", "(null)", "<null>", "[NULL]", "[null]", "None", "nil", "#N/A"})
_NULL_MARKS = (_EMPTY_TEXT, *_OTHER_NULLS, *_TYPED_NULLS)
_DAMAGED = (
    "it has zero bytes, as a crash of the computer or a full disk leaves them; export it anew"
)
_FREE_TEXT = frozenset({"error", "name"})
_QUOTED = re.compile(r'"[^"]*"')
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*)),')


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the export with the columns that are read; other columns are passed over.

    `typed`: columns of times, numbers and flags, where `""` is no value.
    """

    name: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()


def read_rows(file: IO[bytes], table: Table) -> Iterator[Row]:
    """Yield the rows of a table by column name; optional columns that are absent are left out.

    A byte order mark of UTF-8 is skipped. A row beyond 16 MiB comes as NULLs only, like no row of
    any table. Raise ExportBroken if the file breaks off. Raise TableBroken for a file that isn't
    the export, missing columns, a row of another length than the header, and text that isn't UTF-8.
    """
    _refuse_other_files(file, table)
    records = _records(file, table)
    first = next(records, None) or ""
    header = _split(first, table)
    # A program that quotes even the names quotes every value, and writes NULL as `""`.
    empty_texts = table.typed if '"' in first else frozenset[str]()
    _refuse_header(header, table)
    wanted = [
        (name, place)
        for place, name in enumerate(header)
        if name is not None and (name in table.required or name in table.optional)
    ]
    for record in records:
        if record is None:
            yield dict.fromkeys(name for name, _ in wanted)
            continue
        fields = _split(record, table)
        if len(fields) != len(header):
            counts = f"a row has {len(fields)} fields, the header {len(header)}"
            raise _broken(table, f"{counts}. {begins(record)}", odd_row(record))
        row = {name: fields[place] for name, place in wanted}
        # One search through the whole record is quicker than a search through each field.
        if any(word in record for word in _NULL_MARKS):
            _refuse_other_nulls(row, table, empty_texts)
        yield row


def _refuse_other_files(file: IO[bytes], table: Table) -> None:
    """Raise TableBroken unless the first line has the required columns; leave the file at the beginning.

    An incomplete first line that looks like nothing else passes: reading it notices a transfer that
    broke off.
    """
    head = file.read(HEAD_BYTES)
    if why := not_text(head):
        raise _other(table, why)
    start = len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0
    file.seek(start)
    first, end, _ = head[start:].partition(b"\n")
    text = head[start:].decode(errors="replace")
    if first and not end:
        if why := other_shape(text):
            raise _other(table, why)
        return
    if first.endswith(b"\r\r"):
        raise _other(table, f"ends each line with two CR; let lines end with LF. {begins(text)}")
    if not table.required <= set(_split_header(first)):
        raise _other(table, not_the_export(text, table.name, table.required))


def _refuse_header(header: list[str | None], table: Table) -> None:
    """Raise TableBroken if a column that is read is missing or stands in the header twice."""
    names = Counter(header)
    missing = sorted(name for name in table.required if not names[name])
    twice = sorted(name for name in table.required | table.optional if names[name] > 1)
    if missing:
        raise _other(table, f"lacks {', '.join(missing)}; export all columns, with a header")
    if twice:
        raise _other(
            table, f"has {', '.join(twice)} more than once in its header; export one table"
        )


def _refuse_other_nulls(row: Row, table: Table, empty_texts: AbstractSet[str]) -> None:
    """Raise TableBroken if the program wrote NULL in another way than as an empty field.

    `empty_texts`: columns where `""` stands for NULL too. A NULL of the column `error` that was
    read as a text would make an error of every cash-out.
    """
    for name, value in row.items():
        is_other = value in _OTHER_NULLS and name not in _FREE_TEXT
        is_other |= value in _TYPED_NULLS and name in table.typed
        if is_other or (value == "" and name in empty_texts):
            written = f"writes NULL as {value or _EMPTY_TEXT} ({name})"
            raise _other(table, f"{written}; leave the field empty, as psql does without an option")


def _split_header(line: bytes) -> list[str]:
    names = line.removesuffix(b"\r").decode(errors="replace").split(",")
    return [name[1:-1] if _QUOTED.fullmatch(name) else name for name in names]


def _records(file: IO[bytes], table: Table) -> Iterator[str | None]:
    """Yield whole records, None for a record that is too long; a quoted line break belongs to a field."""
    while line := file.readline(_RECORD_BYTES_MAX):
        record, quotes = bytearray(line), line.count(b'"')
        # An odd number of quotes: a quoted field continues on the next line.
        while quotes % 2 or not line.endswith(b"\n"):
            line = file.readline(_RECORD_BYTES_MAX)
            if not line:
                raise _cut_off(table, record)
            quotes += line.count(b'"')
            if len(record) <= _RECORD_BYTES_MAX:
                record += line
        if len(record) > _RECORD_BYTES_MAX:
            yield None
            continue
        if b"\0" in record:
            raise _broken(table, _DAMAGED)
        try:
            yield record.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            shown = begins(record.decode(errors="replace"))
            why = f"it is not UTF-8 (set PGCLIENTENCODING=UTF8). {shown}"
            raise _broken(table, why) from None


def _split(record: str, table: Table) -> list[str | None]:
    if '"' not in record:
        return [field or None for field in record.split(",")]
    fields: list[str | None] = []
    line, place = record + ",", 0
    while place < len(line):
        match = _FIELD.match(line, place)
        if match is None:
            raise _broken(table, f"a quote stands where none can be. {begins(record)}")
        quoted, plain = match.groups()
        fields.append(plain or None if quoted is None else quoted.replace('""', '"'))
        place = match.end()
    return fields


def _other(table: Table, what: str) -> TableBroken:
    return TableBroken(
        f"The export of {table.name} {what}. Nothing of it was used.",
        fault=SourceFault.OTHER_FILE,
        table=table.name,
    )


def _broken(table: Table, what: str, more: str = "") -> TableBroken:
    return TableBroken(_sentence(table, what, more), fault=SourceFault.BROKEN, table=table.name)


def _cut_off(table: Table, record: bytearray) -> ExportBroken:
    if b"\0" in record:
        return _broken(table, _DAMAGED)
    return ExportBroken(
        _sentence(table, "the last row is not whole"),
        fault=SourceFault.INCOMPLETE,
        table=table.name,
    )


def _sentence(table: Table, what: str, more: str = "") -> str:
    return f"The export of {table.name} is broken: {what}.{more} Nothing of it was used."
