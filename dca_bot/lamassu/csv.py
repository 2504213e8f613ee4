"""Reads what PostgreSQL writes as CSV, where an empty field is NULL and `""` an empty text.

The invariant: a transfer that broke off is noticed, never read as a shorter table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from dca_bot.errors import ExportBroken, TableBroken

Row = dict[str, str | None]

_RECORD_BYTES_MAX = 2**24
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*)),')


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the export with the columns that are read; the others are passed over."""

    name: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


def read_rows(file: IO[bytes], table: Table) -> Iterator[Row]:
    """Yield the rows of one table by column name; optional columns that are absent are left out.

    A row beyond 16 MiB comes as NULLs only, which is no row of any table. Raise ExportBroken where the
    file breaks off, TableBroken where columns are missing, for a row of another length than the header,
    and for what isn't UTF-8.
    """
    records = _records(file, table)
    header = _split(next(records, None) or "", table)
    missing = sorted(table.required.difference(filter(None, header)))
    if missing:
        raise TableBroken(
            f"The export of {table.name} lacks {', '.join(missing)}; export all columns, with a"
            " header."
        )
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
            raise _broken(table, f"a row has {len(fields)} fields, the header {len(header)}")
        yield {name: fields[place] for name, place in wanted}


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


def _broken(table: Table, what: str) -> TableBroken:
    return TableBroken(_sentence(table, what))


def _sentence(table: Table, what: str) -> str:
    return f"The export of {table.name} is broken: {what}. Nothing of it was used."
