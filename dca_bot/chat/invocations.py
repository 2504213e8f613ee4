"""Finds the commands of a message: by the words, by a code, or by a yes to the bot's last question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import COMMAND_WORDS, command_set_of
from dca_bot.chat.destinations import DESTINATION
from dca_bot.chat.general import CONFIRM
from dca_bot.chat.parsing import Invocation, parse
from dca_bot.chat.refusals import NO_COMMAND, NOTHING_SAID, refusal
from dca_bot.chat.services import Services
from dca_bot.chat.unclear import ask_back, declined, not_understood, small_talk
from dca_bot.chat.understanding.answers import Answer, read_answer
from dca_bot.chat.understanding.grammar import written
from dca_bot.chat.understanding.intents import NONE, REFUSED, THANKS, changes
from dca_bot.chat.understanding.meaning import Certainty, Intended, Understanding
from dca_bot.chat.understanding.normaliser import lines_of, words_of
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.destination_text import PAYABLE, read_destination
from dca_bot.core.names import folded, skeleton
from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence import confirmations, inbox, questions
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.programme import client_names
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.messages.say import Code, CommandRefused, Say, refuse

COMMANDS_MAX = 8
"""The commands of a message: each may wait for LNbits."""
_CODE_LENGTH = 4
_CHECKED = frozenset({DESTINATION.name, "MACHINE", "MACHINE AMOUNT"})
"""Arguments of several words that the command itself checks."""


@dataclass(frozen=True)
class _Heard:
    """A message, with all that its reading depends on.

    `question`: the command that the bot asked about last, '' for none. `alike`: names that read like a
    command's word. `names`: the names of clients among the message's words, folded.
    """

    text: str
    command_set: CommandSet
    currency: str
    codes: Sequence[Confirmation]
    question: str
    alike: frozenset[str]
    names: frozenset[str]

    @property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.command_set.role, LEXICONS, self.currency)

    def parse(self, line: str) -> Invocation:
        """Read a command as commands are written; raise CommandRefused for any other line."""
        return parse(line, self.command_set, self.currency, self.alike)

    @property
    def typed(self) -> Invocation | None:
        """Return the message as a command; None for a message that isn't written as a command."""
        return self._parsed if isinstance(self._parsed, Invocation) else None

    @property
    def refused(self) -> Say | None:
        """Return the parser's refusal of a message that begins with a command; None for other messages."""
        said = self._parsed
        return said if isinstance(said, Say) and said.key not in NOTHING_SAID else None

    def code(self, typed: str) -> Confirmation | None:
        """Return the open code that was typed, in any case; None for another text."""
        return next((one for one in self.codes if one.code == typed.upper()), None)

    def is_for_operators(self) -> bool:
        """Tell whether a client has written a command that only operators have."""
        if self.command_set.of_clients:
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


async def read_invocations(
    message: IncomingMessage, command_set: CommandSet, services: Services
) -> list[Invocation | Say]:
    """Read a message: its commands in order, and a refusal for each command that can't be carried out.

    Raise CommandRefused where nothing of the message can run.
    """
    now = services.clock.now()

    def known(tx: Tx) -> _Heard:
        is_operator = bool(command_set.of_clients)  # Only operators write names.
        alike = client_names.named_like(tx, COMMAND_WORDS) if is_operator else []
        words = {skeleton(word) for word in words_of(message.text)} if is_operator else set()
        return _Heard(
            text=message.text,
            command_set=command_set,
            currency=services.currency,
            codes=confirmations.open_codes(tx, message.sender, now=now),
            # An answer is written after its question.
            question=""
            if inbox.wrote_later(tx, message)
            else questions.still_open(tx, message.sender, now=now),
            alike=frozenset(map(skeleton, alike)),
            names=frozenset(map(folded, client_names.named_like(tx, words))),
        )

    heard = await services.database.read(known)
    answer = read_answer(message.text, heard.vocabulary)
    answered = _answered(heard, answer)
    if answered is not None:
        return [answered]
    typed = _as_written(heard)
    if typed is None:
        return _meant(heard, answer)
    destination = typed.args.text(DESTINATION.name)
    if not destination or read_destination(destination).form in PAYABLE:
        return [typed]
    # `wallet ana@example.com, please` is read as plain words; otherwise the command's look refuses.
    meant = [one for one in _meant(heard, answer) if isinstance(one, Invocation)]
    is_read = any(one.args.has(DESTINATION.name) for one in meant)
    return [*meant] if is_read else [typed]


def _answered(heard: _Heard, answer: Answer) -> Invocation | None:
    """Read an answer to the bot's last question or to a code; None for another message.

    A yes never replaces a code. A no to the question leaves the codes open; `cancel` drops everything.
    """
    if answer.stray and heard.code(answer.stray):
        return _confirmed(heard, answer.stray)
    if answer.is_yes and heard.question:
        return replace(heard.parse(heard.question), is_plain=True)
    if answer.is_yes and heard.codes:
        raise _how_to_confirm(heard)
    if answer.is_soft:
        return small_talk("")
    if answer.is_yes:
        raise refuse("cancel.nothing")
    if answer.is_no and heard.question and not answer.is_cancel:
        return declined()
    return heard.parse("cancel") if answer.is_no else None


