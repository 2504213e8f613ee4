"""Carries out a message's commands in one transaction: the inbox row, the effects, and the replies.

The invariant: a message runs once, whatever crashes; a refusal undoes the command's effects alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial, reduce
from typing import Any

from dca_bot.chat import codes
from dca_bot.chat.admission import RateLimit, Ruling
from dca_bot.chat.batch_execution import run_batch
from dca_bot.chat.batches import Batch
from dca_bot.chat.command import Context
from dca_bot.chat.command_sets import command_set_of
from dca_bot.chat.general import CONFIRM, GENERAL_COMMANDS
from dca_bot.chat.operator import log
from dca_bot.chat.operator.log import Deed
from dca_bot.chat.parsing import Invocation
from dca_bot.chat.replies import Replies
from dca_bot.chat.services import Services
from dca_bot.chat.strangers import turn_away
from dca_bot.chat.unclear import ASKING, UNCLEAR
from dca_bot.core.ports import IncomingMessage
from dca_bot.core.programme import Programme
from dca_bot.errors import StateChanged
from dca_bot.ledger.correspondence import command_log, confirmations, files, inbox, questions
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import TEXT_BYTES_MAX, Texts
from dca_bot.messages.say import NOTHING, CommandRefused, Say, refuse


class Outcome(Enum):
    """The result of a message's transaction, or of one command."""

    REPEATED = auto()
    REFUSED = auto()
    ANSWERED = auto()
    ASKED = auto()
    """The effect was told, and waits for a code."""
    CARRIED_OUT = auto()


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of a step: the replies, and each command that did something."""

    outcome: Outcome
    replies: tuple[Say, ...]
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A command or batch of a message, with the result of its look; or the refusal, if neither can run.

    `seen`: the `Looked` commands of a batch.
    """

    invocation: Invocation | Batch | None
    seen: Any = None
    refusal: Say = NOTHING


