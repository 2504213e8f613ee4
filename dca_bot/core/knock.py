"""Knock codes: what a stranger shows to an operator to be added as a client, for example `KNOCK-7K2QXM`.

Five characters are random, the sixth is a check character. The alphabet has no vowels, so no code reads as a
word, and no two characters that people confuse (0 and O, 1 and I, 2 and Z, 5 and S, 6 and G, 8 and B).
Its 23 characters are a prime number: the weighted sum then finds each wrong character and each swap of two.
"""

import re
from random import Random

from dca_bot.core.names import visible

WORD = "KNOCK"
_ALPHABET = "23456789CFHJKMNPQRTVWXY"
_LENGTH = 6
_WRITTEN = re.compile(r"\W*knock[-\u2010-\u2015\u2212_:.]?(.*?)[.,;:!?]*", re.IGNORECASE)


def make(random: Random) -> str:
    """Return a new code; a code is never made of digits alone."""
    while True:
        free = "".join(random.choice(_ALPHABET) for _ in range(_LENGTH - 1))
        checked = next(free + last for last in _ALPHABET if _weighted(free + last) == 0)
        if not checked.isdigit():
            return f"{WORD}-{checked}"


def is_knock(text: str) -> bool:
    """Tell whether a text is meant as a knock code, right or wrong."""
    return _WRITTEN.fullmatch(visible(text)) is not None


def read(text: str) -> str | None:
    """Return a code in the form of `make`, in whichever case it was typed; None for a mistyped code.

    >>> read("knock-7k2qxm")
    'KNOCK-7K2QXM'
    """
    found = _WRITTEN.fullmatch(visible(text))
    code = found[1].upper() if found else ""
    is_whole = len(code) == _LENGTH and set(code) <= set(_ALPHABET) and not code.isdigit()
    return f"{WORD}-{code}" if is_whole and _weighted(code) == 0 else None


def _weighted(code: str) -> int:
    places = enumerate(code, start=1)
    return sum(place * _ALPHABET.index(char) for place, char in places) % len(_ALPHABET)
