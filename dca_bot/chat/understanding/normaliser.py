"""Brings a message into lines of tokens: marks, quotes, emoji, full width, `@bot` and `/` don't count.

A token keeps the text as typed, for names, addresses and codes, beside the word without case and accents.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dca_bot.core.names import folded
from dca_bot.core.secrets import in_plain_letters

CHARS_MAX = 2_000
"""The characters of the longest message that is read."""
_EDGES = ".,;:!¡?¿\"'`\u00b4“”„\u2018\u2019«»()[]{}<>*_~|=\u2013\u2014…#+-"
_ADDRESS_EDGES = _EDGES.translate({ord(char): None for char in "_+-["})
_LINK_EDGES = _ADDRESS_EDGES.translate({ord("="): None})
_LINK = re.compile(r"(?i)\b(?:lightning|bitcoin|mailto|lnurl[pwc]?|keyauth|https?):\S*[^\s?]")
"""A link with its parameters; a question mark behind the link is the sentence's."""
_WORD_QUOTES = "'\u2018\u2019\u201a\u201b\u00b4"
_QUOTES = '"“”„‟«»\u2039\u203a「」『』~' + _WORD_QUOTES
"""Marks around a whole line, in any pairing; `~` strikes words out. `_WORD_QUOTES` stand within words too."""
_QUOTED = re.compile('"([^"]+)"|“([^”]+)”|«([^»]+)»|„([^“]+)“|\u2018([^\u2019]+)\u2019')
_FORMATTING = "`*_"
_BOT = re.compile(r"(?i)^@\S*bot\b[:,]?\s*")
_BULLET = re.compile(r"^(?:[-*•·\u2013]\s+|[#/]+(?=\S))")
_PRODUCT = re.compile(r"(?i)([q$]?[0-9]+)[x\u00d7*]([0-9]+)")
_PER = re.compile(r"([0-9])/(?=[^\W\d])")
_APOSTROPHE = re.compile(r"(?<=[^\W\d])[\u2019\u00b4`](?=[^\W\d])")
_POSSESSIVE = re.compile(
    r"(?i)(?<!\bwhat)(?<!\bwho)(?<!\bhow)(?<!\bit)(?<!\bthat)(?<!here)(?<!\blet)'s\b"
)
_SIGNS_OF_NO = {ord(sign): " no " for sign in "\u274c\u2716\U0001f6ab\U0001f44e\U0001f645"}
"""Crosses and a thumb down: beside words a negation, alone a reaction."""
_SKIN_TONES = {ord("\U0001f3fb") + tone: None for tone in range(5)}
_BETWEEN_NUMBERS = {
    "+": "plus",
    **dict.fromkeys(("-", "\u2013", "\u2014"), "through"),
    **dict.fromkeys(("*", "\u00d7"), "x"),
}
"""Signs that mean something between numbers, as words of the lexicons."""
_FRACTION_SLASH = "\u2044"
"""The slash of `½` in plain characters."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a message: `raw` as typed, `word` without case and accents."""

    raw: str
    word: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a message. `text`: the line in plain characters.

    `is_question`: whether the line has a question mark. `is_quoted`: whether the whole line stands in
    quotes. `quotes`: the words that stand in quotes within the line.
    """

    text: str
    tokens: tuple[Token, ...]
    is_question: bool
    is_quoted: bool
    quotes: tuple[Token, ...]


def lines_of(text: str) -> list[Line]:
    """Return the lines of a message that say something; lines quoted by `>` are left out."""
    lines = (line.strip() for line in plain_text(text).splitlines())
    return [line_of(line) for line in lines if line and not line.startswith(">")]


def plain_text(text: str) -> str:
    """Return a text without invisible characters, with plain characters for full width and digits."""
    if text.isascii():
        return text
    plain = _APOSTROPHE.sub("'", in_plain_letters(text)).replace(_FRACTION_SLASH, "/")
    return "".join(map(_plain_digit, plain.translate(_SKIN_TONES)))


def words_of(text: str) -> set[str]:
    """Return the words of a message as typed, at most as many as are ever read."""
    return {token.raw for line in lines_of(text[:CHARS_MAX]) for token in line.tokens}


def line_of(line: str) -> Line:
    """Read a line that `plain_text` has brought into plain characters."""
    bare = _BULLET.sub("", _BOT.sub("", line)).strip().strip(_FORMATTING)
    if any(map(str.isalnum, bare)):
        bare = bare.translate(_SIGNS_OF_NO).strip()
    unquoted = _unquoted(bare)
    is_quoted = unquoted is not None
    bare = bare if unquoted is None else unquoted
    quotes: tuple[Token, ...] = ()
    if not is_quoted:
        parts = (part for found in _QUOTED.findall(bare) for part in found if part)
        quotes = tuple(token for part in parts for token in tokens_of(part))
    tokens = tuple(tokens_of(bare))
    said = _LINK.sub("", bare)
    is_question = ("?" in said or "¿" in said) and any(len(token.word) > 1 for token in tokens)
    return Line(bare, tokens, is_question, is_quoted, quotes)


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a line; a line of nothing but question marks has a single mark.

    >>> [token.word for token in tokens_of("¡Límite: Q100/día, 👍!")]
    ['limite', 'q100', '/dia', '👍']
    """
    if not text.isascii():
        text = "".join(f" {char} " if _is_emoji(char) else char for char in text)
    is_empty = True
    pieces = list(_pieces(text))
    for place, piece in enumerate(pieces):
        is_link = "://" in piece
        address_edges = _LINK_EDGES if is_link else _ADDRESS_EDGES
        raw = piece.strip(address_edges if is_link or "@" in piece else _EDGES)
        if raw[:1].isdigit() and piece.lstrip("(").startswith("-"):
            raw = f"-{raw}"
        joining = _BETWEEN_NUMBERS.get(piece)
        if joining and _is_between_numbers(pieces, place):
            yield Token(piece, joining)
        if raw:
            is_empty = False
            yield Token(raw, folded(raw))
    if is_empty and "?" in text:
        yield Token("?", "?")


