"""Says what a file is that isn't the export, from how it begins.

The invariant: nothing here reads a table. A file that isn't the export is refused; its first line is
shown, cut short and without control characters, as it may come from anybody.
"""

import re
from collections.abc import Set as AbstractSet

from dca_bot.errors import one_line

HEAD_BYTES = 2**14
"""So much of a file's beginning is looked at."""
UTF8_MARK = b"\xef\xbb\xbf"
SHOWN_CHARS_MAX = 60
_ENCODINGS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_PACKED = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PGDMP", "pg_dump's own format"))
_RULE = re.compile(r"\s*-[-+]*\s*")
_EXPANDED = re.compile(r"-\[ RECORD 1 \]")
_SEPARATORS = {";": ";", "\t": "tabs", "|": "|"}


def not_text(head: bytes) -> str:
    """Say why a file is no text in UTF-8, judged by its first bytes; empty if nothing speaks against it."""
    for mark, name in _PACKED:
        if head.startswith(mark):
            return f"is packed ({name}); unpack it first"
    is_utf16 = any(head.startswith(mark) for mark, _ in _ENCODINGS)
    # ASCII in UTF-16 without a mark has a zero byte beside each letter; PostgreSQL writes none.
    if is_utf16 or b"\0" in head.partition(b"\n")[0]:
        return "is written in UTF-16; save it as UTF-8"
    return ""


def not_the_export(head: str, required: AbstractSet[str]) -> str:
    """Say what a file is, or lacks by name, whose first line has not all required columns."""
    lines = head.splitlines() or [""]
    first = lines[0]
    missing = ", ".join(sorted(required - _names(first, ",")))
    lacks = f"lacks {missing}; export all columns, with a header"
    if not head.strip():
        return f"is empty: it {lacks}"
    what = _other_shape(lines) or _other_place(lines, required)
    if not what and "," in first and not _names(first, ",") & required:
        what = "has no header line; export it with one"
    return f"{what or lacks}. {begins(first)}"


def begins(line: str) -> str:
    """Show how a line begins."""
    shown = one_line(line)
    cut = shown if len(shown) <= SHOWN_CHARS_MAX else f"{shown[: SHOWN_CHARS_MAX - 1]}…"
    return f"It begins: {cut}" if cut else "It begins with an empty line"


def _other_shape(lines: list[str]) -> str:
    """Name psql's output for people."""
    is_ruled = len(lines) > 1 and _RULE.fullmatch(lines[1]) is not None
    if is_ruled or _EXPANDED.match(lines[0]):
        return r"is psql's aligned output, not CSV; use \copy (…) to stdout csv header"
    return ""


def _other_place(lines: list[str], required: AbstractSet[str]) -> str:
    """Name another separator than the comma, or text before the header."""
    for separator, name in _SEPARATORS.items():
        if len(_names(lines[0], separator) & required) > 1:
            return f"has fields that are separated by {name}, not by commas"
    if any(required <= _names(line, ",") for line in lines[1:]):
        return (
            "has something before its header line, like a login banner or a line of .psqlrc (psql -X"
            " reads none); the header must come first"
        )
    return ""


def _names(line: str, separator: str) -> set[str]:
    return {name.strip().strip('"') for name in line.split(separator)} - {""}
