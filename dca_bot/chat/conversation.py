"""Answers one message: who writes, whether it may run, what it does, and the reply.

The invariant: repeatable reads of the outside come first; then the inbox row, the effects and the
replies are recorded in one transaction, so a message runs once, whatever crashes, and what is refused
changes nothing. A message with a secret in it is answered with a warning, and goes no further.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import (
    COMMAND_WORDS,
    Command,
    CommandSet,
    Context,
    Invocation,
    parse,
    stray_word,
)
from dca_bot.chat.general import CONFIRM, GENERAL_COMMANDS
from dca_bot.chat.limits import Quota, RateLimit, Ruling
from dca_bot.chat.operator.table import OPERATOR_COMMANDS, OPERATOR_GROUPS
from dca_bot.chat.secret_warnings import CHARS_MAX, Role, secret_in, warning
from dca_bot.chat.services import Services
from dca_bot.core.names import short_id, skeleton
from dca_bot.core.ports import IncomingMessage
from dca_bot.core.programme import Programme
from dca_bot.core.secrets import Secret, find_secret
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable, StateChanged, place_of
from dca_bot.ledger.correspondence import command_log, confirmations, inbox, outbox
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import Texts
from dca_bot.messages.say import CommandRefused, Say, refuse

AHEAD_MAX = timedelta(minutes=10)
SLOW_CLOCK_MAX = timedelta(minutes=2)
"""A client's phone may be so slow, and is answered all the same."""
TEXT_LENGTH_MAX = 2000
STRANGER = "stranger"
"""How a stranger's message that was answered stands in the inbox."""
_log = logging.getLogger(__name__)


