"""Answers a message, from the sender to the reply.

The invariant: repeatable reads of the outside come first, and one transaction records everything else:
a message runs once, whatever crashes. A message with a secret gets a warning, and goes no further.

    senders ─▶ admission ─▶ invocations ─▶ the command's look ─▶ execution ─▶ replies
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from dca_bot.chat.admission import Admission, Rejection
from dca_bot.chat.ask import sharing_time
from dca_bot.chat.batch_execution import Looked
from dca_bot.chat.batches import Batch, Found
from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import command_set_of
from dca_bot.chat.execution import Execution, Outcome, Step
from dca_bot.chat.invocations import read_invocations
from dca_bot.chat.parsing import Invocation
from dca_bot.chat.replies import Replies
from dca_bot.chat.senders import Role, Sender, find_sender
from dca_bot.chat.services import Services
from dca_bot.chat.strangers import answer_stranger, secret_of
from dca_bot.core.names import short_id
from dca_bot.core.ports import IncomingMessage
from dca_bot.core.programme import Programme
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable, place_of
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import Texts
from dca_bot.messages.say import CommandRefused, Say, Typed

_log = logging.getLogger(__name__)


class Conversation:
    """Answers messages; different people's at the same time, one person's in order."""

    def __init__(
        self, programme: Programme, notices: Notices, texts: Texts, services: Services
    ) -> None:
        self._programme = programme
        self._services = services
        self._replies = Replies(texts, programme.language)
        self._admission = Admission(programme, services)
        self._execution = Execution(programme, notices, texts, services, self._replies)

    async def handle(self, message: IncomingMessage) -> None:
        """Handle a message, unless the message was handled before.

        An unexpected error is undone, logged, and told with a reference.
        """
        try:
            await self._handle(message)
        except Exception as error:  # noqa: BLE001 - one bad message must not stop the others
            await self._tell_failure(message, error)

    async def _handle(self, message: IncomingMessage) -> None:
        services, now = self._services, self._services.clock.now()
        sender = await services.database.read(self._sender_of(message))
        if sender is None:
            return
        if self._programme.is_rehearsal and sender.role is not Role.OPERATOR:
            return  # A rehearsal writes to operators alone.
        if sender.role is Role.STRANGER:
            await self._answer_stranger(message, sender, now)
            return
        command_set = command_set_of(sender.client)
        late = self._admission.time_problem(message, sender, now)
        rejection = await self._admission.reject(message, sender, command_set, now)
        if rejection is not None:
            await self._close(message, rejection, is_late=late is not None)
            return
        steps = await self._read(message, command_set, is_late=late is not None)
        outcomes = await services.database.transact(
            lambda tx: self._execution.run(tx, message, steps, late=late)
        )
        self._signal(message, steps, outcomes)

    async def _read(
        self, message: IncomingMessage, command_set: CommandSet, *, is_late: bool
    ) -> list[Step]:
        """Read a message, and look at the outside for all of its commands at once."""
        try:
            found = await read_invocations(message, command_set, self._services)
        except CommandRefused as refused:
            found = [refused.say]
        commands = sum(len(one.parts) if isinstance(one, Batch) else 1 for one in found)
        self._admission.count_further(message.sender, commands - 1, self._services.clock.now())
        services = sharing_time(self._services, len(found))
        steps = (self._looked(one, services, is_late=is_late) for one in found)
        return list(await asyncio.gather(*steps))

    async def _looked(self, found: Found, services: Services, *, is_late: bool) -> Step:
        """Run the look of a command, or the looks of a batch at once, together as long as one."""
        match found:
            case Say():
                return Step(None, refusal=found)
            case Batch() if is_late:
                return Step(found)
            case Batch(parts):
                looks = (self._look(part, services, is_late=False) for part in parts)
                try:
                    async with asyncio.timeout(services.answer_limit_s):
                        seen = await asyncio.gather(*looks)
                except TimeoutError:
                    return Step(None, refusal=Say("unavailable"))
                return Step(found, tuple(map(_of_batch, parts, seen)))
            case _:
                return await self._look(found, services, is_late=is_late)

    async def _look(self, invocation: Invocation, services: Services, *, is_late: bool) -> Step:
        """Run a command's look; a late message's look isn't needed for a change, which is refused anyway."""
        command, args = invocation.command, invocation.args
        if command.leaves and self._programme.is_rehearsal:
            return Step(None, refusal=Say("rehearsal.refused", command=Typed(command.name)))
        if command.look is None or not command.needs_look(args):
            return Step(invocation)
        if is_late and invocation.is_change:
            return Step(invocation)
        try:
            return Step(invocation, await command.look(services, args))
        except CommandRefused as refused:
            return Step(None, refusal=refused.say)
        except (LnbitsUnavailable, LnbitsRefused) as error:
            _log.warning("LNbits did not help with a command error=%s", type(error).__name__)
            return Step(None, refusal=Say("unavailable"))

    def _signal(
        self, message: IncomingMessage, steps: Sequence[Step], outcomes: Sequence[Outcome]
    ) -> None:
        """Log what became of a message, and wake whoever has work by it."""
        services = self._services
        services.wake_outbox()
        if self._programme.sends_files:
            services.wake_files()
        for step, outcome in zip(steps, outcomes, strict=False):
            found = step.invocation
            parts = found.parts if isinstance(found, Batch) else (found,)
            commands = [part.command for part in parts if part is not None]
            _log.info(
                "message handled sender=%s command=%s outcome=%s",
                short_id(message.sender),
                ",".join(dict.fromkeys(one.name for one in commands)) or "refused",
                outcome.name,
            )
            if outcome is Outcome.CARRIED_OUT:
                services.wake_payouts()
            is_done = outcome in (Outcome.ANSWERED, Outcome.CARRIED_OUT)
            for then in {one.then for one in commands if is_done and one.then is not None}:
                then(services)

    def _sender_of(self, message: IncomingMessage) -> Callable[[Tx], Sender | None]:
        now = self._services.clock.now()
        return lambda tx: find_sender(tx, message, self._programme.operators, now)

    async def _answer_stranger(
        self, message: IncomingMessage, sender: Sender, now: datetime
    ) -> None:
        """Answer a stranger; a message that is not answered leaves no trace.

        A stored message of days ago needs no answer. A message that has just arrived gets an answer whatever
        its time says: a knock runs nothing, and the stranger's phone may be slow.
        """
        if message.arrived_at is None and self._admission.time_problem(message, sender, now):
            return
        secret, random = secret_of(message), self._services.random
        is_answered = await self._services.database.transact(
            lambda tx: answer_stranger(tx, message, secret, self._replies, now=now, random=random)
        )
        if is_answered:
            self._services.wake_outbox()

    async def _close(
        self, message: IncomingMessage, rejection: Rejection, *, is_late: bool = False
    ) -> None:
        """Record a message that ran nothing, with the reply if the rejection has a reply."""
        now = self._services.clock.now()
        await self._services.database.transact(
            lambda tx: self._replies.close(
                tx,
                message,
                rejection.reply,
                command=rejection.command,
                now=now,
                is_late=is_late,
            )
        )
        self._services.wake_outbox()

    async def _tell_failure(self, message: IncomingMessage, error: Exception) -> None:
        reference = f"{self._services.random.getrandbits(32):08x}"
        # The error's text is left out: the text may quote the person's message.
        _log.error(
            "message failed reference=%s error=%s at=%s",
            reference,
            type(error).__name__,
            place_of(error),
        )
        sender = await self._services.database.read(self._sender_of(message))
        if sender is not None and sender.role is not Role.STRANGER:
            key = "failed" if sender.client else "failed_operator"
            await self._close(message, Rejection("failed", Say(key, reference=reference)))


def _of_batch(invocation: Invocation, step: Step) -> Looked:
    return Looked(invocation, step.seen, step.refusal)
