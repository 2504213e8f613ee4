"""Digests of rows by their records as they were exported, before anything is parsed.

The invariant: a row has the same digest only if it has the same records under the same headers, in any order.
"""

from collections.abc import Sequence
from hashlib import blake2b

_BYTES = 32


class Digests:
    """Digests of rows; `headers`: of the tables that the records are from."""

    def __init__(self, headers: Sequence[bytes]) -> None:
        # No record has a zero byte that would be read.
        self._begin = blake2b(b"\0".join(headers) + b"\0", digest_size=_BYTES)
        self._digests: dict[str, bytes] = {}
        self._doubtful: set[str] = set()

    def add(self, id_: str, tables: Sequence[Sequence[bytes]]) -> None:
        """Add a row: its records in each table."""
        digest = self._begin.copy()
        # Whole records, each with its line's end: they can be told apart however they are joined.
        digest.update(b"\0".join(b"".join(sorted(records)) for records in tables))
        self._digests[id_] = digest.digest()

    def doubt(self, id_: str) -> None:
        """Give a row no digest: the reading says more of the row than what is made of it."""
        self._doubtful.add(id_)

    def of(self, id_: str) -> bytes | None:
        """Return a row's digest; None for a row in doubt."""
        return None if id_ in self._doubtful else self._digests.get(id_)

    def all(self) -> dict[str, bytes]:
        """Return the digest of each row."""
        return {id_: one for id_, one in self._digests.items() if id_ not in self._doubtful}