class _Outcome(Enum):
    """What a message's transaction came to."""

    REPEATED = auto()
    REFUSED = auto()
    ANSWERED = auto()
    CARRIED_OUT = auto()


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who writes: a client, an operator (then `client` is None), or somebody who is neither.

    `is_early`: an operator's first message to this ledger, written before its life began.
    """

    is_known: bool
    client: Client | None = None
    is_early: bool = False


class Conversation:
    """Handles messages; several may be in flight, but each person's one after the other."""

    def __init__(
        self, programme: Programme, notices: Notices, texts: Texts, services: Services
    ) -> None:
        self._programme = programme
        self._notices = notices
        self._texts = texts
        self._services = services
        self._commands = RateLimit(burst=40, per=timedelta(seconds=2))
        self._problems = RateLimit(burst=3, per=timedelta(minutes=10))
        self._strangers = Quota(count=20, window=timedelta(hours=1))
        self._of_clients = CommandSet(CLIENT_COMMANDS, texts.aliases)
        self._of_operators = CommandSet(
            OPERATOR_COMMANDS, texts.aliases, CLIENT_COMMANDS, OPERATOR_GROUPS
        )

    async def is_new(self, message: IncomingMessage) -> bool:
        """Tell whether a message was not handled before."""
        return not await self._services.database.read(lambda tx: inbox.is_received(tx, message))

    async def handle(self, message: IncomingMessage) -> None:
        """Handle a message; what fails unexpectedly is undone, logged and told with a reference."""
        now = self._services.clock.now()
        sender = await self._services.database.read(lambda tx: self._sender(tx, message))
        if sender is None:
            return
        try:
            if sender.is_known:
                await self._handle(message, sender, now)
            else:
                await self._answer_stranger(message, now)
        except Exception as error:  # noqa: BLE001 - one bad message must not stop the others
            reference = f"{self._services.random.getrandbits(32):08x}"
            # Without the error's text, which may hold what the person wrote.
            _log.error(
                "message failed reference=%s error=%s at=%s",
                reference,
                type(error).__name__,
                place_of(error),
            )
            if sender.is_known:
                key = "failed" if sender.client else "failed_operator"
                await self._reply_only(message, "failed", Say(key, reference=reference))

    def _sender(self, tx: Tx, message: IncomingMessage) -> _Sender | None:
        """Tell who writes; None if there is nothing to do, as the message was handled before.

        A message from before the ledger's life may have been handled on another ledger, whose inbox isn't
        in this one: an operator is told so once. What a client wrote as a stranger, before being added or
        with a new key, is not carried out either.
        """
        if inbox.is_received(tx, message):
            return None
        alive_since, is_operator = (
            bot_state.alive_since(tx),
            message.sender in self._programme.operators,
        )
        if alive_since is not None and message.sent_at < alive_since:
            is_to_be_told = is_operator and inbox.person(tx, message.sender) is None
            return _Sender(is_known=True, is_early=True) if is_to_be_told else None
        if is_operator:
            return _Sender(is_known=True)
        client = clients.by_pubkey(tx, message.sender)
        if client is not None:
            is_older = message.sent_at < client.key_at - SLOW_CLOCK_MAX
            return None if is_older else _Sender(is_known=True, client=client)
        was_answered = inbox.was_stranger(tx, message.sender)
        return None if was_answered else _Sender(is_known=False)

    async def _answer_stranger(self, message: IncomingMessage, now: datetime) -> None:
        """Answer once, and only so many strangers an hour; the others leave no trace."""
        if self._time_problem(message, now) is None and self._strangers.take(now):
            secret = find_secret(message.text[:CHARS_MAX])
            told = Say("stranger") if secret is None else warning(secret, Role.STRANGER)
            await self._reply_only(message, STRANGER, told)

    async def _handle(self, message: IncomingMessage, sender: _Sender, now: datetime) -> None:
        # Looking for secrets takes its time, so a flood is not looked at: nothing of it is kept anyway.
        is_flood = self._commands.is_silent(message.sender, now)
        command_set = self._command_set(sender.client)
        operators = self._programme.operators if sender.client is None else frozenset[str]()
        secret = None
        if not is_flood:
            secret = await secret_in(message.text, command_set, self._services, operators)
        problem = self._problem(message, sender, secret, now)
        limit = self._problems if problem and secret is None else self._commands
        match limit.judge(message.sender, now):
            case Ruling.SILENCE:
                await self._reply_only(message, "limited", None)
            case Ruling.NOTICE if secret is None:
                await self._reply_only(message, "limited", _limited(limit.per))
            case _ if problem:
                await self._reply_only(message, "refused", problem)
            case _:
                await self._carry_out(message, sender)

    def _problem(
        self, message: IncomingMessage, sender: _Sender, secret: Secret | None, now: datetime
    ) -> Say | None:
        """Tell why a message may not run at all."""
        is_operator = sender.client is None
        if secret is not None:
            return warning(secret, Role.OPERATOR if is_operator else Role.CLIENT)
        by_time = self._time_problem(message, now)
        if by_time is not None:
            return by_time
        if sender.is_early:
            return Say("problem.before_start")
        if is_operator and message.protocol not in self._programme.operator_protocols:
            return Say("problem.protocol")
        return Say("problem.too_long") if len(message.text) > TEXT_LENGTH_MAX else None

    def _time_problem(self, message: IncomingMessage, now: datetime) -> Say | None:
        if now - message.sent_at > self._programme.message_age_max:
            return Say("problem.too_old")
        if message.sent_at - now > AHEAD_MAX:
            return Say("problem.in_future")
        return None

    async def _carry_out(self, message: IncomingMessage, sender: _Sender) -> None:
        """Read the message and the outside, then do everything in one transaction."""
        services = self._services
        try:
            invocation, code = await self._invocation(message, self._command_set(sender.client))
            seen: object = None
            if invocation.command.look is not None and invocation.command.needs_look(
                invocation.args
            ):
                seen = await invocation.command.look(services, invocation.args)
        except CommandRefused as refused:
            await self._reply_only(message, "refused", refused.say)
            return
        except (LnbitsUnavailable, LnbitsRefused) as error:
            _log.warning("LNbits did not help with a command error=%s", type(error).__name__)
            await self._reply_only(message, "refused", Say("unavailable"))
            return
        outcome = await services.database.transact(
            lambda tx: self._run(tx, message, invocation, seen=seen, code=code)
        )
        _log.info(
            "message handled sender=%s command=%s outcome=%s",
            short_id(message.sender),
            invocation.command.name,
            outcome.name,
        )
        self._wake(invocation.command, outcome)

    async def _invocation(
        self, message: IncomingMessage, command_set: CommandSet
    ) -> tuple[Invocation, Confirmation | None]:
        """Read what is ordered; with `confirm CODE` that is the command that the code stands for.

        So it is with the code alone; another short word is taken for a wrong answer to the question.
        """
        stray, currency = stray_word(message.text, command_set), self._programme.currency
        names = await self._command_names(command_set)
        code = await self._open_code(message) if stray else None
        if code is not None and stray.upper() == code.code:
            return parse(code.command, command_set, currency, names), code
        if code is not None and len(stray) <= len(code.code):
            raise refuse("confirm.how", code=code.code)
        invocation = parse(message.text, command_set, currency, names)
        if invocation.command is not CONFIRM:
            return invocation, None
        code = await self._open_code(message)
        if code is None or invocation.args.text("CODE").upper() != code.code:
            raise refuse("confirm.unknown")
        return parse(code.command, command_set, currency, names), code

    async def _open_code(self, message: IncomingMessage) -> Confirmation | None:
        now = self._services.clock.now()
        return await self._services.database.read(
            lambda tx: confirmations.still_open(tx, message.sender, now=now)
        )

    async def _command_names(self, command_set: CommandSet) -> frozenset[str]:
        """Return the words of commands that clients are named like; only operators write names."""
        if command_set is not self._of_operators:
            return frozenset()
        names = await self._services.database.read(lambda tx: clients.named_like(tx, COMMAND_WORDS))
        return frozenset(skeleton(name) for name in names)

    def _command_set(self, client: Client | None) -> CommandSet:
        return self._of_operators if client is None else self._of_clients

    def _run(
        self,
        tx: Tx,
        message: IncomingMessage,
        invocation: Invocation,
        *,
        seen: object,
        code: Confirmation | None,
    ) -> _Outcome:
        """Record the message, its effects and its replies; a refusal undoes the effects alone."""
        now = self._services.clock.now()
        name = invocation.command.name if code is None else CONFIRM.name
        if not inbox.receive(tx, message, command=name, now=now):
            return _Outcome.REPEATED
        inbox.note_person(tx, message, now=now)
        tx.execute("SAVEPOINT command")
        try:
            context = self._context(tx, message, now)
            replies, outcome = self._do(tx, context, invocation, seen=seen, code=code)
        except CommandRefused as refused:
            tx.execute("ROLLBACK TO command")
            replies, outcome = (refused.say,), _Outcome.REFUSED
        except StateChanged as changed:
            tx.execute("ROLLBACK TO command")
            replies, outcome = (Say("changed", why=str(changed)),), _Outcome.REFUSED
        tx.execute("RELEASE command")
        for reply in replies:
            self._reply(tx, message, reply, now)
        return outcome

    def _context(self, tx: Tx, message: IncomingMessage, now: datetime) -> Context:
        """Look the sender up again, inside the transaction."""
        is_operator = message.sender in self._programme.operators
        client = None if is_operator else clients.by_pubkey(tx, message.sender)
        if client is None and not is_operator:
            raise refuse("stranger")
        return Context(
            sender=message.sender,
            message_id=message.id,
            now=now,
            client=client,
            command_set=self._command_set(client),
            programme=self._programme,
            notices=self._notices,
            services=self._services,
        )

    def _do(
        self,
        tx: Tx,
        ctx: Context,
        invocation: Invocation,
        *,
        seen: object,
        code: Confirmation | None,
    ) -> tuple[tuple[Say, ...], _Outcome]:
        """Answer, or tell the effect with a code, or carry out what the code stands for."""
        command, args = invocation.command, invocation.args
        if not command.is_coded(tx, args):
            if code is not None:  # what it was asked for is over
                raise refuse("confirm.unknown")
            return self._answer(tx, ctx, invocation, seen), _Outcome.ANSWERED
        assert command.plan is not None
        assert command.apply is not None
        effect = command.plan(tx, ctx, args, seen)
        if code is None:
            return (self._with_code(tx, ctx, invocation, effect),), _Outcome.ANSWERED
        good = confirmations.find(tx, ctx.sender, code.code, now=ctx.now)
        if good is None or good.command != code.command:
            raise refuse("confirm.unknown")
        if good.effect != self._text(ctx, effect):
            again = self._with_code(tx, ctx, invocation, effect)
            return (Say("confirm.effect_changed", again=again),), _Outcome.ANSWERED
        confirmations.use(tx, good, now=ctx.now)
        done = command.apply(tx, ctx, args, seen)
        self._notices.money_command(tx, ctx.sender, done.report, ctx.now)
        self._log(tx, ctx, command, done.report)
        return (done.reply,), _Outcome.CARRIED_OUT

    def _answer(
        self, tx: Tx, ctx: Context, invocation: Invocation, seen: object
    ) -> tuple[Say, ...]:
        """Answer at once; whatever has changed the ledger by that goes into the log.

        The replies are no change: they are written afterwards, by the conversation alone.
        """
        assert invocation.command.answer is not None
        before = tx.total_changes
        said = invocation.command.answer(tx, ctx, invocation.args, seen)
        replies = said if isinstance(said, tuple) else (said,)
        if tx.total_changes > before and invocation.command not in GENERAL_COMMANDS:
            self._log(tx, ctx, invocation.command, Say("lines", lines=replies))
        return replies

    def _log(self, tx: Tx, ctx: Context, command: Command[Any], done: Say) -> None:
        """Record who did what, in the operators' language; texts have no secrets in them."""
        command_log.record(
            tx,
            actor=ctx.sender,
            client_id=ctx.client.id if ctx.client else None,
            message_id=ctx.message_id,
            command=command.name,
            done=self._texts.render(done, self._programme.language),
            now=ctx.now,
        )

    def _with_code(self, tx: Tx, ctx: Context, invocation: Invocation, effect: Say) -> Say:
        """Bind a new code to an effect, in the very words in which it is told."""
        code = confirmations.issue(
            tx,
            ctx.sender,
            command=invocation.line,
            effect=self._text(ctx, effect),
            now=ctx.now,
            random=self._services.random,
        )
        return Say("confirm.asked", effect=effect, code=code)

    def _text(self, ctx: Context, told: Say) -> str:
        language = ctx.client.language if ctx.client else self._programme.language
        return self._texts.render(told, language)

    async def _reply_only(self, message: IncomingMessage, command: str, told: Say | None) -> None:
        """Record a message that ran nothing, with its reply if there is one."""

        def work(tx: Tx) -> None:
            now = self._services.clock.now()
            if inbox.receive(tx, message, command=command, now=now):
                inbox.note_person(tx, message, now=now)
                if told is not None:
                    self._reply(tx, message, told, now)

        await self._services.database.transact(work)
        self._services.wake_outbox()

    def _reply(self, tx: Tx, message: IncomingMessage, told: Say, now: datetime) -> None:
        client = clients.by_pubkey(tx, message.sender)
        language = client.language if client else self._programme.language
        text = self._texts.render(told, language)
        outbox.write(
            tx,
            message.sender,
            text,
            now=now,
            urgency=Urgency.ANSWER,
            protocol=message.protocol,
            relay=message.relay,
        )

    def _wake(self, command: Command[Any], outcome: _Outcome) -> None:
        self._services.wake_outbox()
        if outcome is _Outcome.CARRIED_OUT:
            self._services.wake_payouts()
        if outcome is _Outcome.ANSWERED and command.then is not None:
            command.then(self._services)


def _limited(per: timedelta) -> Say:
    """Say that it was too much at once, and how often a message is taken until there is room again."""
    if per < timedelta(minutes=1):
        return Say("limited", pace=Say("pace.seconds", n=per.seconds))
    return Say("limited", pace=Say("pace.minutes", n=per.seconds // 60))
