"""Reads PostgreSQL's CSV, where an empty field is NULL and `""` an empty text.

The invariant: a transfer that broke off is noticed, never read as a shorter table.
"""

import io
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

    `typed`: columns of times, numbers and flags, where `""` is no value. `id_column`: whose row it is.
    """

    name: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()
    id_column: str = "id"


class TableReading:
    """The records of a table, whole and in the file's order; a record is parsed only on demand.

    A byte order mark of UTF-8 is skipped. A record beyond 16 MiB is None. `header`: the first record.
    `size_bytes`: of the file.

    Raise TableBroken for a file that isn't the export or lacks columns, ExportBroken if the file breaks off.
    """

    def __init__(self, file: IO[bytes], table: Table) -> None:
        """Read the header; raise TableBroken, or ExportBroken."""
        self.size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        _refuse_other_files(file, table)
        self.table = table
        self._records = _records(file, table)
        self.header = next(self._records, None) or b""
        first = _decoded(self.header, table)
        self._names = _split(first, table)
        # A program that quotes even the names quotes every value, and writes NULL as `""`.
        self._empty_texts = table.typed if '"' in first else frozenset[str]()
        _refuse_header(self._names, table)
        self._wanted = [
            (name, place)
            for place, name in enumerate(self._names)
            if name is not None and (name in table.required or name in table.optional)
        ]
        self._id_place = self._names.index(table.id_column)
        self._to_id = re.compile(rb'(?:[^",\r\n]*,){%d}([^",\r\n]*)[,\r\n]' % self._id_place)

    def __iter__(self) -> Iterator[bytes | None]:
        """Yield the records behind the header; raise ExportBroken if the file breaks off."""
        return self._records

    def id_of(self, record: bytes | None) -> str:
        """Return the value of the table's id column, as a rule without a look at the rest of the record.

        Raise TableBroken for a record that can't be taken apart.
        """
        if record is None:
            return ""
        if found := self._to_id.match(record):
            return found[1].decode(errors="replace")
        fields = _split(_decoded(record, self.table), self.table)
        return (fields[self._id_place] or "") if len(fields) > self._id_place else ""

    def row(self, record: bytes | None) -> Row:
        """Parse a record by column name; None gives NULLs only, like no row of any table.

        Optional columns that are absent are left out. Raise TableBroken for a record of another length than
        the header, text that isn't UTF-8, and NULLs that are written otherwise.
        """
        if record is None:
            return dict.fromkeys(name for name, _ in self._wanted)
        text = _decoded(record, self.table)
        fields = _split(text, self.table)
        if len(fields) != len(self._names):
            counts = f"a row has {len(fields)} fields, the header {len(self._names)}"
            raise _broken(self.table, f"{counts}. {begins(text)}", odd_row(text))
        row = {name: fields[place] for name, place in self._wanted}
        # One search through the whole record is quicker than a search through each field.
        if any(word in text for word in _NULL_MARKS):
            _refuse_other_nulls(row, self.table, self._empty_texts)
        return row


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


def _records(file: IO[bytes], table: Table) -> Iterator[bytes | None]:
    """Yield whole records with their line ends, None for a record that is too long.

    A quoted line break belongs to a field.
    """
    while line := file.readline(_RECORD_BYTES_MAX):
        if line.endswith(b"\n") and not line.count(b'"') % 2:
            yield line
            continue
        record, quotes = bytearray(line), line.count(b'"')
        # An odd number of quotes: a quoted field continues on the next line.
        while quotes % 2 or not line.endswith(b"\n"):
            line = file.readline(_RECORD_BYTES_MAX)
            if not line:
                raise _cut_off(table, record)
            quotes += line.count(b'"')
            if len(record) <= _RECORD_BYTES_MAX:
                record += line
        yield bytes(record) if len(record) <= _RECORD_BYTES_MAX else None


def _decoded(record: bytes, table: Table) -> str:
    """Return a record as text, without the line's end."""
    if b"\0" in record:
        raise _broken(table, _DAMAGED)
    try:
        return record.decode().removesuffix("\n").removesuffix("\r")
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
