"""Fits names and lists on a phone."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol, TypeVar

from dca_bot.core.periods import Period
from dca_bot.messages.say import NOTHING, Day, Say, Typed

NAME_LENGTH_MAX = 40
PAGE_ROWS = 10
_Row = TypeVar("_Row")
_Found_co = TypeVar("_Found_co", covariant=True)


class _Find(Protocol[_Found_co]):
    """Reads at most `limit` rows of a list from `offset` on."""

    def __call__(self, *, limit: int, offset: int) -> Sequence[_Found_co]: ...


def short(text: str) -> str:
    """Cut a name that others have chosen to the length for a phone."""
    return cut(text, NAME_LENGTH_MAX)


def cut(text: str, length_max: int) -> str:
    """Cut a text to a length, with an ellipsis at the cut."""
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"


def part_of(period: Period, day: date) -> Day | str:
    """Say a part of a period in a list: a day, or a month like 2026-03 of a long period."""
    return f"{day:%Y-%m}" if period.is_long else Day(day)


def page(
    heading: Say,
    number: int,
    find: _Find[_Row],
    line: Callable[[_Row], Say],
    *,
    again: str,
    empty: Say | None = None,
    size: int = PAGE_ROWS,
) -> Say:
    """Read and say page `number` of a list, or `empty` for a list without rows.

    `again`: the command of the list, without a page; a page before the last one ends with the command of the
    next page. `size`: how many rows a page has.
    """
    rows = find(limit=size + 1, offset=(number - 1) * size)
    if not rows:
        return (empty or Say("page.empty")) if number == 1 else Say("page.beyond")
    lines = tuple(line(row) for row in rows[:size])
    has_more = len(rows) > size
    more = Say("page.more", command=Typed(f"{again} {number + 1}")) if has_more else NOTHING
    return Say("page.lines", heading=heading, lines=lines, more=more)
