"""Writes an address that was dictated in words: `tere arroba blink punto sv` becomes `tere@blink.sv`.

The invariant: each letter of a name and a host stands as typed; only words for signs become signs. An address
that may lack a word before is none: `tere 21 arroba blink punto sv`.
"""

import re
from collections.abc import Collection, Sequence

from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.values import begins_with
from dca_bot.chat.understanding.vocabulary import Vocabulary

_PART = re.compile(r"[A-Za-z0-9._+-]+(?:@[A-Za-z0-9-]+)?")
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_AT = "@"


def with_dictated(
    tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str] = ()
) -> list[Token]:
    """Return tokens with a token for each dictated address; `names`: the clients', as in a reading."""
    signs = vocabulary.values("dictated")
    if not any("@" in one.raw or signs.get(one.word) == _AT for one in tokens):
        return list(tokens)
    found: list[Token] = []
    left = list(tokens)
    while left:
        is_whole = not found or found[-1].word in names or _is_no_part(found[-1], vocabulary)
        address, used = _address_at(left, vocabulary) if is_whole else ("", 0)
        found.append(Token(address, address.lower()) if used else left[0])
        left = left[max(used, 1) :]
    return found


def _address_at(tokens: Sequence[Token], vocabulary: Vocabulary) -> tuple[str, int]:
    """Return the dictated address at the beginning, and how many tokens the address takes; 0 for none."""
    signs = vocabulary.values("dictated")
    text, used = "", 0
    while used < len(tokens) and _PART.fullmatch(tokens[used].raw):
        text, used = text + tokens[used].raw, used + 1
        sign, count = begins_with(tokens[used:], signs)
        is_last = not sign or used + count == len(tokens) or "." in tokens[used - 1].raw
        if is_last or (sign == _AT and _is_sentence(tokens, used, vocabulary)):
            break
        text, used = text + sign, used + count
    is_dictated = used > 1 and _ADDRESS.fullmatch(text) is not None
    return (text, used) if is_dictated else ("", 0)


def _is_no_part(before: Token, vocabulary: Vocabulary) -> bool:
    """Tell whether a word is one of the lexicons', and no part of the name that follows."""
    return before.word in vocabulary.small or vocabulary.is_written(before.word)


def _is_sentence(tokens: Sequence[Token], place: int, vocabulary: Vocabulary) -> bool:
    """Tell whether the word for @ may be a small word: `look at example.com`."""
    is_small, after = tokens[place].word in vocabulary.small, tokens[place + 1]
    return is_small and ("." in after.raw or tokens[place - 1].word in vocabulary.small)
