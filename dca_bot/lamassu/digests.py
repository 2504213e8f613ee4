"""Digests of rows by their records as they were exported, before anything is parsed.

The invariant: a row has the same digest only if it has the same records under the same headers, in any order.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from hashlib import blake2b

from dca_bot.lamassu.csv import TableReading

_BYTES = 32
_MODULUS = 1 << 8 * _BYTES


class Digests:
    """Adds up the records of each row, from the table of the rows first, then from further tables.

    `unchanged`: ids of rows that need no parsing.
    """

    def __init__(self, unchanged: AbstractSet[str] = frozenset()) -> None:
        self._unchanged = unchanged
        self._sums: dict[str, int] = {}
        self._headers: list[int] = []
        self._doubtful: set[str] = set()

    def over(self, reading: TableReading) -> Iterator[bytes | None]:
        """Yield the records of a table without those of unchanged rows, and add each record to its row.

        A further table's records without a row are yielded too.
        """
        sums, unchanged, id_of = self._sums, self._unchanged, reading.id_of
        has_rows = not self._headers
        self._headers.append(_number(reading.header))
        for record in reading:
            id_ = id_of(record)
            if id_ in unchanged:
                continue
            # A sum knows no order, but counts a record that comes twice.
            if record is not None and (has_rows or id_ in sums):
                sums[id_] = sums.get(id_, 0) + _number(record)
            yield record

    def doubt(self, id_: str) -> None:
        """Give a row no digest: the reading says more of the row than what is made of it."""
        self._doubtful.add(id_)

    def of(self, id_: str) -> bytes | None:
        """Return a row's digest once all tables are read; None for a row in doubt."""
        if id_ in self._doubtful or id_ not in self._sums:
            return None
        total = (self._sums[id_] + sum(self._headers)) % _MODULUS
        return total.to_bytes(_BYTES, "big")

    def all(self) -> dict[str, bytes]:
        """Return the digest of each row."""
        found = ((id_, self.of(id_)) for id_ in self._sums)
        return {id_: digest for id_, digest in found if digest is not None}


def _number(record: bytes) -> int:
    return int.from_bytes(blake2b(record, digest_size=_BYTES).digest(), "big")
