"""Values that may be too many for memory: what goes beyond some lies in a temporary file.

The invariant: the values come back as they were put, each part in its order, as often as they are asked for.
"""

import heapq
import os
import pickle
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Generic, TypeVar

from dca_bot.errors import SourceUnavailable, in_words
from dca_bot.faults import SourceFault

_T = TypeVar("_T")
_KEPT_MAX = 4_000
_BLOCK = 16
"""Few: `in_order` holds a block of each run, and the garbage collector looks through all that is held."""


class Spill(Collection[_T], Generic[_T]):
    """Values in parts, which are numbered from 0; at most `kept_max` of them are in memory.

    A value is put by one thread at a time, and is one that pickle can write. The file has no name, and ends
    with the Spill.
    """

    def __init__(self, *, kept_max: int | None = None) -> None:
        """`kept_max`: 4,000 values if None."""
        self._kept_max = _KEPT_MAX if kept_max is None else kept_max
        self._kept: dict[int, list[_T]] = {}
        self._kept_count = 0
        self._count = 0
        self._blocks: dict[int, list[tuple[int, int]]] = {}
        self._file: Any = None
        self._end = 0

    def put(self, value: _T, part: int = 0) -> None:
        """Add a value to the end of a part; raise SourceUnavailable if the file can't be written."""
        self.extend({part: (value,)}, weight=1)

    def extend(self, values: Mapping[int, Sequence[_T]], *, weight: int) -> None:
        """Add values to the ends of parts; raise SourceUnavailable if the file can't be written.

        `weight`: how much of `kept_max` all of them take; a value that is put takes 1.
        """
        for part, some in values.items():
            self._kept.setdefault(part, []).extend(some)
            self._count += len(some)
        self._kept_count += weight
        if self._kept_count >= self._kept_max:
            self._write_all()

    def part(self, part: int) -> Iterator[_T]:
        """Yield the values of a part."""
        for at, length in self._blocks.get(part, ()):
            # The bot has written these bytes itself, into a file that nobody else can open.
            yield from pickle.loads(os.pread(self._file.fileno(), length, at))  # noqa: S301
        yield from self._kept.get(part, ())

    def parts(self) -> list[int]:
        """Return the numbers of the parts that have values."""
        return sorted({*self._blocks, *self._kept})

    def compact(self) -> Collection[_T]:
        """Return the values as a tuple if all of them are in memory, else as they are."""
        return self if self._blocks else tuple(self)

    def __iter__(self) -> Iterator[_T]:
        return chain.from_iterable(map(self.part, self.parts()))

    def __len__(self) -> int:
        return self._count

    def __contains__(self, value: object) -> bool:
        return any(one == value for one in self)

    def _write_all(self) -> None:
        try:
            for part in [*self._kept]:
                values = self._kept[part]
                while values:
                    self._write(part, values[:_BLOCK])
                    del values[:_BLOCK]
                del self._kept[part]
        except OSError as error:
            folder = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")  # noqa: S108 (is only named)
            raise no_room(folder, in_words(error)) from error
        self._kept_count = 0

    def _write(self, part: int, values: list[_T]) -> None:
        """Write a block behind the last whole one, and only then count on it."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (ends with the Spill)
            weakref.finalize(self, self._file.close)
        block = pickle.dumps(values, pickle.HIGHEST_PROTOCOL)
        done = 0
        while done < len(block):
            done += os.pwrite(self._file.fileno(), memoryview(block)[done:], self._end + done)
        self._blocks.setdefault(part, []).append((self._end, len(block)))
        self._end += len(block)


def no_room(folder: str, why: str) -> SourceUnavailable:
    """Say that a reading can't be kept in the folder of temporary files."""
    return SourceUnavailable(
        f"What is read of Lamassu can't be kept in {folder} ({why}); make room there, or set TMPDIR to"
        " another folder.",
        fault=SourceFault.NO_ROOM,
        path=folder,
    )


def in_order(values: Iterable[_T], key: Callable[[_T], Any]) -> Iterator[_T]:
    """Yield values by `key`, however many they are; the first comes once all are there."""
    runs = Spill[_T]()
    for run, some in enumerate(batches(values, _KEPT_MAX)):
        for value in sorted(some, key=key):
            runs.put(value, run)
    yield from heapq.merge(*map(runs.part, runs.parts()), key=key)


def batches(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield values in lists of at most `size`."""
    left = iter(values)
    while some := list(islice(left, size)):
        yield some
