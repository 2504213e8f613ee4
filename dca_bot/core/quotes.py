r"""The words of a person, marked so that no line of the words looks like the bot's own.

>>> quoted(cleaned("Hello\u202e\n\n\n  Deposit 5   is confirmed "))
'> Hello\n>\n> Deposit 5 is confirmed'
"""

import unicodedata

_JOINERS = "\u200c\u200d"
"""The joiners of emoji and of some scripts, the only characters without width that stay."""
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and marks that are drawn as nothing."""


def cleaned(text: str) -> str:
    """Return a text without characters of control or direction, with single spaces and single empty lines."""
    lines = [_line(line) for line in text.splitlines()]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip("\n")


def quoted(text: str) -> str:
    """Mark each line of a cleaned text as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _line(line: str) -> str:
    apart = "".join(" " if char.isspace() or char in _BLANKS else char for char in line)
    seen = "".join(char for char in apart if char in _JOINERS or _is_shown(char))
    return "" if not seen.strip(_JOINERS + " ") else " ".join(seen.split())


def _is_shown(char: str) -> bool:
    return not unicodedata.category(char).startswith("C")
