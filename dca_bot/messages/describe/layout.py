"""Fits names and lists on a phone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dca_bot.messages.say import NOTHING, Say

_T = TypeVar("_T")
NAME_LENGTH_MAX = 40
PAGE_ROWS = 10


def short(text: str) -> str:
    """Cut a name that others have chosen to the length for a phone."""
    return text if len(text) <= NAME_LENGTH_MAX else f"{text[: NAME_LENGTH_MAX - 1]}…"


def page(heading: Say, rows: Sequence[_T], number: int, line: Callable[[_T], Say]) -> Say:
    """Say page `number` of a list.

    `rows` begins with the first row of the page, and has one row more than fits if a further page follows.
    """
    if not rows:
        return Say("page.empty" if number == 1 else "page.beyond")
    lines = tuple(line(row) for row in rows[:PAGE_ROWS])
    more = Say("page.more", next=number + 1) if len(rows) > PAGE_ROWS else NOTHING
    return Say("page.lines", heading=heading, lines=lines, more=more)
