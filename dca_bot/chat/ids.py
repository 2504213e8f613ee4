"""Reads the numbers of several deposits or holds: `54,56-58`, or `all`.

The invariant: a number that stands alone is always meant; of a range, only what is open is meant.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from dca_bot.chat.command import Args
from dca_bot.chat.params import ALL, NUMBER_MAX, read_name, read_number
from dca_bot.core.names import folded
from dca_bot.messages.lexicon import words_between_numbers
from dca_bot.messages.say import refuse

IDS_MAX = 100
"""The numbers that a command can be about."""
_AROUND = "#,;.&+-\u2013\u2014"
_DASHES = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212), "-")
_SPAN = "[0-9]{1,9}(?:-[0-9]{1,9})?"
_LIST = re.compile(f"{_SPAN}(?:,{_SPAN})*")


def is_list(text: str) -> bool:
    """Tell whether a text means several numbers, not one.

    >>> is_list("54-58"), is_list("54")
    (True, False)
    """
    return text == ALL or (not text.isdecimal() and _LIST.fullmatch(text) is not None)


def read_ids(text: str, currency: str) -> str | int:
    """Read a number, or several as `54,56-58`."""
    plain = _plain(text)
    return plain if plain != ALL and is_list(plain) else read_number(plain, currency)


def read_ids_or_name(text: str, currency: str) -> str | int:
    """Read numbers, `all`, or the name of the client whose deposit is meant."""
    if text.lower() == ALL:
        return ALL
    is_number = text.removeprefix("#")[:1].isdigit()
    return read_ids(text, currency) if is_number else read_name(text, currency)


def read_ids_or_beginning(text: str, _currency: str) -> str:
    """Read numbers, `all`, or a word that the command itself checks."""
    plain = _plain(text)
    return plain if is_list(plain) else text


def goes_on(text: str) -> bool:
    """Tell whether words behind a number begin with further numbers.

    >>> goes_on("2 y 3 Market"), goes_on("al 3"), goes_on("Market 2")
    (True, True, False)
    """
    words = [word.strip(_AROUND) for word in folded(text).split()]
    while words and (not words[0] or words[0] in words_between_numbers()):
        del words[0]
    return bool(words) and words[0].isdecimal()


def numbers_of(args: Args, find: Callable[[int, int], Sequence[int]]) -> list[int] | None:
    """Return each number that the argument ID means, once, as typed; None for a single number or a name.

    `find`: finds the things that can be meant from a number through another; one more than IDS_MAX will do.
    A range may be typed backwards. Raise CommandRefused for too many, and where a list means none.
    """
    text = args.text("ID")
    if not is_list(text):
        return None
    found = list(dict.fromkeys(_numbers(text, find)))
    if len(found) > IDS_MAX:
        raise refuse("batch.too_many", most=IDS_MAX)
    if not found:
        raise refuse("batch.none_open") if text == ALL else refuse("batch.none_in", ids=text)
    return found


def _plain(text: str) -> str:
    return text.translate(_DASHES).replace("#", "").rstrip(",").lower()


def _numbers(text: str, find: Callable[[int, int], Sequence[int]]) -> Iterator[int]:
    for span in [f"1-{NUMBER_MAX}"] if text == ALL else text.split(","):
        first, *last = map(int, span.split("-"))
        yield from find(*sorted((first, *last))) if last else [first]
