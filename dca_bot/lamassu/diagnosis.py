"""Says what a file is instead of the export, judged by the beginning.

No table is read here: the file is refused. The first line is shown to the operator, cut short and
without control characters, as anybody may have written the file.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from dca_bot.errors import one_line

HEAD_BYTES = 2**16
"""How much of a file's beginning is judged."""
UTF8_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARS_MAX = 60
_MESSAGE_CHARS_MAX = 160
_BY_COPY = r"export it with \copy (…) to stdout csv header"
# UTF-32 first: the mark of UTF-32 (little endian) begins with the mark of UTF-16.
_ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_OTHER_FILES = {
    "is packed (gzip); unpack it first": b"\x1f\x8b",
    "is packed (bzip2); unpack it first": b"BZh",
    "is packed (xz); unpack it first": b"\xfd7zXZ",
    "is packed (zstd); unpack it first": b"\x28\xb5\x2f\xfd",
    "is packed (7z); unpack it first": b"7z\xbc\xaf\x27\x1c",
    f"is a dump in pg_dump's own format, not CSV; {_BY_COPY}": b"PGDMP",
    f"is in the binary format of COPY, not CSV; {_BY_COPY}": b"PGCOPY",
    f"is a spreadsheet (xls), not CSV; {_BY_COPY}": b"\xd0\xcf\x11\xe0",
    f"is a database of SQLite, not CSV; {_BY_COPY}": b"SQLite format 3",
    f"is a PDF document, not CSV; {_BY_COPY}": b"%PDF",
}
_ZEROS_OF_UTF32 = 3
_ZIP = b"PK\x03\x04"
_SPREADSHEETS = {b"xl/": "xlsx", b"[Content_Types].xml": "xlsx", b"opendocument": "ods"}
_TAR = (257, b"ustar")
_WEB_PAGE = re.compile(r"\s*(<!doctype|<html|<head|<body|<table|<\?xml)", re.IGNORECASE)
_JSON = re.compile(r'\s*([\[{]\s*["{\[]|\[\s*\]|\{\s*\})')
_SQL = re.compile(
    r"-- (PostgreSQL|MySQL|MariaDB|Dump)|/\*!|(COPY [^()]+\(.*\) FROM stdin"
    r"|INSERT INTO|CREATE TABLE|SET \w+ ?=|BEGIN;)",
    re.IGNORECASE,
)
_ENCRYPTED = re.compile(r"-----BEGIN PGP|age-encryption\.org|Salted__")
_MESSAGE = re.compile(
    r"(psql|pg_dump|\[?sudo\]?|su|-?bash|sh|zsh|cat|ssh|mysql|docker)\b[^,;|\t]*:"
    r"|(ERROR|FATAL|HINT|NOTICE|WARNING|DETAIL|FEHLER|Error|Password|Contraseña)\b[^,;|\t]*:"
    r"|.*(command not found|permission denied|No such file|not allowed)",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*-[-+]*\s*|\+-[-+]*\+")
_EXPANDED = re.compile(r"-\[ RECORD 1 \]|\*+ 1\. row \*+")
_SEPARATORS = {";": ";", "\t": "tabs", "|": "|"}
_VALUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-|\d{4}-\d\d-\d\d |(^|[,\t])(\d+(\.\d+)?|[tf])([,\t]|$)"
)
_WRAPPING = " \"'`[]"
# For each table, columns that no other table has.
_TELLTALES = {
    "cash_out_txs": {"dispense", "dispense_confirmed"},
    "cash_out_actions": {"tx_id", "action"},
    "cash_in_txs": {"send_confirmed", "fiat_code"},
    "devices": {"device_id", "name", "paired"},
}
_FOOTER = re.compile(r"\(\d+ \w+\)|COPY \d+|(Time|Tiempo|Zeit|Duración): .*|\\\.")


def not_text(head: bytes) -> str:
    """Say why a file is no text in UTF-8, by the first bytes; empty without a sign of another format."""
    for what, mark in _OTHER_FILES.items():
        if head.startswith(mark):
            return what
    if head.startswith(_ZIP):
        kinds = (kind for mark, kind in _SPREADSHEETS.items() if mark in head)
        kind = next(kinds, "")
        return (
            f"is a spreadsheet ({kind}), not CSV; {_BY_COPY}"
            if kind
            else ("is packed (zip); unpack it first")
        )
    if head.startswith(_TAR[1], _TAR[0]):
        return "is packed (tar); unpack it first"
    marked = next((name for mark, name in _ENCODINGS if head.startswith(mark)), "")
    encoding = marked or _unmarked(head.partition(b"\n")[0])
    if encoding:
        return f"is written in {encoding}; save it as UTF-8"
    if b"\0" in head.partition(b"\n")[0]:
        return "is no text: it has zero bytes"
    return ""


