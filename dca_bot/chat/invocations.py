"""Finds the commands of a message: by the words, by a code, or by a yes to the bot's last question."""

from collections.abc import Sequence
from dataclasses import replace

from dca_bot.chat.batches import Batch, Found, confirmed, joined
from dca_bot.chat.client.topics import topic_told
from dca_bot.chat.command import CommandSet
from dca_bot.chat.corrections import corrected, with_machine
from dca_bot.chat.destinations import DESTINATION
from dca_bot.chat.general import CONFIRM
from dca_bot.chat.incoming import Incoming, look_up
from dca_bot.chat.parsing import Invocation, bare
from dca_bot.chat.refusals import NO_COMMAND, refusal
from dca_bot.chat.services import Services
from dca_bot.chat.unclear import ask_back, declined, not_understood, offer_contact, small_talk
from dca_bot.chat.understanding.answers import Answer, read_answer
from dca_bot.chat.understanding.arguments import OPERATOR
from dca_bot.chat.understanding.grammar import written
from dca_bot.chat.understanding.intents import (
    CONTACT,
    HELP,
    NONE,
    REFUSED,
    THANKS,
    Effect,
    changes,
    intent_of,
)
from dca_bot.chat.understanding.lines import without_courtesy
from dca_bot.chat.understanding.meaning import Certainty, Intended, Understanding
from dca_bot.chat.understanding.mood import only_denies, passes_on
from dca_bot.chat.understanding.normaliser import lines_of
from dca_bot.chat.understanding.reading import LINES_MAX, understand
from dca_bot.chat.understanding.topics import topic_of
from dca_bot.core.destination_text import PAYABLE, read_destination
from dca_bot.core.ports import IncomingMessage
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.messages.say import NOTHING, Code, CommandRefused, Say, refuse

_CODE_LENGTH = 4
_MACHINE = frozenset({"MACHINE"})
_CHECKED = frozenset({DESTINATION.name, "MACHINE AMOUNT"}) | _MACHINE
"""Arguments of several words that the command itself checks; a machine only once a machine is known."""
_WITHDRAW = "withdraw"


async def read_invocations(
    message: IncomingMessage, command_set: CommandSet, services: Services
) -> list[Found]:
    """Read a message: its commands in order, and a refusal for each command that can't be carried out.

    Raise CommandRefused where nothing of the message can run.
    """
    now, currency = services.clock.now(), services.currency
    incoming = await services.database.read(
        lambda tx: look_up(tx, message, command_set, currency, now)
    )
    found = _found(incoming)
    return await services.database.read(lambda tx: joined(tx, incoming, found))


def _found(incoming: Incoming) -> Sequence[Found]:
    """Read a message, each line for itself."""
    answer = read_answer(incoming.text, incoming.vocabulary)
    answered = _answered(incoming, answer) or corrected(incoming)
    if answered is not None:
        return [answered]
    again = with_machine(incoming)
    if again:
        return again
    typed = _as_written(incoming)
    if typed is None:
        return _meant(incoming, answer)
    destination = typed.args.text(DESTINATION.name)
    if not destination or read_destination(destination).form in PAYABLE:
        return [typed]
    # `wallet ana@example.com, please` is read as plain words; otherwise the command's look refuses.
    meant = [one for one in _meant(incoming, answer) if isinstance(one, Invocation)]
    is_read = any(one.args.has(DESTINATION.name) for one in meant)
    return meant if is_read else [typed]


def _answered(incoming: Incoming, answer: Answer) -> Invocation | Batch | None:
    """Read an answer to the bot's last question or to a code; None for another message.

    A yes never replaces a code. A no to the question leaves the codes open; `cancel` drops everything.
    """
    if answer.stray and incoming.code(answer.stray):
        return _confirmed(incoming, answer.stray)
    if answer.is_yes and incoming.question:
        return replace(incoming.parse(incoming.question), is_plain=True)
    if answer.is_yes and incoming.codes:
        raise _how_to_confirm(incoming)
    if answer.is_soft:
        return small_talk("")
    if answer.is_yes:
        raise refuse("cancel.nothing")
    if answer.is_no and incoming.question and not answer.is_cancel:
        return declined()
    return incoming.parse("cancel") if answer.is_no else None