def _pieces(text: str) -> Iterator[str]:
    """Split a line at spaces, `100/day` before the slash, and `2x250` at the x; a link stays whole."""
    for piece in _POSSESSIVE.sub("", text).split():
        if "://" in piece:
            yield piece
        elif product := _PRODUCT.fullmatch(piece):
            yield from (product[1], "x", product[2])
        else:
            yield from _PER.sub(r"\1 /", piece).split()


def _is_between_numbers(pieces: Sequence[str], place: int) -> bool:
    """Tell whether a piece stands between numbers: the plus of `100 + 50`."""
    if not 0 < place < len(pieces) - 1:
        return False
    return pieces[place - 1][-1].isdigit() and pieces[place + 1].lstrip("#").isdigit()


def _plain_digit(char: str) -> str:
    value = unicodedata.digit(char, None) if char.isdigit() else None
    return char if value is None else str(value)


def _unquoted(line: str) -> str | None:
    """Return the inside of a wholly quoted line, whichever quotes the phone writes; None for other lines.

    >>> _unquoted("“pause“, 👍")
    'pause'
    """
    said = line
    if not line.isascii():
        said = "".join(" " if _is_emoji(char) else char for char in line)
    said = said.strip(" .,;:!¡…")
    inside = said.strip(_QUOTES).strip()
    if not inside or said[:1] not in _QUOTES or said[-1:] not in _QUOTES:
        return None
    has_more = any(char in _QUOTES and char not in _WORD_QUOTES for char in inside)
    return None if has_more else inside


def _is_emoji(char: str) -> bool:
    return ord(char) > 0x2000 and unicodedata.category(char) in ("So", "Sk")
