"""Prints for a person, in any encoding of the terminal.

The invariant: printing never ends a command. A character outside the encoding is written in other
characters, so the exit status tells of the command alone.
"""

import codecs
import contextlib
import io
import os
import sys
import unicodedata

_PLAIN = "dca_bot_plain"
_IN_ASCII = {
    "✓": "ok",
    "✗": "FAILED",
    "·": "-",
    "…": "...",
    "─": "-",
    "\u2013": "-",
    "—": "-",
    "→": "->",
    "\u2019": "'",
    "“": '"',
    "”": '"',
}


def settle_streams() -> None:
    """Let stdout and stderr accept any character, and let a closed stdin be at its end."""
    codecs.register_error(_PLAIN, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 (for the whole run)


def say(text: str) -> None:
    """Print a line to stdout."""
    print(text, flush=True)  # noqa: T201


def say_meanwhile(text: str) -> None:
    """Print a text that the next line overwrites at a terminal."""
    print(text, end="\r", flush=True)  # noqa: T201


def complain(text: str) -> None:
    """Print a line to stderr; an error of the stream is ignored, for nobody would read the report."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201


def columns() -> int:
    """Return the width of the terminal in characters; 0 if unknown."""
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0


def can_write(text: str) -> bool:
    """Tell whether stdout's encoding has all characters of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def flush() -> None:
    """Write the buffered output; raise OSError if stdout doesn't take the rest."""
    if sys.stdout is not None:
        sys.stdout.flush()


def close_stdout() -> None:
    """Drop the unwritable output, so that Python doesn't try to write again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement for the characters that an encoding lacks, and the place to go on from."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(letter) or _bare(letter) for letter in missing), error.end


def _bare(letter: str) -> str:
    """Return a letter without accents, or a question mark."""
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return bare or "?"