def _meant(heard: _Heard, answer: Answer) -> list[Invocation | Say]:
    """Read a message in plain words, or of several lines."""
    understood = understand(_with_codes(heard), heard.vocabulary, heard.names)
    is_sure = understood.certainty is Certainty.SURE and understood.first.intent != REFUSED
    if heard.codes and not is_sure and answer.is_alone and len(answer.stray) <= _CODE_LENGTH:
        raise _how_to_confirm(heard)
    named = None if is_sure else _code_among(heard)
    if named is not None:
        raise _how_to_confirm(heard, named)
    if len(understood.intents) > COMMANDS_MAX:
        raise refuse("unclear.too_many", most=COMMANDS_MAX)
    # A number that the reading has left out was meant as an argument: `month 3`.
    is_short = not understood.first.arguments and any(map(str.isdigit, heard.text))
    is_asked = understood.certainty is Certainty.ASK and bool(understood.first.arguments)
    if heard.refused is not None and (is_short or not (is_sure or is_asked)):
        return [heard.refused]
    if is_sure:
        return _all_or_none(heard, [_invocation(heard, one) for one in understood.intents])
    if understood.certainty is Certainty.SURE:
        why, name = understood.first.arguments["why"], understood.first.arguments.get("command", "")
        return [refusal(str(why), str(name), heard.command_set, heard.currency)]
    if len(lines_of(heard.text)) > 1:  # A yes could mean any of the lines.
        return [Say("unclear.lines")]
    is_named = understood.certainty is Certainty.NONE or len(heard.text.split()) > 1
    if is_named and heard.is_for_operators():
        return [Say("unknown.nothing")]
    return [_asked(heard, understood)]


def _all_or_none(heard: _Heard, found: list[Invocation | Say]) -> list[Invocation | Say]:
    """Return the commands; only a refusal if one of several can't be read and another changes something."""
    role = heard.command_set.role
    named = [one.command.name for one in found if isinstance(one, Invocation)]
    is_broken = 0 < len(named) < len(found)
    is_change = any(changes(role, name) for name in named)
    return [Say("unclear.lines")] if is_broken and is_change else found


def _invocation(heard: _Heard, intended: Intended) -> Invocation | Say:
    """Return a command of a sure reading, or the refusal."""
    name = intended.intent
    if name == THANKS:
        return small_talk(heard.text)
    if name == NONE:
        return not_understood(())
    try:
        if name == CONFIRM.name:
            return _confirmed(heard, str(intended.arguments.get("code", "")))
        typed = heard.typed
        is_same = typed is not None and typed.command.name == name
        if typed is not None and is_same and not typed.args.has(DESTINATION.name):
            return typed
        line = written(heard.command_set.role, name, intended.arguments)
        return replace(heard.parse(line), is_plain=not intended.is_exact)
    except CommandRefused as refused:
        return heard.refused or (not_understood(()) if refused.say == NO_COMMAND else refused.say)


def _asked(heard: _Heard, understood: Understanding) -> Invocation | Say:
    """Ask back, or name what could be meant."""
    if understood.certainty is Certainty.NONE:
        return not_understood(understood.nearest)
    first = understood.first
    line = written(heard.command_set.role, first.intent, first.arguments)
    try:
        heard.parse(line)
    except CommandRefused:
        return not_understood(understood.asked)
    others = [name for name in understood.asked if name != first.intent]
    names = {command.name for command in heard.command_set.table}
    return ask_back(line, next((name for name in others if name in names), ""))


def _as_written(heard: _Heard) -> Invocation | None:
    """Read a message that is written as a command, whatever the lexicons make of it; None for other messages.

    A text that is passed on is never judged. A last argument of several words can take back a command that
    changes something, as a note can, unless the command itself checks the words.
    """
    typed = heard.typed
    if typed is None or typed.command is CONFIRM:
        return None
    last = typed.command.params[-1] if typed.command.params else None
    if last is not None and last.verbatim and typed.args.has(last.name):
        return typed
    is_change = changes(heard.command_set.role, typed.command.name)
    is_open = last is not None and last.rest and last.name not in _CHECKED and is_change
    is_whole = last is None or not is_open or not typed.args.has(last.name)
    return typed if is_whole and "?" not in heard.text else None


def _confirmed(heard: _Heard, typed: str) -> Invocation:
    """Return the command to which a typed code is bound; raise CommandRefused for no open code."""
    found = heard.code(typed)
    if found is None:
        raise refuse("confirm.unknown")
    return replace(heard.parse(found.command), code=found)


def _with_codes(heard: _Heard) -> str:
    """Return the message with `confirm` before each line that is an open code."""
    if not heard.codes:
        return heard.text
    lines = heard.text.splitlines()
    strays = [read_answer(line, heard.vocabulary).stray for line in lines]
    return "\n".join(
        f"{CONFIRM.name} {stray}" if stray and heard.code(stray) else line
        for line, stray in zip(lines, strays, strict=True)
    )


def _code_among(heard: _Heard) -> Confirmation | None:
    """Return the open code that stands among words, written as the bot writes codes; None without one.

    Nothing is confirmed by a code among other words: the words may say that the code isn't meant.
    """
    words = (token.raw for line in lines_of(heard.text) for token in line.tokens)
    return next((one for one in heard.codes if one.code in words), None)


def _how_to_confirm(heard: _Heard, named: Confirmation | None = None) -> CommandRefused:
    code = named or heard.codes[-1]
    return refuse("confirm.how", code=Code(code.code, code.expires_at))
