"""A page of a conversation: chat lines in scenes, with what differs between runs masked."""

import random
import re
import textwrap
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

CODE = re.compile(r"\bconfirm(?:ar)? ([2-9A-HJ-NP-Z]{4})\b")
ZONE = ZoneInfo("America/Guatemala")
PHONE_LINES, PHONE_COLUMNS = 12, 40
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_WIDTH = 72
_INVOICE = re.compile(r"\b(ln(?:bc|bcrt|tb)[0-9a-z]{8})[0-9a-z]{40,}")
_HOST = re.compile(r"127\.0\.0\.1:\d+")


def phone_lines(text: str) -> int:
    """Return how many lines of a phone a text takes."""
    return sum(max(1, -(-len(line) // PHONE_COLUMNS)) for line in text.splitlines())


@dataclass
class Page:
    """A conversation as text; `me` is what the person is called in it."""

    me: str
    seed: str
    masks: dict[str, str] = field(default_factory=dict)
    """What is written instead of a wallet's key or address."""
    long: list[str] = field(default_factory=list)
    """Each answer that is longer than a phone's page."""
    code: str = "0000"
    _codes: dict[str, str] = field(default_factory=dict)
    _parts: list[str] = field(default_factory=list)
    _block: list[str] = field(default_factory=list)

    def scene(self, title: str) -> None:
        self._close()
        self._parts.append(f"## {title}")

    def aside(self, note: str) -> None:
        """Tell what happens outside of the conversation."""
        self._close()
        self._parts.append(f"*{note}*")

    def person(self, turn: int, text: str) -> None:
        self._line(f"{turn:>2}", self.me, text)

    def bot(self, text: str) -> None:
        codes = CODE.findall(text)
        # Codes of earlier questions stand after the question's own.
        self.code = codes[0] if codes else self.code
        for code in codes:
            if code not in self._codes:
                source = random.Random(f"{self.seed} {len(self._codes)}")
                self._codes[code] = "".join(source.choices(_ALPHABET, k=4))
        if phone_lines(text) > PHONE_LINES:
            self.long.append(self._masked(text))
        self._line("  ", "bot", text)

    def silence(self) -> None:
        """Tell that the bot answers nothing."""
        self._line("  ", "bot", "(no answer)")

    def text(self, title: str, head: str) -> str:
        """Return the whole page."""
        self._close()
        return "\n\n".join([f"# {title}", head, *self._parts]) + "\n"

    def _line(self, number: str, who: str, text: str) -> None:
        first = f"{number} {datetime.now(ZONE):%H:%M} {who:<{len(self.me)}}  "
        lines = []
        for line in self._masked(text).splitlines() or [""]:
            lines += textwrap.wrap(
                line, _WIDTH - len(first), break_long_words=False, break_on_hyphens=False
            ) or [""]
        body = f"\n{' ' * len(first)}".join(lines)
        self._block.append("\n".join(one.rstrip() for one in (first + body).splitlines()))

    def _masked(self, text: str) -> str:
        for real, shown in self.masks.items():
            text = text.replace(real, shown)
        for real, shown in self._codes.items():
            text = re.sub(rf"\b{real}\b", shown, text)
            text = re.sub(rf"\b{real.lower()}\b", shown.lower(), text)
        return _HOST.sub("wallet.example", _INVOICE.sub(r"\1…", text))

    def _close(self) -> None:
        if self._block:
            lines = "\n".join(self._block)
            self._parts.append(f"```text\n{lines}\n```")
            self._block.clear()
