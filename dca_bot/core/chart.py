"""A chart made of text, for a direct message: a bar per line keeps its shape in any font."""

import itertools
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime

WIDTH_MAX = 30
"""How many characters fit a phone's line: a label of 7, a bar, an amount of 5, and spaces."""
BAR_LENGTH = 16
_FULL = "█"
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_UNITS = ("", "k", "M", "B", "T")


def accumulate(
    points: Iterable[tuple[datetime, int]], *, start: datetime, end: datetime, rows: int
) -> list[tuple[datetime, int]]:
    """Cut the time from `start` to `end` into `rows` equal parts, and sum up.

    Return the end of each part with the sum of all points between `start` and this end, oldest
    first.
    """
    found = sorted(point for point in points if point[0] >= start)
    times = [at for at, _ in found]
    sums = [0, *itertools.accumulate(sat for _, sat in found)]
    ends = [start + (end - start) * number // rows for number in range(1, rows)]
    return [(at, sums[bisect_right(times, at)]) for at in [*ends, end]]


def bar(value: int, top: int) -> str:
    """Draw a value in proportion to `top`, to an eighth of a character, rounded down.

    A value above 0 is never drawn as nothing.

    >>> bar(1, 2), bar(1, 1000)
    ('████████', '▏')
    """
    eighths = max(value * BAR_LENGTH * 8 // top, 1) if value > 0 else 0
    return _FULL * (eighths // 8) + _EIGHTHS[eighths % 8]


def compact(sat: int) -> str:
    """Write an amount in at most five characters, rounded down: `950`, `12.3k`, `1.25M`."""
    unit, scale = 0, 1
    while sat >= scale * 1000 and unit < len(_UNITS) - 1:
        unit, scale = unit + 1, scale * 1000
    whole = sat // scale
    decimals = max(3 - len(str(whole)), 0) if unit else 0
    fraction = sat * 10**decimals // scale % 10**decimals
    written = f"{whole}.{fraction:0{decimals}}".rstrip("0").rstrip(".") if decimals else str(whole)
    return written + _UNITS[unit]
