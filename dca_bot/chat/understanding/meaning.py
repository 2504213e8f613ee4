"""The meaning of a message: commands with arguments, and the certainty of the reading."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from dca_bot.chat.understanding.intents import NONE, REFUSED

Arguments = dict[str, str | int]


class Certainty(StrEnum):
    """How sure a meaning is: SURE is carried out, ASK is asked back, NONE is not understood."""

    SURE = "sure"
    ASK = "ask"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Intended:
    """A command with arguments; amounts are texts in whole units: `1500.00`.

    `is_exact`: written as a command, not in plain words. `line`: which line of several it is.
    """

    intent: str
    arguments: Arguments
    is_exact: bool = field(default=False, repr=False, compare=False)
    line: int = field(default=0, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Understanding:
    """The commands that a message means, in order.

    `asked`: the likeliest commands, for a question to the sender.
    `nearest`: commands that words of a message not understood belong to.
    `unread`: the number of the line that isn't understood; 0 where it isn't a single line.
    """

    intents: tuple[Intended, ...]
    certainty: Certainty
    asked: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    unread: int = field(default=0, repr=False, compare=False)

    @property
    def first(self) -> Intended:
        """Return the first command."""
        return self.intents[0]

    @property
    def is_exact(self) -> bool:
        """Tell whether all commands are written as commands."""
        return all(one.is_exact for one in self.intents)


NOTHING = Understanding((Intended(NONE, {}),), Certainty.NONE)


def sure(name: str, arguments: Arguments, *, is_exact: bool = False) -> Understanding:
    """Return a single command that is sure."""
    return Understanding((Intended(name, arguments, is_exact),), Certainty.SURE)


def refused(why: str, command: str = "") -> Understanding:
    """Return a refusal; `why`: the key of the sentence that tells the reason."""
    return sure(REFUSED, {"why": why, "command": command} if command else {"why": why})


def in_doubt(understood: Understanding, asked: tuple[str, ...] = ()) -> Understanding:
    """Return a meaning that is asked back, by default for the first command alone."""
    return replace(understood, certainty=Certainty.ASK, asked=asked or (understood.first.intent,))
