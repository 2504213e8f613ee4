"""Answers where no command is sure: the question back, small talk, and words that are not understood."""

from typing import Any

from dca_bot.chat import open_codes
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.general import summary
from dca_bot.chat.parsing import Invocation
from dca_bot.core.names import on_one_line
from dca_bot.core.quotes import quoted
from dca_bot.ledger.correspondence import questions
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Typed

_LIKELY = {"client": ("balance", "history", "help"), "operator": ("status", "holds", "help")}
"""What most people want to know: named beside the likeliest commands."""
_NAMED_MAX = 3
_SECOND = "SECOND"
_CONTACT = "contact"
_SENTENCE_MIN = 3
_WORDS_MAX = 160
"""The characters that are shown of words that may go to the operators."""


def ask_back(line: str, second: str) -> Invocation:
    """Return the question whether `line` was meant; `second`: another command that may be meant, or ''."""
    return Invocation(ASK_BACK, Args({"COMMAND": line, _SECOND: second}), line)


def offer_contact(text: str) -> Invocation:
    """Return the question whether a client's words shall go to the operators as the client wrote them."""
    line = f"{_CONTACT} {text}"
    return Invocation(PASS_ON, Args({"COMMAND": line, "TEXT": text}), line)


def small_talk(text: str) -> Invocation:
    """Return the answer to thanks and the like: a warm word, or silence for a message without letters."""
    return Invocation(_THANKS, Args({"TEXT": text}), "")


def declined() -> Invocation:
    """Return the answer to a no: the bot's question ends, and codes stay open."""
    return Invocation(_DECLINED, Args({}), "")


def not_understood(nearest: tuple[str, ...], to_pass_on: str = "") -> Invocation:
    """Return the answer to words that no command fits; `nearest`: commands that may be meant.

    `to_pass_on`: a client's words that a yes sends to the operators. One or two words, and numbers, letters
    and signs beside, are never sent.
    """
    names = "\n".join(nearest)
    words = [word for word in to_pass_on.split() if sum(map(str.isalpha, word)) > 1]
    if len(words) < _SENTENCE_MIN:
        return Invocation(_NOT_UNDERSTOOD, Args({"COMMAND": names}), "")
    args = {"COMMAND": names, "TEXT": f"{_CONTACT} {to_pass_on}"}
    return Invocation(_OR_PASS_ON, Args(args), "")


def _ask_back(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Ask whether a command was meant, and keep the question for the answer `yes`."""
    line, second = args.text("COMMAND"), args.text(_SECOND)
    questions.put(tx, ctx.sender, line, now=ctx.now)
    return Say(
        "unclear.which" if second else "unclear.meant", command=Typed(line), second=Typed(second)
    )


def _pass_on(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Show a client's words, and keep them for the answer `yes`."""
    questions.put(tx, ctx.sender, args.text("COMMAND"), now=ctx.now)
    return Say("contact.offer", words=quoted(on_one_line(args.text("TEXT"), _WORDS_MAX)))


def _declined(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    return open_codes.drop_question(tx, ctx.sender, ctx.now)


def _small_talk(_tx: Tx, _ctx: Context, args: Args, _seen: object) -> tuple[Say, ...]:
    has_letters = any(map(str.isalpha, args.text("TEXT")))
    return (Say("unclear.welcome"),) if has_letters else ()


def _not_understood(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Name the three likeliest commands, and how to reach a person, by a yes where words are kept."""
    kept = args.text("TEXT")
    if kept:
        questions.put(tx, ctx.sender, kept, now=ctx.now)
    names = (*args.text("COMMAND").splitlines(), *_LIKELY[ctx.command_set.role])
    by_name = {command.name: command for command in ctx.command_set.table}
    found = [by_name[name] for name in dict.fromkeys(names) if name in by_name][:_NAMED_MAX]
    lines = tuple(map(summary, found))
    if ctx.client is None:
        return Say("unclear.nothing_operator", lines=lines)
    return Say("unclear.nothing_kept" if kept else "unclear.nothing", lines=lines)


ASK_BACK: Command[None] = Command(("asked",), answer=_ask_back)
PASS_ON: Command[None] = Command(("asked",), answer=_pass_on)
_OR_PASS_ON: Command[None] = Command(("none",), answer=_not_understood)
ASKING = (ASK_BACK, PASS_ON, _OR_PASS_ON)
"""The commands that leave a question open."""
_DECLINED: Command[None] = Command(("no",), answer=_declined)
_THANKS: Command[None] = Command(("thanks",), answer=_small_talk)
_NOT_UNDERSTOOD: Command[None] = Command(("none",), answer=_not_understood)
UNCLEAR: tuple[Command[Any], ...] = (*ASKING, _DECLINED, _THANKS, _NOT_UNDERSTOOD)
