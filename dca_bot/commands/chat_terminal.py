"""The person's side of `dca-bot chat`: the screen, and the lines that are typed."""

import asyncio
import os
import threading
from contextlib import suppress
from datetime import datetime

from rich.console import Console

from dca_bot.errors import DcaBotError

_PROMPT = "> "


class Screen:
    """Shows messages and notes, and a prompt while the person may type."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._out = _console(stderr=False)
        self._notes = self._out if is_terminal else _console(stderr=True)
        self._is_terminal = is_terminal
        self._is_asking = False

    def message(self, text: str, at: datetime) -> None:
        """Show a message of the bot, without control characters."""
        self._leave_prompt()
        self._out.print(f"── {at.astimezone():%H:%M:%S}", style="cyan")
        self._out.print(_harmless(text))
        self.ask()

    def note(self, text: str) -> None:
        """Show a note, perhaps with words of a relay; on stderr if the messages go into a pipe."""
        self._leave_prompt()
        self._notes.print(_harmless(text), style="yellow")
        self.ask()

    def ask(self) -> None:
        """Show the prompt, unless the prompt is shown already."""
        if self._is_terminal and not self._is_asking:
            self._out.print(_PROMPT, end="")
            self._is_asking = True

    def answered(self) -> None:
        """Record that the person ended the line."""
        self._is_asking = False

    def _leave_prompt(self) -> None:
        """Begin a new line, so that a half typed line stays visible."""
        if self._is_asking:
            self._out.print()
            self._is_asking = False


class LineUnreadable(DcaBotError):
    """A line is not in the terminal's encoding; a name or an amount could be read wrong."""


class Lines:
    """The typed lines; `get` returns None at the end (Ctrl-D)."""

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._encoding = encoding
        # A thread that waits for a person can't be ended, so it must not keep the program.
        threading.Thread(target=self._read, args=(descriptor,), daemon=True).start()

    async def get(self) -> str | None:
        """Wait for the next line; raise LineUnreadable for a line that isn't in the encoding."""
        line = await self._queue.get()
        try:
            return None if line is None else line.decode(self._encoding)
        except UnicodeDecodeError:
            raise LineUnreadable(
                f"That line isn't in {self._encoding.upper()}, so it was not sent."
            ) from None

    def _read(self, descriptor: int) -> None:
        rest = b""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            while chunk := _read_some(descriptor):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
            for last in ([rest] if rest else []) + [None]:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, last)


def _harmless(text: str) -> str:
    """Remove the control characters of a text that would steer the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _console(*, stderr: bool) -> Console:
    """Return a console that shows texts literally: no mark-up, no pictures for `:words:`."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _read_some(descriptor: int) -> bytes:
    """Wait for input; return an empty text at the end, also of a terminal that has gone."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