@dataclass(frozen=True, slots=True)
class Execution:
    """Runs the commands of messages; `run` is a whole transaction."""

    programme: Programme
    notices: Notices
    texts: Texts
    services: Services
    replies: Replies
    _clock_notices: RateLimit = field(
        default_factory=lambda: RateLimit(burst=1, per=timedelta(days=1)), init=False
    )

    def run(
        self,
        tx: Tx,
        message: IncomingMessage,
        steps: Sequence[Step],
        *,
        late: Say | None = None,
    ) -> list[Outcome]:
        """Record the message, and each command's effects and replies, in order.

        Return each command's outcome; none for a message that ran before.
        `late`: why the message may change nothing (see `timing`); None for a message that may.
        """
        now = self.services.clock.now()
        if not inbox.receive(tx, message, command=_inbox_name(steps), now=now):
            return []
        ctx = self._context(tx, message, now)
        if ctx is not None and late is not None:
            self._tell_of_clock(tx, ctx, message)
        if message.arrived_at is None and inbox.wrote_later(tx, message):
            late = late or Say("problem.overtaken")
        inbox.note_person(tx, message, now=now)
        if ctx is None:
            self.replies.write(tx, message, turn_away(), now)
            return [Outcome.REFUSED]
        results = [
            self._step(tx, message, replace(ctx, place=place), step, late)
            for place, step in enumerate(steps)
        ]
        singles = [one.invocation for one in steps if isinstance(one.invocation, Invocation)]
        for reply in self._replies_to(ctx, singles, results):
            self.replies.write(tx, message, reply, now)
        asks = any(one.command in ASKING for one in singles)
        if late is None and not asks:
            questions.close(tx, message.sender)
        return [one.outcome for one in results]

    def _replies_to(
        self, ctx: Context, singles: Sequence[Invocation], results: Sequence[_Result]
    ) -> Sequence[Say]:
        """Return the replies; a client reads the answers of several lines in one message, if they fit.

        A table or chart stays a message of its own, to be copied as it is.
        """
        replies = [reply for one in results for reply in one.replies]
        is_asked = any(one.outcome is Outcome.ASKED for one in results)
        has_table = any(one.command.attach for one in singles)
        if (
            ctx.client is None
            or is_asked
            or has_table
            or len(results) == 1
            or len(replies) != len(results)
        ):
            return replies
        texts = [self.texts.render(one, ctx.client.language, now=ctx.now) for one in replies]
        if len("\n\n".join(texts).encode()) > TEXT_BYTES_MAX:
            return replies
        return [reduce(lambda told, then: Say("answers", told=told, then=then), replies)]

    def _step(
        self, tx: Tx, message: IncomingMessage, ctx: Context, step: Step, late: Say | None
    ) -> _Result:
        """Carry out one command or batch, and log what it did."""
        invocation = step.invocation
        if invocation is None:
            result = _Result(Outcome.REFUSED, (step.refusal,))
        else:
            run = partial(self._run, tx, ctx, invocation, step.seen)
            result = _undone_if_refused(tx, lambda: _unless_late(tx, late, invocation, run))
        for deed in result.deeds:
            command_log.record(
                tx,
                actor=ctx.sender,
                client_id=ctx.client.id if ctx.client else None,
                message_id=ctx.message_id,
                command=deed.command,
                # In the operators' language; texts have no secrets in them.
                done=self.texts.render(deed.report, self.programme.language),
                now=ctx.now,
                about=deed.about,
            )
        if isinstance(invocation, Invocation) and result.outcome is Outcome.ANSWERED:
            self._attach(tx, message, ctx, invocation)
        return result

    def _attach(
        self, tx: Tx, message: IncomingMessage, ctx: Context, invocation: Invocation
    ) -> None:
        """Have the file of an answer sent after the text, to a client who wants files."""
        attach, client = invocation.command.attach, ctx.client
        if attach is None or client is None or not self.programme.sends_files:
            return
        if not files.wanted_by(tx, client):
            return
        render = partial(self.texts.render, language=client.language, now=ctx.now)
        file = attach(tx, ctx, invocation.args, render)
        if file is not None:
            files.add(tx, ctx.sender, file.form, file.content, now=ctx.now, relay=message.relay)

    def _context(self, tx: Tx, message: IncomingMessage, now: datetime) -> Context | None:
        """Look the sender up again, inside the transaction; None for a client who was closed meanwhile."""
        is_operator = message.sender in self.programme.operators
        client = None if is_operator else clients.by_pubkey(tx, message.sender)
        if client is None and not is_operator:
            return None
        return Context(
            sender=message.sender,
            message_id=message.id,
            written_at=message.sent_at,
            now=now,
            client=client,
            command_set=command_set_of(client),
            programme=self.programme,
            notices=self.notices,
            services=self.services,
        )

    def _tell_of_clock(self, tx: Tx, ctx: Context, message: IncomingMessage) -> None:
        """Tell the operators that the clock of a client's phone keeps the client from doing things.

        The operators are told once a day at most: a client can send right and wrong times by turns.
        """
        if ctx.client is None or message.arrived_at is None:
            return
        told = describe.phone_clock(message.arrived_at - message.sent_at)
        is_known = describe.phone_clock(inbox.clock_behind(tx, message.sender)) != NOTHING
        if told == NOTHING or is_known:
            return
        if self._clock_notices.judge(message.sender, ctx.now) is Ruling.PASS:
            notice = Say("notice.phone_clock", name=ctx.client.name, clock=told)
            self.notices.tell_operators(tx, notice, ctx.now)

    def _run(self, tx: Tx, ctx: Context, invocation: Invocation | Batch, seen: Any) -> _Result:
        """Prepare an effect, carry an effect out, or answer."""
        if isinstance(invocation, Batch):
            done = run_batch(tx, ctx, invocation, seen, self.texts)
            outcome = Outcome.CARRIED_OUT if done.deeds else Outcome.ASKED
            return _Result(outcome, done.replies, done.deeds)
        command, args = invocation.command, invocation.args
        is_plain = invocation.is_plain or invocation.code is not None
        if command.is_coded(tx, ctx, args, is_plain=is_plain):
            return self._effect(tx, ctx, invocation, seen)
        if invocation.code is not None:  # The command needed a code only when the code was issued.
            raise refuse("confirm.unknown")
        return self._answer(tx, ctx, invocation, seen)

    def _answer(self, tx: Tx, ctx: Context, invocation: Invocation, seen: object) -> _Result:
        """Answer at once; an answer that changes the ledger is logged."""
        command = invocation.command
        assert command.answer is not None
        before = tx.total_changes
        said = command.answer(tx, ctx, invocation.args, seen)
        replies = said if isinstance(said, tuple) else (said,)
        is_logged = tx.total_changes > before and command not in (*GENERAL_COMMANDS, *UNCLEAR)
        if not is_logged:
            return _Result(Outcome.ANSWERED, replies)
        deed = log.deed(tx, command, invocation.args, Say("lines", lines=replies))
        return _Result(Outcome.ANSWERED, replies, (deed,))

    def _effect(self, tx: Tx, ctx: Context, invocation: Invocation, seen: object) -> _Result:
        """Tell the effect with a code, or carry out the effect that was told with the given code."""
        command, args = invocation.command, invocation.args
        assert command.plan is not None
        assert command.apply is not None
        effect = command.plan(tx, ctx, args, seen)
        words = self.texts.render(effect, codes.reader_of(ctx))
        good = codes.given(tx, ctx, invocation)
        if good is None or good.effect != words:
            if good is not None and not command.is_coded(tx, ctx, args, is_plain=False):
                raise refuse("confirm.unknown")  # The question of that code is over.
            asked = codes.ask(tx, ctx, invocation, effect=effect, words=words)
            return _Result(Outcome.ASKED, (asked,))
        confirmations.use(tx, good, now=ctx.now)
        done = command.apply(tx, ctx, args, seen)
        report = done.told_otherwise or done.reply
        self.notices.money_command(tx, ctx.sender, report, ctx.now)
        return _Result(Outcome.CARRIED_OUT, (done.reply,), (log.deed(tx, command, args, report),))


def _inbox_name(steps: Sequence[Step]) -> str:
    """Return the name of a message's first command for the inbox; `refused` for a refusal."""
    first = steps[0].invocation
    if first is None:
        return "refused"
    if first.code is not None:
        return CONFIRM.name
    return (first.parts[0] if isinstance(first, Batch) else first).command.name


def _unless_late(
    tx: Tx, late: Say | None, invocation: Invocation | Batch, step: Callable[[], _Result]
) -> _Result:
    """Run a step; raise CommandRefused instead of any change by a late message."""
    if late is None:
        return step()
    before = tx.total_changes
    if not invocation.is_change:
        result = step()
        if tx.total_changes == before:
            return result
    raise CommandRefused(late)


def _undone_if_refused(tx: Tx, step: Callable[[], _Result]) -> _Result:
    """Run a step; a refusal undoes the step's writes, and nothing else of the transaction."""
    tx.execute("SAVEPOINT command")
    try:
        result = step()
    except CommandRefused as refused:
        tx.execute("ROLLBACK TO command")
        result = _Result(Outcome.REFUSED, (refused.say,))
    except StateChanged as changed:
        tx.execute("ROLLBACK TO command")
        result = _Result(Outcome.REFUSED, (Say("changed", why=describe.state_changed(changed)),))
    tx.execute("RELEASE command")
    return result
