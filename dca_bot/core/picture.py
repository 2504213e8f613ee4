"""A chart as a picture: what is drawn, as whole numbers and texts in the reader's language.

Whoever draws knows neither language nor currency: each line of the grid comes with its text.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count

from dca_bot.core.chart import accumulate

_POINTS = 200
_LINES_MAX = 5
_DAYS = 4
Mark = tuple[int, str]
"""A line of the grid: where it lies, and its text."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A growing amount: `points` are seconds since 1970 and the amount from then on; `marks`: at the left."""

    heading: str
    points: Sequence[tuple[int, int]]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Picture:
    """Panels one below the other over one span of time; `days` stand below, at seconds since 1970."""

    is_dark: bool
    heading: str
    days: Sequence[Mark]
    panels: Sequence[Panel]

    def to_json(self) -> bytes:
        """Write the picture for the process that draws it."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()


def growth(
    amounts: Iterable[tuple[datetime, int]], *, start: datetime, end: datetime
) -> list[tuple[int, int]]:
    """Return how the sum of amounts grew from 0 at `start` until `end`, in a bounded number of points."""
    grown = accumulate(amounts, start=start, end=end, rows=_POINTS)
    return [(int(start.timestamp()), 0), *((int(at.timestamp()), total) for at, total in grown)]


def lines(top: int, unit: int = 1) -> list[int]:
    """Return round amounts from 0 up to the first that reaches `top`: 1, 2 or 5 times a power of ten units.

    >>> lines(230), lines(6_000, 100)
    ([0, 50, 100, 150, 200, 250], [0, 2000, 4000, 6000])
    """
    sizes = (unit * first * 10**power for power in count() for first in (1, 2, 5))
    step = next(size for size in sizes if size * _LINES_MAX >= top)
    return list(range(0, max(-(-top // step), 1) * step + 1, step))


def days(start: datetime, end: datetime) -> list[datetime]:
    """Return the instants below the picture: start and end, and some between at equal distances."""
    return [start + (end - start) * number // (_DAYS - 1) for number in range(_DAYS)]
