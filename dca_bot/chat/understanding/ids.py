"""Reads the numbers of deposits and holds: `1, 2 y 3` is `1,2,3`, and `1 al 3` is `1-3`."""

import re
from collections.abc import Sequence
from typing import Any

from dca_bot.chat.command import Command
from dca_bot.chat.understanding.arguments import Said
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.values import begins_with
from dca_bot.chat.understanding.vocabulary import Vocabulary

_AMOUNT_PARAMS = frozenset({"AMOUNT", "FIAT"})
_ID_LIST = re.compile(r"#?[0-9]{1,9}(?:[,-]#?[0-9]{1,9})*")


def joined_ids(tokens: list[Token], vocabulary: Vocabulary, row: Command[Any]) -> list[Token]:
    """Write `1 2 3`, `1, 2 y 3`, `1 al 3` and `todos` as `1,2,3`, `1-3` and `all`."""
    every, used = begins_with(tokens, vocabulary.values("values", "all"))
    if used:
        return [Token(every, every), *tokens[used:]]
    joined, count = _ids_at(tokens, vocabulary, row)
    return [Token(joined, joined), *tokens[count:]] if count > 1 else tokens


def take_ids(row: Command[Any], left: list[Said], vocabulary: Vocabulary) -> str:
    """Take the numbers in a row out of the tokens: `4 y 5` is `4,5`.

    A number alone behind a word like `los` is an amount: `ya metí los 250`.
    """
    start = next((n for n, one in enumerate(left) if "ID" in one.places.places), len(left))
    found, count = _ids_at([one.token for one in left[start:]], vocabulary, row)
    is_counted = start > 0 and left[start - 1].token.word in vocabulary.list_of(
        "numbers", "counted"
    )
    if is_counted and found.isdecimal():
        return ""
    del left[start : start + count]
    return found


def _ids_at(tokens: Sequence[Token], vocabulary: Vocabulary, row: Command[Any]) -> tuple[str, int]:
    """Return the ids at the beginning, and how many tokens the ids take: `1 al 3` is `1-3`.

    Where an amount may follow, a number behind a space is no further id.
    """
    shown = {param.name for param in row.params}
    joining = vocabulary.list_of("joining", "words")
    through = vocabulary.list_of("numbers", "through")
    if "AMOUNT" not in shown:  # Of a single deposit, `4 a 1600` is an amount.
        through |= vocabulary.list_of("numbers", "to")
    has_amount = bool(shown & _AMOUNT_PARAMS)
    found, used, sign = "", 0, ""
    for place, token in enumerate(tokens):
        is_next = not found or sign != "" or not has_amount
        if _ID_LIST.fullmatch(token.word) and is_next:
            found = f"{found}{sign or ','}" if found else ""
            found, used, sign = found + token.word.replace("#", ""), place + 1, ""
        elif found and not sign and token.word in joining | through:
            sign = "," if token.word in joining else "-"
        else:
            break
    return found, used
