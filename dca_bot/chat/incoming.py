"""A message, with what its reading depends on: the sender's commands, open codes, and names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import COMMAND_WORDS, command_set_of
from dca_bot.chat.ids import goes_on
from dca_bot.chat.parsing import Invocation, parse
from dca_bot.chat.refusals import NOTHING_SAID
from dca_bot.chat.understanding.normaliser import words_of
from dca_bot.chat.understanding.reading import vocabulary_of
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.names import folded, skeleton
from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence import confirmations, inbox, questions
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.programme import client_names, machines
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.messages.say import CommandRefused, Say


@dataclass(frozen=True)
class Incoming:
    """A message, with all that its reading depends on.

    `question`: the command that the bot asked about last, '' for none. `alike`: names that read like a
    command's word. `names`: the names of clients among the message's words, folded. `machines`: the names of
    all machines, folded.
    """

    text: str
    command_set: CommandSet
    currency: str
    codes: Sequence[Confirmation]
    question: str
    alike: frozenset[str]
    names: frozenset[str]
    machines: frozenset[str]

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the words of the role, in all languages."""
        return vocabulary_of(self.command_set.role, LEXICONS, self.currency)

    def parse(self, line: str) -> Invocation:
        """Read a command as commands are written; raise CommandRefused for any other line."""
        return parse(line, self.command_set, self.currency, self.alike)

    @property
    def typed(self) -> Invocation | None:
        """Return the message as a command; None for a message that isn't written as a command.

        `deposit confirm 1 2 3` has numbers where the machine stands: plain words may be written so.
        """
        found = self._parsed
        if not isinstance(found, Invocation):
            return None
        machine = found.args.text("MACHINE")
        is_list = found.command.numbers is not None and goes_on(machine)
        is_machine = any(one.startswith(folded(machine)) for one in self.machines)
        return None if is_list and not is_machine else found

    @property
    def refused(self) -> Say | None:
        """Return the parser's refusal of a message that begins with a command; None for other messages."""
        said = self._parsed
        return said if isinstance(said, Say) and said.key not in NOTHING_SAID else None

    def code(self, typed: str) -> Confirmation | None:
        """Return the open code that was typed, in any case; None for another text."""
        return next((one for one in self.codes if one.code == typed.upper()), None)

    @property
    def is_operators(self) -> bool:
        """Tell whether an operator has written the message."""
        return bool(self.command_set.of_clients)

    def is_for_operators(self) -> bool:
        """Tell whether a client has written a command that only operators have."""
        if self.is_operators:
            return False
        try:
            parse(self.text, command_set_of(None), self.currency)
        except CommandRefused:
            return False
        return True

    @cached_property
    def _parsed(self) -> Invocation | Say:
        """Return the message as a command, or the parser's refusal."""
        try:
            return self.parse(self.text)
        except CommandRefused as refused:
            return refused.say


def look_up(
    tx: Tx, message: IncomingMessage, command_set: CommandSet, currency: str, now: datetime
) -> Incoming:
    """Look up what the reading of a message depends on."""
    is_operator = bool(command_set.of_clients)  # Only operators write names.
    alike = client_names.named_like(tx, COMMAND_WORDS) if is_operator else []
    words = {skeleton(word) for word in words_of(message.text)} if is_operator else set()
    known = machines.everything(tx) if is_operator else []
    # An answer is written after its question.
    is_overtaken = inbox.wrote_later(tx, message)
    return Incoming(
        text=message.text,
        command_set=command_set,
        currency=currency,
        codes=confirmations.open_codes(tx, message.sender, now=now),
        question="" if is_overtaken else questions.still_open(tx, message.sender, now=now),
        alike=frozenset(map(skeleton, alike)),
        names=frozenset(map(folded, client_names.named_like(tx, words))),
        machines=frozenset(folded(one.name) for one in known),
    )
