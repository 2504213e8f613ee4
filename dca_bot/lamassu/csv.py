"""Reads what PostgreSQL writes as CSV, where an empty field is NULL and `""` an empty text.

The invariant: a transfer that broke off is noticed, never read as a shorter table.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from dca_bot.errors import ExportBroken, TableBroken
from dca_bot.lamassu.diagnosis import HEAD_BYTES, UTF8_MARK, begins, not_text, not_the_export

Row = dict[str, str | None]

_RECORD_BYTES_MAX = 2**24
_OTHER_NULLS = frozenset({r"\N", "NULL"})
_FREE_TEXT = frozenset({"error", "name"})
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*)),')


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the export with the columns that are read; the others are passed over."""

    name: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


def read_rows(file: IO[bytes], table: Table) -> Iterator[Row]:
    """Yield the rows of one table by column name; optional columns that are absent are left out.

    A byte order mark of UTF-8 is skipped. A row beyond 16 MiB comes as NULLs only, which is no row of any
    table. Raise ExportBroken where the file breaks off, TableBroken for a file that isn't the export,
    where columns are missing, for a row of another length than the header, and for what isn't UTF-8.
    """
    _refuse_other_files(file, table)
    records = _records(file, table)
    header = _split(next(records, None) or "", table)
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
            raise _broken(table, f"{counts}. {begins(record)}")
        row = {name: fields[place] for name, place in wanted}
        # Looking through the whole record is quicker than through its fields.
        if any(word in record for word in _OTHER_NULLS):
            _refuse_other_nulls(row, table)
        yield row


def _refuse_other_files(file: IO[bytes], table: Table) -> None:
    """Raise TableBroken unless the file's first line has the required columns; stand at its beginning.

    A first line that isn't whole is left to be noticed as a transfer that broke off.
    """
    head = file.read(HEAD_BYTES)
    if why := not_text(head):
        raise _other(table, why)
    start = len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0
    file.seek(start)
    first, end, _ = head[start:].partition(b"\n")
    if first and not end:
        return
    if not table.required <= set(_split_header(first)):
        text = head[start:].decode(errors="replace")
        raise _other(table, not_the_export(text, table.required))


def _refuse_header(header: list[str | None], table: Table) -> None:
    """Raise TableBroken where a column that is read is missing, or stands there twice."""
    names = Counter(header)
    missing = sorted(name for name in table.required if not names[name])
    twice = sorted(name for name in table.required | table.optional if names[name] > 1)
    if missing:
        raise _other(table, f"lacks {', '.join(missing)}; export all columns, with a header")
    if twice:
        raise _other(
            table, f"has {', '.join(twice)} more than once in its header; export one table"
        )


def _refuse_other_nulls(row: Row, table: Table) -> None:
    """Raise TableBroken where NULL isn't an empty field: then each missing error would be an error."""
    for name, value in row.items():
        if value in _OTHER_NULLS and name not in _FREE_TEXT:
            raise _other(table, f"writes NULL as {value} ({name}); leave the NULL option out")


def _split_header(line: bytes) -> list[str]:
    names = line.removesuffix(b"\r").decode(errors="replace").split(",")
    return [name.removeprefix('"').removesuffix('"') for name in names]


def _records(file: IO[bytes], table: Table) -> Iterator[str | None]:
    """Yield whole records, None for one that is too long: a line break inside quotes belongs to the field."""
    while line := file.readline(_RECORD_BYTES_MAX):
        record, quotes = bytearray(line), line.count(b'"')
        while quotes % 2 or not line.endswith(b"\n"):
            line = file.readline(_RECORD_BYTES_MAX)
            if not line:
                raise ExportBroken(_sentence(table, "the last row is not whole"))
            quotes += line.count(b'"')
            if len(record) <= _RECORD_BYTES_MAX:
                record += line
        if len(record) > _RECORD_BYTES_MAX:
            yield None
            continue
        try:
            yield record.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise _broken(table, "it is not UTF-8 (set PGCLIENTENCODING=UTF8)") from None


def _split(record: str, table: Table) -> list[str | None]:
    if '"' not in record:
        return [field or None for field in record.split(",")]
    fields: list[str | None] = []
    line, place = record + ",", 0
    while place < len(line):
        match = _FIELD.match(line, place)
        if match is None:
            raise _broken(table, "a quote stands where none can be")
        quoted, plain = match.groups()
        fields.append(plain or None if quoted is None else quoted.replace('""', '"'))
        place = match.end()
    return fields


def _other(table: Table, what: str) -> TableBroken:
    return TableBroken(f"The export of {table.name} {what}. Nothing of it was used.")


def _broken(table: Table, what: str) -> TableBroken:
    return TableBroken(_sentence(table, what))


def _sentence(table: Table, what: str) -> str:
    return f"The export of {table.name} is broken: {what}. Nothing of it was used."