def not_the_export(head: str, table: str, required: AbstractSet[str]) -> str:
    """Say what a file without all required columns in the first line is, or which columns are missing."""
    lines = head.splitlines() or [""]
    if not head.strip():
        return "is empty; export all columns, with a header"
    if what := _other_place(lines, required):
        return f"{what}. {begins(lines[0])}"
    return other_shape(head) or (f"{_other_names(lines[0], table, required)}. {begins(lines[0])}")


def other_shape(head: str) -> str:
    """Say which other format a text has, judged by the beginning, not by columns; empty without a sign."""
    lines = head.splitlines()[:2]
    first = lines[0]
    if _MESSAGE.match(first):
        shown = begins(first, chars_max=_MESSAGE_CHARS_MAX)
        return f"is a message of a program, not a table; see to what it says. {shown}"
    shapes = {
        "is a web page (HTML), perhaps a login or an error, not CSV": _WEB_PAGE.match(head),
        f"is JSON, not CSV; {_BY_COPY}": _JSON.match(head),
        f"is a dump of SQL commands, not CSV; {_BY_COPY}": any(map(_SQL.match, lines)),
        "is encrypted; decrypt it first": _ENCRYPTED.match(head),
        f"is psql's aligned output, not CSV; {_BY_COPY}": any(map(_RULE.fullmatch, lines))
        or _EXPANDED.match(first),
        "ends its lines as old Macs did (CR alone); let them end with LF": "\n" not in head
        and "\r" in head,
    }
    return next((f"{what}. {begins(first)}" for what, is_so in shapes.items() if is_so), "")


def odd_row(record: str) -> str:
    """Say what a row of an odd length is: psql's footer, or another table's header; else empty."""
    names = _plain_names(record)
    if _FOOTER.fullmatch(record):
        return " That is psql's, not a row: psql -q prints none."
    if any(telltale <= names for telltale in _TELLTALES.values()):
        return " Another table begins there: export each into a file of its own."
    return ""


def begins(line: str, *, chars_max: int = _SHOWN_CHARS_MAX) -> str:
    """Quote the beginning of a line."""
    shown = one_line(line)
    cut = shown if len(shown) <= chars_max else f"{shown[: chars_max - 1]}…"
    return f"It begins: {cut}" if cut else "It begins with an empty line"


def _unmarked(first: bytes) -> str:
    """Name an encoding without a byte order mark, by the zero bytes beside each ASCII letter."""
    letters = first[:64]
    zeros = letters.count(0)
    if not zeros or zeros * 3 < len(letters) or zeros == len(letters):
        return ""
    places = {place % 4 for place, byte in enumerate(letters) if not byte}
    return "UTF-32" if len(places) == _ZEROS_OF_UTF32 else "UTF-16"


def _other_place(lines: Sequence[str], required: AbstractSet[str]) -> str:
    """Say that fields are separated by another sign than commas, or that text stands before the header."""
    for separator, name in _SEPARATORS.items():
        if len(_names(lines[0], separator) & required) > 1 and not _is_ruled(lines):
            return f"has fields that are separated by {name}, not by commas"
    if any(required <= _names(line, ",") for line in lines[1:]):
        return (
            "has something before its header line, like a login banner or a line of .psqlrc (psql -X"
            " reads none); the header must come first"
        )
    return ""


def _is_ruled(lines: Sequence[str]) -> bool:
    return any(_RULE.fullmatch(line) for line in lines[:2])


def _other_names(first: str, table: str, required: AbstractSet[str]) -> str:
    """Say what is wrong with the names of the columns."""
    found, plain = _names(first, ","), _plain_names(first)
    if not found & required and not plain & required:
        if _VALUE.search(first):
            is_text = "\t" in first and "," not in first
            if is_text:
                return f"is in the text format of COPY, not CSV; {_BY_COPY}"
            return "has no header line; export it with one"
        return "has none of its columns; export all of them, with a header"
    for other, telltale in _TELLTALES.items():
        if other != table and telltale <= plain and not required <= plain:
            return f"is the table {other}; put each into the file of its own name"
    if required <= plain:
        return (
            "has its columns' names in another form (capitals, spaces, quotes, a table's name before"
            f" them); {_BY_COPY}"
        )
    return f"lacks {', '.join(sorted(required - found))}; export all columns, with a header"


def _names(line: str, separator: str) -> set[str]:
    return {name.strip().strip('"') for name in line.split(separator)} - {""}


def _plain_names(line: str) -> set[str]:
    """Return the columns' names without quotes, spaces and a table's name, in small letters."""
    return {name.strip(_WRAPPING).rpartition(".")[2].casefold() for name in line.split(",")}
