"""Prints for a person, whatever the terminal's encoding is.

The invariant: nothing that is printed ends a command. A character that the encoding lacks is
written in other ones, so the exit status is what the command says.
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
    """Have stdout and stderr write any character, and give a closed stdin an end."""
    codecs.register_error(_PLAIN, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 (for the whole run)


def say(text: str) -> None:
    """Print a line to stdout."""
    print(text, flush=True)  # noqa: T201


def complain(text: str) -> None:
    """Print a line to stderr; where that can't be done nobody reads it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201


def columns() -> int:
    """Return how wide the terminal is; 0 where nobody knows."""
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0


def can_write(text: str) -> bool:
    """Tell whether stdout's encoding has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def flush() -> None:
    """Write what is left; raise OSError where that can't be done."""
    if sys.stdout is not None:
        sys.stdout.flush()


def close_stdout() -> None:
    """Forget what can't be written, so that Python doesn't try again at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return other characters for those that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(letter) or _bare(letter) for letter in missing), error.end


def _bare(letter: str) -> str:
    """Return a letter without its accents, or a question mark."""
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return bare or "?"
