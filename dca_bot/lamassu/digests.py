"""Digests of rows by their records as they were exported, before anything is parsed.

The invariant: a row has the same digest only if it has the same records under the same headers, in any order.
"""

from collections.abc import Iterable
from hashlib import blake2b

_BYTES = 32
_MODULUS = 1 << 8 * _BYTES


class Digests:
    """Adds up the records of each row; `headers`: of the tables that the records are from."""

    def __init__(self, headers: Iterable[bytes]) -> None:
        self._headers = sum(map(_number, headers))
        self._sums: dict[str, int] = {}
        self._doubtful: set[str] = set()

    def add(self, id_: str, record: bytes) -> None:
        """Add a record to its row."""
        # A sum knows no order, but counts a record that comes twice.
        self._sums[id_] = self._sums.get(id_, self._headers) + _number(record)

    def has(self, id_: str) -> bool:
        """Tell whether a row has records."""
        return id_ in self._sums

    def doubt(self, id_: str) -> None:
        """Give a row no digest: the reading says more of the row than what is made of it."""
        self._doubtful.add(id_)

    def of(self, id_: str) -> bytes | None:
        """Return a row's digest once all records are added; None for a row in doubt."""
        if id_ in self._doubtful or id_ not in self._sums:
            return None
        return _bytes(self._sums[id_])

    def all(self) -> dict[str, bytes]:
        """Return the digest of each row."""
        return {
            id_: _bytes(total) for id_, total in self._sums.items() if id_ not in self._doubtful
        }


def _number(record: bytes) -> int:
    return int.from_bytes(blake2b(record, digest_size=_BYTES).digest(), "big")


def _bytes(total: int) -> bytes:
    return (total % _MODULUS).to_bytes(_BYTES, "big")
