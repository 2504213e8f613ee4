"""Brings a message into lines of tokens: marks, quotes, emoji, full width, `@bot` and `/` don't count.

A token keeps the text as typed, for names, addresses and codes, beside the word without case and accents.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dca_bot.core.names import folded, visible

CHARS_MAX = 2_000
"""The characters of a message that are read."""
_EDGES = ".,;:!¡?¿\"'`´“”„\u2018\u2019«»()[]{}<>*_~|=\u2013\u2014…#+-"
_ADDRESS_EDGES = _EDGES.replace("_", "").replace("+", "").replace("-", "").replace("[", "")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "\u2018": "\u2019", "'": "'"}
_FORMATTING = "`*_~"
_BOT = re.compile(r"(?i)^@\S*bot\b[:,]?\s*")
_BULLET = re.compile(r"^(?:[-*•·\u2013]\s+|[#/]+(?=\S))")
_PER = re.compile(r"([0-9])/(?=[^\W\d])")
_APOSTROPHE = re.compile(r"(?<=[^\W\d])[\u2019´`](?=[^\W\d])")
_SKIN_TONES = {ord("\U0001f3fb") + tone: None for tone in range(5)}
_POSSESSIVE = re.compile(r"(?i)(?<!\bwhat)(?<!\bwho)(?<!\bhow)(?<!\bit)(?<!\bthat)(?<!\bhere)(?<!\blet)'s\b")
_QUESTION = re.compile("[?¿]")


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
    plain = plain_text(text[:CHARS_MAX])
    lines = (line.strip() for line in plain.splitlines())
    return [line_of(line) for line in lines if line and not line.startswith(">")]


def plain_text(text: str) -> str:
    """Return a text without invisible characters, with full width forms and digits in plain ones."""
    plain = _APOSTROPHE.sub("'", unicodedata.normalize("NFKC", visible(text)))
    plain = plain.translate(_SKIN_TONES)
    if plain.isascii():
        return plain
    return "".join(_plain_digit(char) for char in plain)


def line_of(line: str) -> Line:
    """Read a line that `plain_text` has brought into plain characters."""
    bare = _BULLET.sub("", _BOT.sub("", line)).strip()
    unquoted = _unquoted(bare.strip(_FORMATTING))
    is_quoted = unquoted is not None
    bare = bare if unquoted is None else unquoted
    quoted = [] if is_quoted else list(tokens_of(" ".join(_quoted_parts(bare))))
    tokens = tuple(tokens_of(bare))
    is_question = bool(_QUESTION.search(bare)) and any(len(token.word) > 1 for token in tokens)
    return Line(bare, tokens, is_question, is_quoted, tuple(quoted))


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a line; a line of a single mark has that mark.

    >>> [token.word for token in tokens_of("¡Límite: Q100/día, 👍!")]
    ['limite', 'q100', '/dia', '👍']
    """
    apart = "".join(f" {char} " if _is_emoji(char) else char for char in text)
    empty = True
    for piece in _POSSESSIVE.sub("", _PER.sub(r"\1 /", apart)).split():
        edges = _ADDRESS_EDGES if "@" in piece or "://" in piece else _EDGES
        raw = piece.strip(edges)
        if piece.lstrip("(").startswith("-") and raw[:1].isdigit():
            raw = f"-{raw}"
        if raw:
            empty = False
            yield Token(raw, folded(raw))
    if empty and "?" in text:
        yield Token("?", "?")


def words_of(tokens: Sequence[Token]) -> list[str]:
    """Return the words of tokens."""
    return [token.word for token in tokens]


def _plain_digit(char: str) -> str:
    value = unicodedata.digit(char, None) if char.isdigit() else None
    return char if value is None else str(value)


def _unquoted(line: str) -> str | None:
    """Return what a wholly quoted line says; None if the line isn't wholly quoted."""
    close = _QUOTES.get(line[:1])
    inside = line[1:].rstrip(".!").removesuffix(close or "")
    is_whole = close is not None and len(line) > 2 and line.rstrip(".!").endswith(close)
    return inside if is_whole and close not in inside else None


def _quoted_parts(line: str) -> Iterator[str]:
    for opening, close in _QUOTES.items():
        if opening == "'":
            continue
        for found in re.finditer(f"{re.escape(opening)}([^{close}]+){re.escape(close)}", line):
            yield found[1]


def _is_emoji(char: str) -> bool:
    return ord(char) > 0x2000 and unicodedata.category(char) in ("So", "Sk")
