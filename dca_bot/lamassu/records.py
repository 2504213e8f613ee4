"""Puts the records of tables together by row, before anything is parsed, however many they are.

The invariant: all records of a row are in one part of the reading.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from zlib import crc32

from dca_bot.files.spill import Spill
from dca_bot.lamassu.csv import TableReading

_PART_BYTES = 2**21
_KEPT_BYTES = 2**23
_AT_ONCE_BYTES = 2**18
_ROOM_OF_RECORD = 150
"""How many bytes a record takes in memory beside its own."""

Record = tuple[str, bytes | None]
"""The id of the row that a record belongs to, and the record."""


def parts(readings: Sequence[TableReading]) -> Iterator[list[list[Record]]]:
    """Read tables to their ends, then yield some rows after the other: the records of each table.

    A small reading is one part, with the records in the tables' order. Raise ExportBroken if a table breaks
    off, and SourceUnavailable.
    """
    tables = len(readings)
    count = 1 + sum(reading.size_bytes for reading in readings) // _PART_BYTES
    found = Spill[Record](kept_max=_KEPT_BYTES)
    for table, reading in enumerate(readings):
        # A method's call for each record would take longer than the rest.
        some, room = defaultdict[int, list[Record]](list), _AT_ONCE_BYTES
        for record in reading:
            id_ = reading.id_of(record)
            some[crc32(id_.encode()) % count * tables + table].append((id_, record))
            room -= _ROOM_OF_RECORD + (len(record) if record else 0)
            if room < 0:
                found.extend(some, weight=_AT_ONCE_BYTES - room)
                some.clear()
                room = _AT_ONCE_BYTES
        found.extend(some, weight=_AT_ONCE_BYTES - room)
    for part in range(0, count * tables, tables):
        yield [[*found.part(part + table)] for table in range(tables)]
