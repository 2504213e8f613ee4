"""Compares names as people read them, not by their characters.

`folded` forgives what is typed carelessly: case, accents, other forms of a letter, characters that
nobody sees.
"""

import unicodedata

_ACCENTS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
"""Combining marks that stand on letters of any script; others are letters of their own script."""
_UNSEEN = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_UNSEEN_RANGES = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))


def folded(text: str) -> str:
    """Return a text without case, accents, forms of compatibility, and characters that nobody sees."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", visible(text)).casefold())
    plain = "".join(char for char in apart if not _is_in(char, _ACCENTS))
    return unicodedata.normalize("NFKC", visible(plain)).casefold()


def visible(text: str) -> str:
    """Take out the characters that nobody sees: of no width, or for the direction of writing."""
    return "".join(
        char
        for char in text
        if unicodedata.category(char) != "Cf"
        and char not in _UNSEEN
        and not _is_in(char, _UNSEEN_RANGES)
    )


def _is_in(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(char) <= last for first, last in ranges)