def _meant(incoming: Incoming, answer: Answer) -> list[Found]:
    """Read a message in plain words, or of several lines."""
    understood = understand(
        _with_codes(incoming), incoming.vocabulary, incoming.names, incoming.machines
    )
    is_refused = understood.first.intent == REFUSED and len(understood.intents) == 1
    is_sure = understood.certainty is Certainty.SURE and not is_refused
    if incoming.codes and not is_sure and answer.is_alone and len(answer.stray) <= _CODE_LENGTH:
        raise _how_to_confirm(incoming)
    named = None if is_sure else _code_among(incoming)
    if named is not None:
        raise _how_to_confirm(incoming, named)
    first = understood.first
    # A number that the reading has left out was meant as an argument: `month 3`. So was `all` in
    # `withdraw ana all`, which isn't what ana has asked for.
    is_short = not first.arguments and any(map(str.isdigit, incoming.text))
    is_short = is_short or (first.intent == _WITHDRAW and "amount" not in first.arguments)
    is_asked = understood.certainty is Certainty.ASK and bool(first.arguments)
    if incoming.refused is not None and (is_short or not (is_sure or is_asked)):
        return [incoming.refused]
    fixed = _for_client(incoming, understood)
    if fixed is not None:
        return [fixed]
    if is_sure:
        return _all_or_none(incoming, understood.intents)
    if understood.certainty is Certainty.SURE:
        return [_refused(incoming, first)]
    return [_asked(incoming, understood)]


def _for_client(incoming: Incoming, understood: Understanding) -> Invocation | None:
    """Answer a client's question by a topic, or offer to pass the client's words on; None for other messages.

    What is written as a command, has arguments, or is refused is no topic. Where a command may be meant, the
    topic must be sure; a setting that may be meant is asked back instead.
    """
    role, first = incoming.command_set.role, understood.first
    is_other = (
        understood.is_exact or len(understood.intents) > 1 or first.intent in (REFUSED, THANKS)
    )
    is_other = is_other or (bool(first.arguments) and first.intent != HELP)
    if role == OPERATOR or is_other or incoming.is_for_operators():
        return None
    lines, vocabulary = lines_of(incoming.text), incoming.vocabulary
    is_sure = understood.certainty is Certainty.SURE
    is_known = understood.certainty is not Certainty.NONE and first.intent not in (NONE, HELP)
    is_told = is_sure and is_known and first.intent != CONTACT
    said = without_courtesy(lines[0].tokens, vocabulary, ()) if lines else []
    if not is_told and passes_on(said, vocabulary):
        return offer_contact(incoming.text)
    is_setting = is_known and intent_of(role, first.intent).effect is Effect.SETTING
    topic = None if is_setting and not is_sure else topic_of(incoming.text, vocabulary)
    if topic is not None and (topic.is_sure or not (is_known or is_sure)):
        return topic_told(topic.name)
    return offer_contact(incoming.text) if first.intent == CONTACT else None


def _all_or_none(incoming: Incoming, intents: Sequence[Intended]) -> list[Found]:
    """Return the commands; only a refusal if one of several can't be read and another changes something."""
    found = [
        _refused(incoming, one) if one.intent == REFUSED else _invocation(incoming, one)
        for one in intents
    ]
    unread = [n for n, one in enumerate(found) if _is_unread(one)]
    read = (one.intent for n, one in enumerate(intents) if n not in unread)
    if not unread or not any(changes(incoming.command_set.role, name) for name in read):
        return found
    first = found[unread[0]]
    return [_line_unread(intents[unread[0]].line, first if isinstance(first, Say) else NOTHING)]


def _line_unread(number: int, why: Say = NOTHING) -> Say:
    """Say which line can't be read; 0 where it isn't a single one of several."""
    told = Say("unclear.line", n=number) if number else Say("unclear.lines")
    return Say("lines", lines=(told, why))


def _is_unread(one: Found) -> bool:
    return isinstance(one, Say) or (isinstance(one, Invocation) and one.command.name == NONE)


def _refused(incoming: Incoming, intended: Intended) -> Say:
    why, name = intended.arguments["why"], intended.arguments.get("command", "")
    return refusal(str(why), str(name), incoming.command_set, incoming.currency)


