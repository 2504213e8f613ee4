"""Carries out a batch: all of its commands in the order typed, or none.

To tell the effects, the commands are carried out and undone, so that each effect counts with those before
it. The invariant: what is carried out has the very words that were confirmed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dca_bot.chat import codes
from dca_bot.chat.batches import Batch
from dca_bot.chat.command import Context, Counted
from dca_bot.chat.operator import log
from dca_bot.chat.operator.log import Deed
from dca_bot.chat.parsing import Invocation
from dca_bot.errors import StateChanged
from dca_bot.ledger.correspondence import confirmations
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.render import Texts
from dca_bot.messages.say import NOTHING, CommandRefused, Fiat, Say, Typed, refuse

_MESSAGE_BYTES_MAX = 2400
"""The text of a message of several; the last one has the codes too."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A command of a batch, with the result of its look, or with the refusal of the look."""

    invocation: Invocation
    seen: object = None
    refusal: Say = NOTHING


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The replies, and each command that was carried out; none where a code was asked for."""

    replies: tuple[Say, ...]
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a command of a batch does, told before and after."""

    effect: Say
    deed: Deed
    counted: Counted | None = None


def run_batch(
    tx: Tx, ctx: Context, batch: Batch, looked: Sequence[Looked], texts: Texts
) -> BatchResult:
    """Tell the effects with a code, or carry out the effects that were told with the given code.

    Raise CommandRefused if one command can't be carried out; the caller undoes the others.
    """
    good, language = codes.given(tx, ctx, batch), codes.reader_of(ctx)
    tx.execute("SAVEPOINT batch")
    parts = [_carry_out(tx, replace(ctx, place=ctx.place + n), one) for n, one in enumerate(looked)]
    totals = tuple(_totals([one.counted for one in parts]))
    effects = tuple(Say("batch.effect", n=n, effect=one.effect) for n, one in enumerate(parts, 1))
    told = (Say("batch.heading", n=len(parts)), *effects, *totals)
    words = "\n".join(texts.render(one, language) for one in told)
    is_confirmed = good is not None and good.effect == words
    if not is_confirmed:
        tx.execute("ROLLBACK TO batch")
    tx.execute("RELEASE batch")
    if good is None or not is_confirmed:
        *before, last = _messages(told, texts, language)
        return BatchResult((*before, codes.ask(tx, ctx, batch, effect=last, words=words)))
    confirmations.use(tx, good, now=ctx.now)
    done = (Say("batch.done", n=len(parts)), *(one.deed.report for one in parts), *totals)
    messages = tuple(_messages(done, texts, language))
    for message in messages:
        ctx.notices.money_command(tx, ctx.sender, message, ctx.now)
    return BatchResult(messages, tuple(one.deed for one in parts))


def _carry_out(tx: Tx, ctx: Context, one: Looked) -> _Part:
    """Carry out a command of a batch; a refusal names the command."""
    why = one.refusal
    try:
        if why == NOTHING:
            return _part(tx, ctx, one)
    except CommandRefused as refused:
        why = refused.say
    except StateChanged as changed:
        why = describe.state_changed(changed)
    raise refuse("batch.refused", typed=Typed(one.invocation.line), why=why)


def _part(tx: Tx, ctx: Context, one: Looked) -> _Part:
    command, args = one.invocation.command, one.invocation.args
    is_told = command.needs_code(args) or command.answer is None
    if is_told and command.plan is not None and command.apply is not None:
        effect = command.plan(tx, ctx, args, one.seen)
        done = command.apply(tx, ctx, args, one.seen)
        report = done.told_otherwise or done.reply
        return _Part(effect, log.deed(tx, command, args, report), done.counted)
    assert command.answer is not None
    said = command.answer(tx, ctx, args, one.seen)
    reply = Say("lines", lines=said) if isinstance(said, tuple) else said
    effect = Say("batch.setting", typed=Typed(one.invocation.line), reply=reply)
    return _Part(effect, log.deed(tx, command, args, reply))


def _totals(counted: Sequence[Counted | None]) -> Iterator[Say]:
    """Yield the sum of each kind of cash of which there are several, in the order of the commands."""
    found = [one for one in counted if one is not None]
    for what, machine in dict.fromkeys((one.what, one.machine) for one in found):
        of_kind = [one.minor for one in found if (one.what, one.machine) == (what, machine)]
        if len(of_kind) > 1:
            yield Say(what, n=len(of_kind), amount=Fiat(sum(of_kind)), machine=machine)


def _messages(lines: Sequence[Say], texts: Texts, language: str) -> Iterator[Say]:
    """Yield the messages into which lines fit, in order."""
    held: list[Say] = []
    room = _MESSAGE_BYTES_MAX
    for line in lines:
        size = len(texts.render(line, language).encode()) + 1
        if held and size > room:
            yield Say("lines", lines=tuple(held))
            held, room = [], _MESSAGE_BYTES_MAX
        held.append(line)
        room -= size
    yield Say("lines", lines=tuple(held))
