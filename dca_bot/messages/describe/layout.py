"""Fits names and lists on a phone."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from dca_bot.messages.say import NOTHING, Say

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


def page(
    heading: Say,
    number: int,
    find: _Find[_Row],
    line: Callable[[_Row], Say],
    *,
    empty: Say | None = None,
) -> Say:
    """Read and say page `number` of a list, or `empty` for a list without rows."""
    rows = find(limit=PAGE_ROWS + 1, offset=(number - 1) * PAGE_ROWS)
    if not rows:
        return (empty or Say("page.empty")) if number == 1 else Say("page.beyond")
    lines = tuple(line(row) for row in rows[:PAGE_ROWS])
    more = Say("page.more", next=number + 1) if len(rows) > PAGE_ROWS else NOTHING
    return Say("page.lines", heading=heading, lines=lines, more=more)
