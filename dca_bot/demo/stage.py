"""The demo on the screen: at a terminal at the pace of a reader, in a pipe as fast as it goes."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from dca_bot.commands.chat_terminal import Lines, LineUnreadable
from dca_bot.core.money import sat_text

_WORDS_PER_S = 4
_PAUSE_MAX_S = 25
_PARAGRAPH = "  "


@dataclass(frozen=True, slots=True)
class PayeeLine:
    """A payee at the end of the demo: the sum paid by the ledger, and the wallet's balance."""

    name: str
    paid_sat: int
    wallet_sat: int

    @property
    def is_equal(self) -> bool:
        """Tell whether all that was paid, and something was, is in the wallet."""
        return self.paid_sat == self.wallet_sat > 0


class Stage:
    """Shows the story; `lines` are what a person types at the terminal, None without a person.

    `messages`: how many messages were shown. `is_quiet`: messages are counted and not shown.
    """

    def __init__(self, lines: Lines | None) -> None:
        self.lines = lines
        self.messages = 0
        self.is_quiet = False
        self._console = Console(highlight=False, soft_wrap=True)
        self._unread_words = 0

    async def scene(self, text: str) -> None:
        """Announce the next scene, once there was time to read the last one, or after Enter."""
        await self._let_read()
        self._console.print(f"\n[bold]== {text}[/bold]")

    def show(self, sender: str, recipient: str, text: str) -> None:
        """Show a message."""
        self.messages += 1
        if self.is_quiet:
            return
        colour = "cyan" if sender == "bot" else "green"
        self._console.print(f"[{colour}]{sender} → {recipient}[/{colour}]")
        for line in text.splitlines():
            self._console.print(f"{_PARAGRAPH}{line}", markup=False)
        self._unread_words += len(text.split())

    def note(self, text: str) -> None:
        """Tell something that isn't a message."""
        self._console.print(f"[yellow]{text}[/yellow]")
        self._unread_words += len(text.split())

    def table(self, lines: Sequence[PayeeLine]) -> None:
        """Put ledger and wallets side by side."""
        table = Table("client", "paid, by the ledger", "in the LNbits wallet", "")
        for line in lines:
            same = "equal" if line.is_equal else "DIFFERENT"
            table.add_row(line.name, sat_text(line.paid_sat), sat_text(line.wallet_sat), same)
        self._console.print(table)

    async def typed(self) -> str | None:
        """Wait for the next line that the person types; None after the end (Ctrl-D)."""
        if self.lines is None:
            return None
        with contextlib.suppress(LineUnreadable):
            line = await self.lines.get()
            if line is None:
                self.lines = None
            return line
        return ""

    async def forget_typed(self) -> None:
        """Drop what was typed so far, such as an Enter too many."""
        with contextlib.suppress(TimeoutError):
            while await asyncio.wait_for(self.typed(), 0.1) is not None:
                pass

    async def _let_read(self) -> None:
        words, self._unread_words = self._unread_words, 0
        if self.lines is not None and words:
            self._console.print("[dim]… Enter goes on[/dim]")
            with contextlib.suppress(TimeoutError):
                pause_s = min(words / _WORDS_PER_S, _PAUSE_MAX_S)
                await asyncio.wait_for(self.typed(), pause_s)


def lines_of_terminal() -> Lines | None:
    """Return what a person types at this terminal; None in a pipe, and in CI."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("CI"):
        return None
    return Lines(sys.stdin.fileno(), sys.stdin.encoding)
