"""Finds what one code carries out: the changes of several lines, and the numbers of a range.

The invariant: the code is bound to each single command. What is new since the question isn't included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dca_bot.chat.ids import IDS_MAX
from dca_bot.chat.incoming import Incoming
from dca_bot.chat.parsing import Invocation
from dca_bot.chat.understanding.intents import Effect, intent_of
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import CommandRefused, Say, refuse

COMMANDS_MAX = 8
"""The commands of a message, a batch counted as one: each may wait for LNbits, or get a code."""
_JOINED = frozenset({Effect.CODED, Effect.SETTING})


@dataclass(frozen=True, slots=True)
class Batch:
    """Several commands that one code carries out, all or none.

    `code`: the code by which the batch is given again. `replaces`: the code that the new code makes void.
    """

    parts: tuple[Invocation, ...]
    code: Confirmation | None = None
    replaces: Confirmation | None = None

    is_change = True

    @property
    def line(self) -> str:
        """Return the commands, each on a line."""
        return "\n".join(part.line for part in self.parts)


Found = Invocation | Batch | Say
"""A command, a batch, or a refusal."""


def commands_of(incoming: Incoming, code: Confirmation) -> list[Invocation]:
    """Return the commands to which a code is bound. A text that is passed on has lines of its own."""
    lines = code.command.splitlines()
    try:
        return [incoming.parse(code.command)]
    except CommandRefused:
        if len(lines) == 1:
            raise
    return [incoming.parse(line) for line in lines]


def confirmed(incoming: Incoming, code: Confirmation) -> Invocation | Batch:
    """Return the command or the batch to which a code is bound, given again."""
    first, *others = commands_of(incoming, code)
    return Batch((first, *others), code) if others else replace(first, code=code)


def joined(tx: Tx, incoming: Incoming, found: Sequence[Found]) -> list[Found]:
    """Join an operator's changes to a batch: where one needs a code, or where they are many.

    Raise CommandRefused for a range with nothing in it, and for too many commands.
    """
    every = [each for one in found for each in _each(tx, incoming, one)]
    parts = [one for one in every if isinstance(one, Invocation) and _is_joined(incoming, one)]
    is_asked = any(one.command.needs_code(one.args) for one in parts) or len(parts) > COMMANDS_MAX
    if len(parts) > IDS_MAX:
        raise refuse("batch.too_many", most=IDS_MAX)
    if len(parts) > 1 and is_asked:
        replaces = next((one.replaces for one in parts if one.replaces), None)
        others = [one for one in every if one not in parts]
        every = [*others, Batch(tuple(parts), replaces=replaces)]
    if len(every) > COMMANDS_MAX:
        raise refuse("unclear.too_many", most=COMMANDS_MAX)
    return every


def _each(tx: Tx, incoming: Incoming, one: Found) -> Iterator[Found]:
    """Yield a command once for each number that its argument ID means."""
    numbers = None
    if isinstance(one, Invocation) and one.command.numbers is not None and one.code is None:
        numbers = one.command.numbers(tx, one.args)
    if not isinstance(one, Invocation) or numbers is None:
        yield one
        return
    words, place = one.line.split(), len(one.command.words)
    for number in numbers:
        line = " ".join([*words[:place], str(number), *words[place + 1 :]])
        yield replace(one, args=incoming.parse(line).args, line=line)


def _is_joined(incoming: Incoming, one: Invocation) -> bool:
    effect = intent_of(incoming.command_set.role, one.command.name).effect
    return incoming.is_operators and one.code is None and effect in _JOINED