def _invocation(incoming: Incoming, intended: Intended) -> Found:
    """Return a command of a sure reading, or the refusal."""
    name = intended.intent
    if name == THANKS:
        return small_talk(incoming.text)
    if name == NONE:
        return not_understood(())
    try:
        if name == CONFIRM.name:
            return _confirmed(incoming, str(intended.arguments.get("code", "")))
        typed = incoming.typed
        is_same = typed is not None and typed.command.name == name
        if typed is not None and is_same and not typed.args.has(DESTINATION.name):
            return typed
        line = written(incoming.command_set.role, name, intended.arguments)
        return replace(incoming.parse(line), is_plain=not intended.is_exact)
    except CommandRefused as refused:
        return _list_of(incoming, intended) or incoming.refused or _refusal(refused)


def _list_of(incoming: Incoming, intended: Intended) -> Invocation | None:
    """Return the list of what plain words leave open: of pending deposits for `confirma todo`."""
    is_called = bare(incoming.text).lower().startswith(intended.intent)
    if intended.is_exact or intended.arguments or is_called:
        return None
    try:
        return incoming.parse(intent_of(incoming.command_set.role, intended.intent).tells)
    except CommandRefused:
        return None


def _refusal(refused: CommandRefused) -> Invocation | Say:
    return not_understood(()) if refused.say == NO_COMMAND else refused.say


def _asked(incoming: Incoming, understood: Understanding) -> Invocation | Say:
    """Ask back, or name what could be meant."""
    lines, vocabulary = lines_of(incoming.text), incoming.vocabulary
    if len(lines) > LINES_MAX:
        return Say("unclear.too_many", most=LINES_MAX)
    if len(lines) > 1:  # A yes could mean any of the lines.
        return _line_unread(understood.unread)
    is_named = understood.certainty is Certainty.NONE or len(incoming.text.split()) > 1
    if is_named and incoming.is_for_operators():
        return Say("unknown.nothing")
    is_no = bool(lines) and only_denies(lines[0].tokens, vocabulary)
    kept = "" if is_no or incoming.command_set.role == OPERATOR else incoming.text
    if understood.certainty is Certainty.NONE:
        return not_understood(understood.nearest, kept)
    first = understood.first
    line = written(incoming.command_set.role, first.intent, first.arguments)
    try:
        incoming.parse(line)
    except CommandRefused:
        return not_understood(understood.asked, kept)
    others = [name for name in understood.asked if name != first.intent]
    names = {command.name for command in incoming.command_set.table}
    return ask_back(line, next((name for name in others if name in names), ""))


def _as_written(incoming: Incoming) -> Invocation | None:
    """Read a message that is written as a command, whatever the lexicons make of it; None for other messages.

    A text that is passed on is never judged. A last argument of several words can take back a command that
    changes something, as a note can, unless the command itself checks the words.
    """
    typed = incoming.typed
    if typed is None or typed.command is CONFIRM:
        return None
    last = typed.command.params[-1] if typed.command.params else None
    if last is not None and last.verbatim and typed.args.has(last.name):
        return typed
    is_change = changes(incoming.command_set.role, typed.command.name)
    checked = _CHECKED if incoming.machines else _CHECKED - _MACHINE
    is_open = last is not None and last.rest and last.name not in checked and is_change
    is_whole = last is None or not is_open or not typed.args.has(last.name)
    return typed if is_whole and "?" not in incoming.text else None


def _confirmed(incoming: Incoming, typed: str) -> Invocation | Batch:
    """Return what a typed code is bound to; raise CommandRefused for no open code."""
    found = incoming.code(typed)
    if found is None:
        raise refuse("confirm.unknown")
    return confirmed(incoming, found)


def _with_codes(incoming: Incoming) -> str:
    """Return the message with `confirm` before each line that is an open code."""
    if not incoming.codes:
        return incoming.text
    lines = incoming.text.splitlines()
    strays = [read_answer(line, incoming.vocabulary).stray for line in lines]
    return "\n".join(
        f"{CONFIRM.name} {stray}" if stray and incoming.code(stray) else line
        for line, stray in zip(lines, strays, strict=True)
    )


def _code_among(incoming: Incoming) -> Confirmation | None:
    """Return the open code that stands among words, written as the bot writes codes; None without one.

    Nothing is confirmed by a code among other words: the words may say that the code isn't meant.
    """
    words = (token.raw for line in lines_of(incoming.text) for token in line.tokens)
    return next((one for one in incoming.codes if one.code in words), None)


def _how_to_confirm(incoming: Incoming, named: Confirmation | None = None) -> CommandRefused:
    code = named or incoming.codes[-1]
    return refuse("confirm.how", code=Code(code.code, code.expires_at))
